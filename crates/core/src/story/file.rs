//! The files of stories, `.miyabi/stories/*.yaml`: one story each, everything that is wrong told at once.

use std::collections::BTreeMap;

use super::{State, Story};
use crate::flow::problem::{At, Problems};
use crate::flow::read::{Fields, Word};
use crate::flow::{FlowProblem, node};

/// Where a repository keeps its stories.
pub const FOLDER: &str = ".miyabi/stories";

/// One thing that is wrong with a story's file; it is shown as problems of flows are.
pub type StoryProblem = FlowProblem;

/// The longest file, in bytes.
const MAX_BYTES: usize = 256 * 1024;
/// The longest id, in characters.
const MAX_ID: usize = 64;
/// The longest story, in characters.
const MAX_STORY: usize = 20_000;
/// The most criteria.
const MAX_CRITERIA: usize = 50;
/// The longest criterion, in characters.
const MAX_CRITERION: usize = 2_000;

const KEYS: [&str; 5] = ["id", "title", "story", "acceptance_criteria", "state"];

/// Reads the file of one story. `path` is where it stands, from the root of the repository.
/// Errors: all problems, in the order of the file, never none.
pub fn read_file(text: &str, path: &str) -> Result<Story, Vec<StoryProblem>> {
    read(text, path).map(|(story, _)| story)
}

/// Reads the files of stories, given as `(path, text)`: the stories by their ids, and what is wrong with the others.
///
/// Of two files with one id neither is a story: which one is meant cannot be known.
pub fn read_files<'f>(
    files: impl IntoIterator<Item = (&'f str, &'f str)>,
) -> (Vec<Story>, Vec<StoryProblem>) {
    let mut stories: BTreeMap<String, Vec<(Story, At)>> = BTreeMap::new();
    let mut problems = Vec::new();
    for (path, text) in files {
        match read(text, path) {
            Ok((story, at)) => stories.entry(story.id.clone()).or_default().push((story, at)),
            Err(wrong) => problems.extend(wrong),
        }
    }
    let mut good = Vec::new();
    for mut same in stories.into_values() {
        if let [_] = same.as_slice() {
            good.extend(same.pop().map(|(story, _)| story));
            continue;
        }
        let paths: Vec<String> = same.iter().map(|(story, _)| story.path.clone()).collect();
        for (story, at) in same {
            let others: Vec<_> = paths.iter().filter(|path| **path != story.path).cloned().collect();
            let mut found = Problems::new(&story.path, "");
            let message = format!("the id `{}` is that of {}, too", story.id, others.join(" and "));
            found.add(at, "duplicate-id", message).hint("results belong to an id: give each story its own");
            problems.extend(found.into_sorted());
        }
    }
    problems.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    (good, problems)
}

/// Whether a word can be the id of a story: letters of any language, digits, `-` and `_`, at most 64 of them.
pub fn is_id(word: &str) -> bool {
    !word.is_empty()
        && word.chars().nth(MAX_ID).is_none()
        && word.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
        && !word.starts_with('-')
}

fn read(text: &str, path: &str) -> Result<(Story, At), Vec<StoryProblem>> {
    let mut problems = Problems::new(path, text);
    let story = story(text, path, &mut problems);
    let problems = problems.into_sorted();
    match story {
        Some(story) if problems.is_empty() => Ok(story),
        _ => Err(problems),
    }
}

fn story(text: &str, path: &str, problems: &mut Problems<'_>) -> Option<(Story, At)> {
    if text.len() > MAX_BYTES {
        let message = format!("the file has {} bytes; at most {MAX_BYTES} are read", text.len());
        problems.add(At::START, "too-large", message).hint("a story is a few sentences");
        return None;
    }
    if text.trim().is_empty() {
        let problem = problems.add(At::START, "empty", "the file is empty");
        problem.hint("a story needs `id`, `title` and `story`");
        return None;
    }
    let root = node::parse(text, problems)?;
    let mut fields = Fields::of(&root, "a story", &KEYS, problems)?;
    let id = fields.name("id", problems);
    if let Some(word) = id.as_ref().filter(|word| !is_id(&word.text)) {
        let problem = problems.add(word.at, "bad-id", "this is no id for a story");
        problem
            .hint("letters, digits, `-` and `_`, at most 64, and no `-` in front: it is typed in commands");
    }
    let title = fields.name("title", problems);
    if !fields.has("story") {
        fields.missing("story", problems);
    }
    let story = fields.text("story", problems);
    limit(story.as_ref(), "story", MAX_STORY, problems);
    let criteria = match fields.has("acceptance_criteria") {
        true => fields.words("acceptance_criteria", problems).unwrap_or_default(),
        false => Vec::new(),
    };
    if let Some(word) = criteria.get(MAX_CRITERIA) {
        let message = format!("there are {} criteria; at most {MAX_CRITERIA} are read", criteria.len());
        problems.add(word.at, "too-large", message).hint("make several stories of it");
    }
    criteria.iter().for_each(|word| limit(Some(word), "acceptance_criteria", MAX_CRITERION, problems));
    let states = State::ALL.map(|state| (state.as_str(), state));
    let state = fields.one_of("state", &states, problems).unwrap_or_default();
    let id = id?;
    let story = Story {
        id: id.text,
        title: title?.text,
        story: story?.text.trim().to_owned(),
        acceptance_criteria: criteria.into_iter().map(|word| word.text.trim().to_owned()).collect(),
        state,
        path: path.to_owned(),
    };
    Some((story, id.at))
}

fn limit(word: Option<&Word>, key: &str, most: usize, problems: &mut Problems<'_>) {
    let Some(word) = word else { return };
    if word.text.trim().is_empty() {
        problems.add(word.at, "no-value", format!("`{key}` has a blank text"));
    } else if word.text.chars().nth(most).is_some() {
        problems.add(word.at, "too-large", format!("a text of `{key}` is longer than {most} characters"));
    }
}

/// The text of a story's file; reading it gives the story again.
pub fn write_file(story: &Story) -> String {
    let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
    let plain = |text: &str| {
        let is_plain = text
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | ',' | '.' | '、' | '。'))
            && text.starts_with(char::is_alphabetic);
        if is_plain { text.to_owned() } else { quoted(text) }
    };
    let block = |text: &str| text.lines().map(|line| format!("  {line}\n")).collect::<String>();
    let written = |plain: &dyn Fn(&str) -> String, story_text: String| {
        let mut file = format!("id: {}\ntitle: {}\n{story_text}", plain(&story.id), plain(&story.title));
        if !story.acceptance_criteria.is_empty() {
            file.push_str("acceptance_criteria:\n");
        }
        for criterion in &story.acceptance_criteria {
            file.push_str(&format!("  - {}\n", plain(criterion)));
        }
        file.push_str(&format!("state: {}\n", story.state.as_str()));
        file
    };
    let pretty = written(&plain, format!("story: |\n{}", block(&story.story)));
    match read_file(&pretty, &story.path) {
        Ok(read) if read == *story => pretty,
        // Some texts look like something else where they stand without quotes.
        _ => written(&quoted, format!("story: {}\n", quoted(&story.story))),
    }
}
