//! A remote that is reached by its path: what comes, what goes, and what is never overwritten.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::CommitId;
use miyabi_core::ports::{PushSpec, Pushed, Remote, Worktrees};
use miyabi_core::worktree::Closed;
use miyabi_git::{Cloned, Credentials, GitRemote, GitWorktrees, Login, Options, RemoteOptions, clone_into};

use crate::common::{Repo, commit_file, git_in};

/// A path is reached without a login.
struct Nobody;

#[async_trait]
impl Credentials for Nobody {
    async fn login(&self, url: &str) -> Result<Option<Login>, Failure> {
        panic!("a login was asked for at {url}");
    }
}

fn options(name_or_url: &str) -> RemoteOptions {
    RemoteOptions {
        name_or_url: name_or_url.to_owned(),
        credentials: Arc::new(Nobody),
        askpass: PathBuf::from("/no/such/program"),
    }
}

fn connected(repo: &Repo, name_or_url: &str) -> GitWorktrees {
    let remote = Some(options(name_or_url));
    GitWorktrees::open(repo.root(), Options { remote, ..Options::default() }).unwrap()
}

/// A repository with `main` in a bare one beside it.
fn with_origin(arguments: &[&str]) -> (Repo, PathBuf, GitRemote) {
    let repo = Repo::with(arguments);
    let bare = repo.root().with_file_name("bare 「遠」.git");
    repo.git(["clone", "-q", "--bare", ".", bare.to_str().unwrap()]);
    repo.git(["remote", "add", "origin", bare.to_str().unwrap()]);
    let remote = connected(&repo, "origin").remote().unwrap();
    (repo, bare, remote)
}

fn spec(branch: &str, commit: &CommitId) -> PushSpec {
    PushSpec { branch: branch.to_owned(), commit: commit.clone() }
}

/// A commit on top of another, on no branch.
fn on_top(folder: &Path, parent: &str, message: &str) -> CommitId {
    let tree = format!("{parent}^{{tree}}");
    let who = ["-c", "user.name=Someone", "-c", "user.email=someone@example.com"];
    let words = ["commit-tree", &tree, "-p", parent, "-m", message];
    CommitId::from(git_in(folder, who.into_iter().chain(words)))
}

/// What others do at the remote: a commit on top of its `main`, to be found on a branch.
fn others_commit(bare: &Path, branch: &str, message: &str) -> CommitId {
    let commit = on_top(bare, "main", message);
    git_in(bare, ["update-ref", &format!("refs/heads/{branch}"), commit.as_str()]);
    commit
}

fn at_remote(bare: &Path, branch: &str) -> String {
    git_in(bare, ["for-each-ref", "--format=%(objectname)", &format!("refs/heads/{branch}")])
}

#[tokio::test]
async fn a_branch_comes_and_nothing_else_of_the_repository_changes() {
    let (repo, bare, remote) = with_origin(&[]);
    let base = others_commit(&bare, "機能/一", "theirs");
    git_in(&bare, ["tag", "v1", base.as_str()]);
    let before = repo.snapshot();
    assert_eq!(remote.fetch("機能/一").await.unwrap(), Some(base.clone()));
    assert_eq!(repo.commit("refs/miyabi/remote/機能/一"), base);
    assert_eq!(remote.fetch("no such branch").await.unwrap_err().class, FailureClass::Input);
    assert_eq!(remote.fetch("機能/二").await.unwrap(), None);
    repo.git(["update-ref", "-d", "refs/miyabi/remote/機能/一"]);
    assert_eq!(repo.snapshot(), before);
    assert!(!repo.at(".git/FETCH_HEAD").exists());
}

#[tokio::test]
async fn a_base_is_the_remotes_newest_commit_or_else_the_local_one() {
    let (repo, bare, _) = with_origin(&[]);
    let ours = connected(&repo, "origin");
    let moved = others_commit(&bare, "main", "moved");
    assert_eq!(ours.base("main").await.unwrap(), Some(moved));
    assert_eq!(ours.base("local").await.unwrap(), None);
    repo.git(["branch", "local"]);
    assert_eq!(ours.base("local").await.unwrap(), None, "the remote has no such branch");
    assert_eq!(repo.worktrees().base("main").await.unwrap(), Some(repo.head()));
    assert!(repo.worktrees().remote().is_none());
}

#[tokio::test]
async fn a_push_is_done_once_and_found_the_second_time() {
    for arguments in [&[][..], &["--object-format=sha256"], &["--ref-format=reftable"]] {
        let (repo, bare, remote) = with_origin(arguments);
        let one = on_top(repo.root(), "HEAD", "one");
        let spec = spec("feature/日本-$(x)`y`", &one);
        assert_eq!(remote.push(&spec).await.unwrap(), Pushed::Done { before: None });
        assert_eq!(remote.push(&spec).await.unwrap(), Pushed::Already);
        assert_eq!(at_remote(&bare, "feature/日本-$(x)`y`"), one.as_str());
        let two = on_top(repo.root(), one.as_str(), "two");
        let next = PushSpec { commit: two.clone(), ..spec.clone() };
        assert_eq!(remote.push(&next).await.unwrap(), Pushed::Done { before: Some(one) });
        assert_eq!(repo.commit("refs/miyabi/remote/feature/日本-$(x)`y`"), two);
        assert_eq!(repo.git(["for-each-ref", "refs/miyabi/pushing"]), "");
    }
}

#[tokio::test]
async fn what_was_pushed_from_here_may_be_replaced_and_is_kept() {
    let (repo, bare, remote) = with_origin(&[]);
    let (one, other) = (on_top(repo.root(), "HEAD", "one"), on_top(repo.root(), "HEAD", "other"));
    remote.push(&spec("work", &one)).await.unwrap();
    assert_eq!(remote.push(&spec("work", &other)).await.unwrap(), Pushed::Done { before: Some(one.clone()) });
    assert_eq!(at_remote(&bare, "work"), other.as_str());
    assert_eq!(repo.commit("refs/miyabi/keep/remote/work/1"), one);
}

#[tokio::test]
async fn a_push_whose_answer_was_lost_is_known_as_ours_even_by_the_next_commit() {
    let (repo, bare, remote) = with_origin(&[]);
    let (one, other) = (on_top(repo.root(), "HEAD", "one"), on_top(repo.root(), "HEAD", "other"));
    // As it is left by a process that was killed after the remote took the commit.
    repo.git(["update-ref", "refs/miyabi/pushing/work", one.as_str()]);
    repo.git(["push", "-q", "origin", &format!("{one}:refs/heads/work")]);
    assert_eq!(remote.push(&spec("work", &other)).await.unwrap(), Pushed::Done { before: Some(one) });
    assert_eq!(at_remote(&bare, "work"), other.as_str());
}

#[tokio::test]
async fn commits_of_others_are_never_overwritten_fetched_or_not() {
    let (repo, bare, remote) = with_origin(&[]);
    let ours = on_top(repo.root(), "HEAD", "ours");
    let theirs = others_commit(&bare, "work", "theirs");
    for _ in 0..2 {
        let failure = remote.push(&spec("work", &ours)).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Permanent);
        assert_eq!(failure.evidence["there"], theirs.as_str());
        assert_eq!(failure.evidence["wanted"], ours.as_str());
        assert!(failure.hint.is_some());
        assert_eq!(at_remote(&bare, "work"), theirs.as_str());
        // Having seen it does not make it ours.
        assert_eq!(remote.fetch("work").await.unwrap(), Some(theirs.clone()));
    }
    // Somebody puts work on top of ours.
    remote.push(&spec("next", &ours)).await.unwrap();
    git_in(&bare, ["update-ref", "refs/heads/next", on_top(&bare, ours.as_str(), "on top").as_str()]);
    let other = on_top(repo.root(), "HEAD", "other");
    assert_eq!(remote.push(&spec("next", &other)).await.unwrap_err().class, FailureClass::Permanent);
    // Merged into the work, it may be pushed.
    let merged = on_top(repo.root(), theirs.as_str(), "merged");
    remote.push(&spec("work", &merged)).await.unwrap();
}

#[tokio::test]
async fn a_branch_is_deleted_only_where_it_is_expected() {
    let (repo, bare, remote) = with_origin(&[]);
    let one = on_top(repo.root(), "HEAD", "one");
    remote.push(&spec("work", &one)).await.unwrap();
    let failure = remote.delete("work", &repo.head()).await.unwrap_err();
    assert_eq!(
        (failure.class, failure.evidence["there"].as_str()),
        (FailureClass::Permanent, Some(one.as_str()))
    );
    assert!(remote.delete("work", &one).await.unwrap());
    assert!(!remote.delete("work", &one).await.unwrap());
    assert_eq!(at_remote(&bare, "work"), "");
    assert_eq!(repo.git(["for-each-ref", "refs/miyabi/remote", "refs/miyabi/pushed"]), "");
    assert_eq!(repo.commit("refs/miyabi/keep/remote/work/1"), one, "nothing else holds it now");
}

#[tokio::test]
async fn a_branch_may_take_the_name_of_a_folder_that_is_gone() {
    let (repo, _, remote) = with_origin(&[]);
    let (one, two) = (on_top(repo.root(), "HEAD", "one"), on_top(repo.root(), "HEAD", "two"));
    let other = connected(&repo, "origin").remote().unwrap();
    remote.push(&spec("work", &one)).await.unwrap();
    repo.git(["push", "-q", "origin", ":work"]);
    other.push(&spec("work/two", &two)).await.unwrap();
    assert_eq!(repo.commit("refs/miyabi/remote/work/two"), two);
    assert_eq!(repo.commit("refs/miyabi/keep/remote/work-two/1"), one);
}

#[tokio::test]
async fn a_push_is_proof_for_closing_until_the_branch_is_gone() {
    let (repo, _, _) = with_origin(&[]);
    let ours = connected(&repo, "origin");
    let remote = ours.remote().unwrap();
    let worktree = ours.open(&repo.spec("task")).await.unwrap();
    let commit = commit_file(&ours, &worktree, "a.txt", "x\n").await.commit;
    remote.push(&spec("feature/task", &commit)).await.unwrap();
    let closed = ours.close(&"run-9".into(), "task").await.unwrap();
    assert_eq!(closed, Closed { removed: true, kept: None, branch_deleted: true });
    // As after a squash merge: the branch goes, and its commit is in no other.
    assert!(remote.delete("feature/task", &commit).await.unwrap());
    assert_eq!(repo.kept().len(), 1);
    assert_eq!(repo.commit(&repo.kept()[0]), commit);
}

#[tokio::test]
async fn only_one_of_many_pushes_at_once_wins_and_the_rest_see_it() {
    let (repo, bare, remote) = with_origin(&[]);
    let commit = on_top(repo.root(), "HEAD", "one");
    let (spec, other) = (spec("work", &commit), connected(&repo, "origin").remote().unwrap());
    let (a, b, c) = tokio::join!(remote.push(&spec), other.push(&spec), remote.push(&spec));
    let done = [a, b, c].into_iter().filter(|pushed| *pushed.as_ref().unwrap() != Pushed::Already).count();
    assert_eq!((done, at_remote(&bare, "work")), (1, commit.to_string()));
}

#[tokio::test]
async fn settings_and_hooks_of_the_repository_do_not_run() {
    let (repo, bare, remote) = with_origin(&[]);
    let ran = repo.root().with_file_name("ran");
    let evil = repo.root().with_file_name("evil");
    let run = format!("#!/bin/sh\ntouch '{}'\nexec \"$@\"\n", ran.display());
    for path in [evil.clone(), repo.at(".git/hooks/pre-push"), repo.at(".git/hooks/reference-transaction")] {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &run).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let (evil, url) = (evil.to_str().unwrap(), bare.to_str().unwrap());
    for (name, value) in [
        ("remote.origin.uploadpack", evil),
        ("remote.origin.receivepack", evil),
        ("remote.origin.vcs", "ext"),
        ("protocol.ext.allow", "always"),
        (&format!("url.ext::{evil} .insteadOf"), url),
        (&format!("url.ext::{evil} .pushInsteadOf"), "/"),
        ("core.alternateRefsCommand", evil),
        ("core.gitProxy", evil),
        ("push.pushOption", "x"),
        ("fetch.fsck.skipList", "/no/such/file"),
        ("core.hooksPath", ".git/hooks"),
    ] {
        repo.git(["config", name, value]);
    }
    let commit = on_top(repo.root(), "HEAD", "one");
    assert_eq!(remote.push(&spec("work", &commit)).await.unwrap(), Pushed::Done { before: None });
    assert_eq!(remote.fetch("work").await.unwrap(), Some(commit.clone()));
    assert!(remote.delete("work", &commit).await.unwrap());
    assert!(!ran.exists());
}

#[tokio::test]
async fn the_remotes_own_rules_are_told() {
    let (repo, bare, remote) = with_origin(&[]);
    let hook = bare.join("hooks/pre-receive");
    fs::create_dir_all(bare.join("hooks")).unwrap();
    fs::write(&hook, "#!/bin/sh\nprintf 'GH006: 保護\\033[31m\\n' >&2\nexit 1\n").unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let commit = on_top(repo.root(), "HEAD", "one");
    let failure = remote.push(&spec("main", &commit)).await.unwrap_err();
    assert_eq!((failure.class, failure.hint.is_some()), (FailureClass::Permanent, true));
    assert!(
        failure.message.contains("protects the branch `main`") && failure.message.contains("保護"),
        "{failure}"
    );
    assert!(!failure.message.contains('\u{1b}'));
    fs::write(&hook, "#!/bin/sh\necho 'No space left on device' >&2\nexit 1\n").unwrap();
    assert_eq!(remote.push(&spec("x", &commit)).await.unwrap_err().class, FailureClass::Exhausted);
    fs::remove_dir_all(&bare).unwrap();
    for failure in [
        remote.push(&spec("x", &commit)).await.unwrap_err(),
        remote.fetch("main").await.unwrap_err(),
        remote.delete("x", &commit).await.unwrap_err(),
    ] {
        assert_eq!((failure.class, failure.hint.is_some()), (FailureClass::Input, true), "{failure}");
    }
}

#[tokio::test]
async fn wrong_remotes_and_names_are_refused() {
    let repo = Repo::new();
    repo.git(["remote", "add", "secretive", "https://x:hunter22@example.com/o/r"]);
    for name in ["no-such", "secretive", "-x", "", "ext::sh", "git://example.com/r", "x\ny", "$(x)"] {
        let options = Options { remote: Some(options(name)), ..Options::default() };
        let failure = Failure::from(GitWorktrees::open(repo.root(), options).unwrap_err());
        assert_eq!((failure.class, failure.hint.is_some()), (FailureClass::Input, true), "{name}");
        assert!(!format!("{failure:?}").contains("hunter22"));
    }
    let (repo, _, remote) = with_origin(&[]);
    let head = repo.head();
    for branch in ["", "-x", "a b", "a..b", "@{-1}", "x:y", "refs\n"] {
        assert_eq!(remote.push(&spec(branch, &head)).await.unwrap_err().class, FailureClass::Input);
        assert_eq!(remote.fetch(branch).await.unwrap_err().class, FailureClass::Input);
        assert_eq!(remote.delete(branch, &head).await.unwrap_err().class, FailureClass::Input);
    }
    for commit in ["HEAD", "--all", &"a".repeat(40)] {
        let failure = remote.push(&spec("x", &commit.into())).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Input);
    }
}

#[tokio::test]
async fn a_clone_is_made_once_and_then_kept_up_to_date() {
    let (_repo, bare, _) = with_origin(&[]);
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("clones/o/r 日本");
    let (url, nobody) = (bare.to_str().unwrap(), options(""));
    let half = parent.path().join("clones/o/.r 日本.partial-killed");
    fs::create_dir_all(half.join("clone/.git")).unwrap();
    let (one, two) = tokio::join!(clone_into(url, &folder, &nobody), clone_into(url, &folder, &nobody));
    let mut both = [one.unwrap(), two.unwrap()];
    both.sort_by_key(|cloned| *cloned != Cloned::Made);
    assert_eq!(both, [Cloned::Made, Cloned::Current]);
    assert!(!half.exists());
    assert_eq!(git_in(&folder, ["symbolic-ref", "HEAD"]), "refs/heads/main");
    assert_eq!(git_in(&folder, ["config", "remote.origin.url"]), url);
    let moved = others_commit(&bare, "main", "moved");
    assert_eq!(clone_into(url, &folder, &nobody).await.unwrap(), Cloned::Current);
    assert_eq!(git_in(&folder, ["rev-parse", "HEAD"]), moved.as_str());
    others_commit(&bare, "main", "moved again");
    fs::write(folder.join("README.md"), "mine").unwrap();
    assert_eq!(clone_into(url, &folder, &nobody).await.unwrap(), Cloned::Behind);
    assert_eq!(fs::read_to_string(folder.join("README.md")).unwrap(), "mine");
    assert_eq!(git_in(&folder, ["rev-parse", "HEAD"]), moved.as_str());
    assert_eq!(fs::read_dir(folder.parent().unwrap()).unwrap().count(), 1, "neither lock nor leftover");
    // Something else, at that place or of that name.
    let failure = clone_into("/another/repository", &folder, &nobody).await.unwrap_err();
    assert_eq!((failure.class, failure.hint.is_some()), (FailureClass::Input, true));
    let other = parent.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("x"), "x").unwrap();
    assert_eq!(clone_into(url, &other, &nobody).await.unwrap_err().class, FailureClass::Input);
    let missing = clone_into("/no/such/repository", &parent.path().join("new"), &nobody).await;
    assert_eq!(missing.unwrap_err().class, FailureClass::Input);
    assert!(!parent.path().join("new").exists());
}
