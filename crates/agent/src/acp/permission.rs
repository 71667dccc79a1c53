//! What a program asks leave for is answered by policy, at once: nobody sits there.
//!
//! In a box it may do what the box lets it do. Without one it may read, and change what lies in its worktree.

use std::path::{Component, Path, PathBuf};

use miyabi_core::containment::Containment;
use serde_json::{Value, json};

use super::message::{Asked, Modes};

/// The outcome, and what was refused by it.
pub(super) fn answer(asked: &Asked, worktree: &Path, containment: Containment) -> (Option<String>, Value) {
    let is_allowed = containment > Containment::Plain || is_harmless(asked, worktree);
    // Once: what is remembered would hold for what we have not looked at.
    let wanted = match is_allowed {
        true => ["allow_once", "allow_always"],
        false => ["reject_once", "reject_always"],
    };
    let option = wanted.iter().find_map(|kind| asked.options.iter().find(|option| option.kind == *kind));
    let outcome = match option {
        Some(option) => json!({ "outcome": "selected", "optionId": option.option_id }),
        None => json!({ "outcome": "cancelled" }),
    };
    let title = asked.tool_call.title.clone().unwrap_or_else(|| "a tool without a title".to_owned());
    ((!is_allowed || option.is_none()).then_some(title), outcome)
}

/// Modes by which known programs leave out a box of their own, which cannot be made inside of ours, and ask nobody.
const UNBOUND: [&str; 3] = ["full-access", "bypassPermissions", "yolo"];

/// The mode that a program in a box is to work in, if it has such.
pub(super) fn mode(modes: Option<&Modes>, containment: Containment) -> Option<String> {
    let modes = modes.filter(|_| containment > Containment::Plain)?;
    modes.available_modes.iter().map(|mode| mode.id.clone()).find(|id| UNBOUND.contains(&id.as_str()))
}

fn is_harmless(asked: &Asked, worktree: &Path) -> bool {
    let tool = &asked.tool_call;
    let mut places = tool.locations.iter().flatten().map(|location| location.path.as_path()).peekable();
    match tool.kind.as_deref().unwrap_or_default() {
        "read" | "search" | "think" => true,
        "edit" | "delete" | "move" => {
            places.peek().is_some() && places.all(|place| is_inside(place, worktree))
        }
        _ => false,
    }
}

/// Whether a path, relative ones from the worktree, stays in it as it is written.
fn is_inside(path: &Path, worktree: &Path) -> bool {
    let mut plain = PathBuf::new();
    for part in worktree.join(path).components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain.starts_with(worktree)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ask(kind: &str, paths: &[&str]) -> Asked {
        let places: Vec<_> = paths.iter().map(|path| json!({ "path": path })).collect();
        serde_json::from_value(json!({
            "sessionId": "s",
            "toolCall": { "toolCallId": "t", "title": "it", "kind": kind, "locations": places },
            "options": [
                { "optionId": "always", "name": "Always", "kind": "allow_always" },
                { "optionId": "yes", "name": "Yes", "kind": "allow_once" },
                { "optionId": "no", "name": "No", "kind": "reject_once" },
            ],
        }))
        .unwrap()
    }

    fn chosen(asked: &Asked, containment: Containment) -> (Option<String>, String) {
        let (refused, answer) = answer(asked, Path::new("/w/雅"), containment);
        (refused, answer["optionId"].as_str().unwrap_or("-").to_owned())
    }

    #[test]
    fn in_a_box_it_may_do_what_the_box_lets_it_do() {
        for kind in ["edit", "execute", "fetch", "other"] {
            assert_eq!(
                chosen(&ask(kind, &["/etc/passwd"]), Containment::Bubblewrap),
                (None, "yes".to_owned())
            );
        }
    }

    #[test]
    fn without_a_box_it_may_read_and_change_its_worktree() {
        let of = |kind: &str, paths: &[&str]| chosen(&ask(kind, paths), Containment::Plain).1;
        assert_eq!(of("read", &["/etc/passwd"]), "yes");
        assert_eq!(of("edit", &["/w/雅/src/lib.rs", "README.md"]), "yes");
        for (kind, paths) in [
            ("edit", &["/w/雅/../other/x"][..]),
            ("edit", &["/w/雅/a", "/etc/passwd"]),
            ("edit", &[]),
            ("delete", &["/w/雅x"]),
            ("execute", &["/w/雅"]),
            ("never heard of", &[]),
        ] {
            let refused = chosen(&ask(kind, paths), Containment::Plain);
            assert_eq!(refused, (Some("it".to_owned()), "no".to_owned()), "{kind} {paths:?}");
        }
    }

    #[test]
    fn who_offers_no_way_to_say_no_is_cancelled() {
        let mut asked = ask("execute", &[]);
        asked.options.truncate(1);
        assert_eq!(chosen(&asked, Containment::Plain), (Some("it".to_owned()), "-".to_owned()));
    }
}
