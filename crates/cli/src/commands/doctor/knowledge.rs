//! How what is remembered of past runs stands.

use super::Finding;
use crate::context::Context;
use crate::knowing::{Standing, standing};
use crate::output::clean::short;
use crate::wiring::Home;

const LOST: &str = "runs are not remembered, and agents are told of no past work";

pub(super) async fn knowledge(context: &Context, home: &Home) -> Finding {
    let stands = standing(context, &home.root, &home.settings.knowledge, &home.redactor).await;
    let finding = |found, detail: &str, means: &str, get: Option<String>| Finding {
        what: "knowledge".to_owned(),
        found,
        required: false,
        detail: short(detail, 300),
        means: means.to_owned(),
        get,
    };
    match stands {
        None => finding(false, "off", LOST, Some("`knowledge.enabled = true` switches it on".to_owned())),
        Some(Standing { store: Err(failure), .. }) => finding(false, &failure.message, LOST, failure.hint),
        Some(Standing { store: Ok((store, place)), embedder }) => {
            let (how, means) = match embedder {
                None => ("by words alone".to_owned(), "past runs are found again by their words"),
                Some(maker) => {
                    (format!("vectors by {maker}"), "past runs are found again by words and by meaning")
                }
            };
            finding(true, &format!("{store}, {how}, {place}"), means, None)
        }
    }
}
