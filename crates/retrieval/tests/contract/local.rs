//! What only a shelf in a folder can meet: damaged files, files that are not what they should be, and folders that go.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use miyabi_core::knowledge::RecordKind;
use miyabi_retrieval::{LocalShelf, RunChunks, Shelf};

use crate::maker;
use crate::things::{SHOP, any, chunk, mark, names, pointing, put, record, run, search};

fn open(folder: &Path) -> LocalShelf {
    LocalShelf::open(folder, Some(&maker())).unwrap()
}

/// The folder in which the shelf keeps its files.
fn inside(folder: &Path) -> PathBuf {
    let mut folders = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    folders.find(|path| path.is_dir()).unwrap()
}

/// Puts two runs of which each part has a vector, in a segment each.
async fn fill(shelf: &dyn Shelf) {
    for (name, text) in [("run-1", "apple banana"), ("run-2", "apple cherry")] {
        let part = pointing(chunk(&record(name, RecordKind::Issue), 0, text), [1.0, 0.0, 0.0, 0.0]);
        shelf.replace(SHOP, &run(name), mark(1), &[part]).await.unwrap();
    }
}

/// Whether both runs are found by words, by vectors and whole.
async fn is_whole(shelf: &dyn Shelf) -> bool {
    let whole = async {
        let words = shelf.lexical(&[("apple".to_owned(), 1.0)], &any(), 9).await?;
        let near = shelf.dense(&[1.0, 0.0, 0.0, 0.0], &any(), 9).await?;
        let ids: Vec<_> = near.iter().map(|it| it.id).collect();
        Ok::<_, miyabi_core::failure::Failure>((words.len(), near.len(), shelf.chunks(&ids).await?.len()))
    };
    whole.await.is_ok_and(|counts| counts == (2, 2, 2))
}

/// The files of the segments, in the order of their names' ends.
fn segment_files(words: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(words).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|it| it.extension().is_some_and(|end| end != "json")).collect();
    files.retain(|it| !it.file_name().unwrap().to_str().unwrap().starts_with('.'));
    files.sort_by_key(|it| (it.extension().unwrap().to_owned(), it.clone()));
    files
}

/// Cuts a file to half of its length.
fn cut(file: &Path) {
    let open = fs::OpenOptions::new().write(true).open(file).unwrap();
    open.set_len(open.metadata().unwrap().len() / 2).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_is_put_aside_and_made_again() {
    type Damage = (&'static str, fn(&Path));
    let damages: [Damage; 9] = [
        ("no JSON", |words| fs::write(words.join("meta.json"), b"\xff{").unwrap()),
        ("nothing", |words| fs::write(words.join("meta.json"), b"").unwrap()),
        ("half a file", |words| cut(&words.join("meta.json"))),
        ("the list of files", |words| fs::write(words.join(".managed.json"), b"[").unwrap()),
        ("another schema", |words| {
            let text = fs::read_to_string(words.join("meta.json")).unwrap();
            fs::write(words.join("meta.json"), text.replace("\"outcome\"", "\"income\"")).unwrap();
        }),
        ("short segments", |words| segment_files(words).iter().for_each(|file| cut(file))),
        ("a segment that is gone", |words| fs::remove_file(&segment_files(words)[0]).unwrap()),
        ("no vectors", |words| fs::remove_file(words.with_file_name("vectors.f32")).unwrap()),
        ("half of the vectors", |words| cut(&words.with_file_name("vectors.f32"))),
    ];
    for (name, damage) in damages {
        let folder = tempfile::tempdir().unwrap();
        fill(&open(folder.path())).await;
        let words = inside(folder.path()).join("words");
        damage(&words);
        let seen = LocalShelf::look(folder.path(), Some(&maker()));
        let hint = seen.unwrap_err().hint.unwrap();
        assert!(hint.contains("`miyabi knowledge index --rebuild`"), "{name}: {hint}");
        assert!(!words.with_extension("broken").exists(), "{name}: looking changes nothing");

        let shelf = open(folder.path());
        assert!(shelf.marks(SHOP).await.unwrap().is_empty(), "{name}: so that everything is taken in again");
        assert!(words.with_extension("broken").is_dir(), "{name}");
        fill(&shelf).await;
        assert!(is_whole(&shelf).await, "{name}");
        assert!(is_whole(&open(folder.path())).await, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_opened_now_is_left_as_it_is() {
    // Permissions do not bind who tests as root, so other things are wrong here.
    type Wrong = (&'static str, fn(&Path), fn(&Path));
    let away = |path: &Path| fs::rename(path, path.with_extension("away")).unwrap();
    let back = |path: &Path| fs::rename(path.with_extension("away"), path).unwrap();
    let cases: [Wrong; 3] = [
        (
            "a file for the folder of words",
            |inside| fs::write(inside.join("words"), "mine").unwrap(),
            |inside| fs::remove_file(inside.join("words")).unwrap(),
        ),
        (
            "a folder for the vectors",
            |inside| fs::create_dir(inside.join("vectors.f32")).unwrap(),
            |inside| fs::remove_dir(inside.join("vectors.f32")).unwrap(),
        ),
        (
            "a folder for the lock",
            |inside| fs::create_dir(inside.join("writer.lock")).unwrap(),
            |inside| fs::remove_dir(inside.join("writer.lock")).unwrap(),
        ),
    ];
    for ((name, spoil, mend), file) in cases.into_iter().zip(["words", "vectors.f32", "writer.lock"]) {
        let folder = tempfile::tempdir().unwrap();
        fill(&open(folder.path())).await;
        let inside = inside(folder.path());
        away(&inside.join(file));
        spoil(&inside);
        let failure = LocalShelf::open(folder.path(), Some(&maker())).map(|_| ()).unwrap_err();
        assert!(failure.message.contains(inside.to_str().unwrap()), "{name}: {failure}");
        assert!(failure.hint.as_ref().unwrap().contains("something else lies there"), "{name}: {failure:?}");
        assert!(!inside.join("words.broken").exists(), "{name}");
        mend(&inside);
        back(&inside.join(file));
        assert!(is_whole(&open(folder.path())).await, "{name}");
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("knowledge"), "mine").unwrap();
    let failure = LocalShelf::open(&folder.path().join("knowledge"), None).map(|_| ()).unwrap_err();
    assert!(failure.hint.as_ref().unwrap().contains("`knowledge.folder`"), "{failure:?}");
    assert_eq!(fs::read_to_string(folder.path().join("knowledge")).unwrap(), "mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_that_a_search_meets_is_said_and_a_rebuild_mends_it() {
    let ends = ["fast", "fieldnorm", "idx", "store", "term"];
    for end in ends {
        let folder = tempfile::tempdir().unwrap();
        let shelf = open(folder.path());
        fill(&shelf).await;
        let words = inside(folder.path()).join("words");
        for file in segment_files(&words).iter().filter(|it| it.extension().unwrap() == end) {
            // Of the same length, and with the end that says what it is: opening sees nothing.
            let mut open = fs::OpenOptions::new().write(true).open(file).unwrap();
            open.write_all(&[0xa5; 12]).unwrap();
        }
        if end == "store" {
            let another = open(folder.path());
            let seen = read_all(&another).await.unwrap_err();
            assert!(seen.message.contains(inside(folder.path()).to_str().unwrap()), "{seen}");
            assert!(seen.hint.unwrap().contains("`miyabi knowledge index --rebuild`"));
        }
        shelf.forget(SHOP).await.unwrap();
        assert!(words.with_extension("broken").is_dir(), "{end}: it was noticed");
        assert!(shelf.marks(SHOP).await.unwrap().is_empty(), "{end}");
        fill(&shelf).await;
        assert!(is_whole(&shelf).await && is_whole(&open(folder.path())).await, "{end}");
    }
}

async fn read_all(shelf: &dyn Shelf) -> Result<usize, miyabi_core::failure::Failure> {
    let found = shelf.lexical(&[("apple".to_owned(), 1.0)], &any(), 9).await?;
    let ids: Vec<_> = found.iter().map(|it| it.id).collect();
    Ok(shelf.chunks(&ids).await?.len())
}

/// A kill between the file that says what was deleted and the list of segments leaves the first, and the next writer
/// gives the same name.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_kill_left_is_in_nobodys_way() {
    let write = async |shelf: &LocalShelf| {
        let part = chunk(&record("run-1", RecordKind::Issue), 0, "apple date");
        shelf.replace(SHOP, &run("run-1"), mark(2), &[part]).await
    };
    let both: Vec<RunChunks> = ["run-1", "run-2"]
        .map(|name| {
            let chunks = vec![chunk(&record(name, RecordKind::Issue), 0, "apple banana")];
            RunChunks { run: run(name), mark: mark(1), chunks }
        })
        .into();
    let (killed, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let shelves = [open(killed.path()), open(other.path())];
    for shelf in &shelves {
        shelf.replace_all(SHOP, &both).await.unwrap();
    }
    write(&shelves[1]).await.unwrap();
    let deleted = |folder: &Path| {
        let files = segment_files(&inside(folder).join("words"));
        files.into_iter().find(|file| file.extension().unwrap() == "del")
    };
    // What the other one wrote, under the names that this one will give.
    let ours = segment_files(&inside(killed.path()).join("words"));
    let segment = ours[0].file_stem().unwrap().to_str().unwrap();
    let theirs = deleted(other.path()).unwrap();
    let stamp = theirs.file_stem().unwrap().to_str().unwrap().split_once('.').unwrap().1;
    let left = ours[0].with_file_name(format!("{segment}.{stamp}.del"));
    fs::copy(&theirs, &left).unwrap();
    for shelf in [&shelves[0], &open(killed.path())] {
        write(shelf).await.unwrap();
        assert_eq!(names(&search(shelf, &["date"], &any()).await), ["run-1/issue"]);
        assert_eq!(names(&search(shelf, &["banana"], &any()).await), ["run-2/issue"]);
    }
    assert!(deleted(killed.path()).is_none_or(|file| file == left), "the name was the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repo_is_forgotten_without_the_others_where_nothing_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let shelf = open(folder.path());
    fill(&shelf).await;
    let mut other = record("run-3", RecordKind::Issue);
    other.repo = "alice/till".to_owned();
    shelf.replace("alice/till", &run("run-3"), mark(1), &[chunk(&other, 0, "apple")]).await.unwrap();
    shelf.forget(SHOP).await.unwrap();
    assert_eq!(names(&search(&shelf, &["apple"], &any()).await), ["run-3/issue"]);
    assert!(!inside(folder.path()).join("words.broken").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_goes_while_it_is_used_comes_back_empty() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("knowledge");
    let (one, two) = (open(&place), open(&place));
    fill(&one).await;
    assert!(is_whole(&two).await);
    fs::remove_dir_all(&place).unwrap();
    assert!(one.marks(SHOP).await.unwrap().is_empty(), "so that everything is taken in again");
    fill(&one).await;
    assert!(is_whole(&one).await && is_whole(&two).await);
    assert_eq!(fs::read_to_string(place.join(".gitignore")).unwrap(), "*\n");

    // The first thing that is done afterwards is a write.
    fs::remove_dir_all(&place).unwrap();
    fill(&two).await;
    assert!(is_whole(&one).await && is_whole(&two).await && is_whole(&open(&place)).await);

    // Another process puts it aside.
    let meta = inside(&place).join("words/meta.json");
    fs::write(meta, "broken").unwrap();
    let three = open(&place);
    assert!(one.marks(SHOP).await.unwrap().is_empty());
    put(&two, "run-5", &["date"]).await;
    for shelf in [&one, &two, &three] {
        assert_eq!(names(&search(shelf, &["date"], &any()).await), ["run-5/issue"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_goes_while_it_is_written_loses_nothing_that_a_mark_speaks_of() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("knowledge");
    let shelf = open(&place);
    let runs: Vec<RunChunks> = (0..20)
        .map(|n| {
            let name = format!("run-{n}");
            let parts = (0..20).map(|at| chunk(&record(&name, RecordKind::Issue), at, "apple banana"));
            RunChunks { run: run(&name), mark: mark(1), chunks: parts.collect() }
        })
        .collect();
    let writing = tokio::spawn({
        let (shelf, runs) = (shelf.clone(), runs.clone());
        async move {
            let mut written = 0;
            for _ in 0..12 {
                written += usize::from(shelf.replace_all(SHOP, &runs).await.is_ok());
            }
            written
        }
    });
    let mut removed = 0;
    while !writing.is_finished() {
        removed += usize::from(fs::remove_dir_all(&place).is_ok());
        tokio::task::yield_now().await;
    }
    assert!(removed > 0);
    writing.await.unwrap();
    let (shelf, marks) = (open(&place), open(&place).marks(SHOP).await.unwrap());
    for run in marks.keys() {
        let ids = [record(run.as_str(), RecordKind::Issue).id];
        assert_eq!(shelf.of_records(&ids).await.unwrap().len(), 20, "{run}");
    }
    shelf.replace_all(SHOP, &runs).await.unwrap();
    assert_eq!(open(&place).stats().await.unwrap().chunks, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writes_leave_few_segments() {
    let folder = tempfile::tempdir().unwrap();
    let shelf = open(folder.path());
    for n in 0..40 {
        let name = format!("run-{n}");
        let part = chunk(&record(&name, RecordKind::Issue), 0, "apple banana");
        shelf.replace(SHOP, &run(&name), mark(1), &[part]).await.unwrap();
    }
    let files = segment_files(&inside(folder.path()).join("words"));
    let segments = files.iter().filter(|file| file.extension().unwrap() == "store").count();
    assert!(segments <= 17, "{segments} segments");
    assert_eq!(shelf.lexical(&[("apple".to_owned(), 1.0)], &any(), 99).await.unwrap().len(), 40);
}
