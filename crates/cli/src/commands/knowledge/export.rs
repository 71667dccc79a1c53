//! Writing records out: to standard output as they come, or to a file that is there whole or not at all.

use std::fs::Permissions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::knowledge::{Record, RecordFilter};
use miyabi_core::ports::Knowledge;

use crate::error::CliError;
use crate::output::Output;

/// So many records are read at once when all are written out.
const PAGE: usize = 500;

/// Writes the records of a filter to standard output, and says how many there were.
pub(super) async fn show(
    knowledge: &dyn Knowledge,
    filter: &RecordFilter,
    output: Output,
) -> Result<usize, CliError> {
    each(knowledge, filter, |line| output.data(line)).await
}

/// Writes the records of a filter to a file that is not there yet, and says how many there were. Until all are written
/// they are in another file beside it, which goes if something fails.
pub(super) async fn save(
    knowledge: &dyn Knowledge,
    filter: &RecordFilter,
    path: &Path,
) -> Result<usize, CliError> {
    let failed = |error: std::io::Error| CliError::file("write", path, &error);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut part = tempfile::Builder::new()
        .prefix(&format!(".{name}."))
        // As any new file: others may read it where the mask lets them.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(failed)?;
    let mut writer = BufWriter::new(part.as_file_mut());
    let count = each(knowledge, filter, |line| writeln!(writer, "{line}").map_err(failed)).await?;
    writer.flush().and_then(|()| writer.get_ref().sync_all()).map_err(failed)?;
    drop(writer);
    part.persist_noclobber(path).map_err(|kept| failed(kept.error))?;
    Ok(count)
}

/// Whether a file can be written there: it must not be there yet.
pub(super) fn is_free(path: &Path) -> Result<(), CliError> {
    match path.symlink_metadata() {
        Ok(_) => Err(CliError::input(format!("write `{}`", path.display()))
            .because("it is there already")
            .hint("name a file that is not there yet, or take that one away")),
        Err(_) => Ok(()),
    }
}

async fn each(
    knowledge: &dyn Knowledge,
    filter: &RecordFilter,
    mut write: impl FnMut(&str) -> Result<(), CliError>,
) -> Result<usize, CliError> {
    let (mut after, mut count) = (None, 0);
    loop {
        let page: Vec<Record> = knowledge.list(filter, after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(count) };
        after = Some(last.id.clone());
        count += page.len();
        for record in &page {
            let line = serde_json::to_string(record)
                .map_err(|error| Failure::caused(FailureClass::Internal, &error))?;
            write(&line)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use async_trait::async_trait;
    use miyabi_core::ids::RunId;
    use miyabi_core::knowledge::{
        Found, KnowledgeStats, Mark, Memory, Query, RecordId, RecordKind, Remembered,
    };
    use miyabi_core::ports::NoKnowledge;
    use miyabi_core::status::Status;

    use super::*;

    /// Two pages of records, the second of which may not come; or something that happens before it does.
    struct Pages {
        fails: bool,
        between: Box<dyn Fn() + Send + Sync>,
    }

    fn record(n: usize) -> Record {
        let run = RunId::new(format!("run-{n:04}"));
        Record {
            id: RecordId::outcome(&run),
            kind: RecordKind::Outcome,
            repo: "acme/shop".to_owned(),
            run,
            number: 1,
            flow: "issue".to_owned(),
            issue: 1,
            step: None,
            agent: String::new(),
            outcome: Status::Succeeded,
            at: jiff::Timestamp::UNIX_EPOCH,
            title: "題\n名".to_owned(),
            text: "a\u{2028}b\nc".to_owned(),
            files: Vec::new(),
            url: String::new(),
            given: Vec::new(),
        }
    }

    #[async_trait]
    impl Knowledge for Pages {
        async fn list(
            &self,
            _: &RecordFilter,
            after: Option<&RecordId>,
            limit: usize,
        ) -> Result<Vec<Record>, Failure> {
            let Some(after) = after else { return Ok((0..limit).map(record).collect()) };
            (self.between)();
            if self.fails {
                return Err(Failure::new(FailureClass::Unavailable, "the server is gone"));
            }
            Ok(if *after == record(PAGE).id { Vec::new() } else { vec![record(PAGE)] })
        }

        async fn marks(&self, repo: &str) -> Result<BTreeMap<RunId, Mark>, Failure> {
            NoKnowledge.marks(repo).await
        }
        async fn remember(&self, repo: &str, runs: &[Memory]) -> Result<Remembered, Failure> {
            NoKnowledge.remember(repo, runs).await
        }
        async fn search(&self, query: &Query) -> Result<Found, Failure> {
            NoKnowledge.search(query).await
        }
        async fn get(&self, ids: &[RecordId]) -> Result<Vec<Record>, Failure> {
            NoKnowledge.get(ids).await
        }
        async fn stats(&self) -> Result<KnowledgeStats, Failure> {
            NoKnowledge.stats().await
        }
        async fn forget(&self, repo: &str) -> Result<(), Failure> {
            NoKnowledge.forget(repo).await
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name());
        entries.map(|name| name.to_string_lossy().into_owned()).collect()
    }

    #[tokio::test]
    async fn all_of_it_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("記録.jsonl");
        let at = path.clone();
        let looking = Box::new(move || assert!(!at.exists(), "not before it is whole"));
        let all = Pages { fails: false, between: looking };
        assert_eq!(save(&all, &RecordFilter::default(), &path).await.unwrap(), PAGE + 1);
        let text = fs::read_to_string(&path).unwrap();
        let back: Vec<Record> = text.split('\n').filter_map(|line| serde_json::from_str(line).ok()).collect();
        assert_eq!(back, (0..=PAGE).map(record).collect::<Vec<_>>(), "a line for each");
        assert_eq!(names(folder.path()), ["記録.jsonl"]);
        fs::remove_file(&path).unwrap();

        let fails = Pages { fails: true, between: Box::new(|| ()) };
        let error = save(&fails, &RecordFilter::default(), &path).await.unwrap_err();
        assert!(error.render().contains("the server is gone"));
        assert!(names(folder.path()).is_empty(), "no half of it, under no name");
    }

    #[tokio::test]
    async fn what_others_put_there_in_the_meantime_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records.jsonl");
        let at = path.clone();
        let pages = Pages { fails: false, between: Box::new(move || fs::write(&at, "theirs").unwrap()) };
        is_free(&path).unwrap();
        save(&pages, &RecordFilter::default(), &path).await.unwrap_err();
        assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
        assert_eq!(names(folder.path()), ["records.jsonl"]);
        assert!(is_free(&path).unwrap_err().render().contains("it is there already"));
        let nowhere = folder.path().join("no/such/folder.jsonl");
        save(&pages, &RecordFilter::default(), &nowhere).await.unwrap_err();
    }
}
