//! The files of stories in the main checkout.

use std::fs;
use std::io::Write;
use std::path::Path;

use miyabi_core::story::{FOLDER, State, Story, read_file, read_files, write_file};

use crate::error::CliError;

/// What the files of a checkout are.
pub(super) struct Found {
    /// The stories, by their ids.
    pub(super) stories: Vec<Story>,
    /// What is wrong with the others, each with its line.
    pub(super) problems: Vec<String>,
}

/// Reads the files of the checkout as they are, committed or not.
pub(super) fn read(root: &Path) -> Result<Found, CliError> {
    let folder = root.join(FOLDER);
    let Ok(entries) = fs::read_dir(&folder) else {
        return Ok(Found { stories: Vec::new(), problems: Vec::new() });
    };
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    names.retain(|name| name.ends_with(".yaml") || name.ends_with(".yml"));
    let mut files = Vec::new();
    for name in names {
        let path = folder.join(&name);
        let text =
            fs::read_to_string(&path).map_err(|error| CliError::file("read the story", &path, &error))?;
        files.push((format!("{FOLDER}/{name}"), text));
    }
    let (stories, problems) = read_files(files.iter().map(|(path, text)| (path.as_str(), text.as_str())));
    let render = |problem: &miyabi_core::story::StoryProblem| {
        let text = files.iter().find(|(path, _)| *path == problem.file).map_or("", |(_, text)| text);
        problem.render(text)
    };
    Ok(Found { stories, problems: problems.iter().map(render).collect() })
}

/// Writes the file of a new story, and says which it is.
///
/// Errors: something of it is wrong, or there is a story of that id or a file in its place; nothing is written then.
pub(super) fn add(
    root: &Path,
    id: String,
    title: String,
    text: String,
    criteria: Vec<String>,
) -> Result<String, CliError> {
    let file = format!("{FOLDER}/{id}.yaml");
    let story = Story {
        id,
        title: title.trim().to_owned(),
        story: text.trim().to_owned(),
        acceptance_criteria: criteria.iter().map(|text| text.trim().to_owned()).collect(),
        state: State::Active,
        path: file.clone(),
    };
    let content = write_file(&story);
    if let Err(problems) = read_file(&content, &file) {
        let error = CliError::input("this is no story");
        let error = problems.iter().fold(error, |error, problem| error.because(problem.message.clone()));
        return Err(match problems.into_iter().find_map(|problem| problem.hint) {
            Some(hint) => error.hint(hint),
            None => error,
        });
    }
    if let Some(known) = read(root)?.stories.into_iter().find(|known| known.id == story.id) {
        return Err(CliError::input(format!("there is a story `{}` already", story.id))
            .because(known.path)
            .hint("choose another id, or edit that file"));
    }
    let path = root.join(&file);
    let written = fs::create_dir_all(root.join(FOLDER)).and_then(|()| {
        fs::OpenOptions::new().write(true).create_new(true).open(&path)?.write_all(content.as_bytes())
    });
    match written {
        Ok(()) => Ok(file),
        Err(error) => Err(CliError::file("write the story", &path, &error)),
    }
}
