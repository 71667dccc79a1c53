//! Branches over real smart HTTP: the login reaches git and nothing else, and what is broken off can be repeated.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "git_transport/world.rs"]
mod world;

use std::sync::Arc;

use miyabi_core::failure::FailureClass;
use miyabi_core::ports::{Pushed, Remote, Worktrees};
use miyabi_git::{Cloned, clone_into};
use miyabi_tests::git_http::{Answer, Request};

use world::{Logins, OLD, TOKEN, World, git, processes, spec};

#[tokio::test]
async fn branches_come_and_go_with_a_login_that_stays_in_memory() {
    let Some(world) = World::start(|_| Answer::Serve).await else { return };
    let (ours, repo) = world.clone_of("ours");
    let remote = ours.remote().unwrap();
    let one = world.commit(&repo, "HEAD", "one");
    let branch = "機能/一-$(x)`y`'z\"";
    assert_eq!(remote.push(&spec(branch, &one)).await.unwrap(), Pushed::Done { before: None });
    assert_eq!(remote.push(&spec(branch, &one)).await.unwrap(), Pushed::Already);
    assert_eq!(remote.fetch(branch).await.unwrap(), Some(one.clone()));
    assert_eq!(remote.fetch("機能/二").await.unwrap(), None);
    assert_eq!(world.at_remote(branch), one.as_str());
    assert!(remote.delete(branch, &one).await.unwrap());
    assert_eq!(world.at_remote(branch), "");
    assert!(world.http.asked().iter().any(|request| request.authorization().is_some()));
    world.assert_silent(&repo);
}

#[tokio::test]
async fn the_token_is_in_no_argument_variable_or_file_while_git_runs() {
    let hold = |request: &Request| {
        if request.is_push() && request.authorization().is_some() { Answer::Hold } else { Answer::Serve }
    };
    let Some(world) = World::start(hold).await else { return };
    let (ours, repo) = world.clone_of("ours");
    let remote = ours.remote().unwrap();
    let one = world.commit(&repo, "HEAD", "one");
    let pushing = tokio::spawn(async move { remote.push(&spec("work", &one)).await });
    world.http.held().await;
    let running = processes(world.http.url());
    assert!(running.len() >= 2, "git and its transport run now: {running:?}");
    for process in &running {
        assert!(!process.arguments.contains(TOKEN), "{}", process.arguments);
        assert!(!process.environment.contains(TOKEN));
        assert!(process.environment.contains("GIT_ASKPASS="));
        assert!(!process.environment.contains("CARGO_MANIFEST_DIR="), "ours is not handed on");
        assert!(!process.files.iter().any(|content| world::shows(content)), "{}", process.arguments);
        assert!(!process.files.is_empty(), "the room's settings are found");
    }
    world.http.release();
    assert_eq!(pushing.await.unwrap().unwrap(), Pushed::Done { before: None });
    world.assert_silent(&repo);
}

#[tokio::test]
async fn an_expired_token_is_renewed_once() {
    let Some(world) = World::start(|_| Answer::Serve).await else { return };
    let (ours, repo) = world.clone_with("ours", Logins::new([OLD, TOKEN]));
    assert_eq!(ours.base("main").await.unwrap(), Some(world.commit_at(&repo, "HEAD")));
    let logins = Logins::new([OLD]);
    let (ours, _) = world.clone_with("other", Arc::clone(&logins));
    let failure = ours.base("main").await.unwrap_err();
    assert_eq!((failure.class, failure.hint.is_some()), (FailureClass::Input, true));
    assert!(failure.message.contains("the login is refused"), "{failure}");
    assert!(!format!("{failure:?}").contains(OLD));
    assert_eq!(logins.asked(), 2);
    let (ours, _) = world.clone_with("nobody", Logins::new([]));
    let failure = ours.base("main").await.unwrap_err();
    assert!(failure.message.contains("a login is needed"), "{failure}");
}

#[tokio::test]
async fn refusals_and_breaks_have_their_class() {
    for (answer, class) in [
        (Answer::Status(403), FailureClass::Input),
        (Answer::Status(404), FailureClass::Input),
        (Answer::Status(500), FailureClass::Transient),
        (Answer::Status(503), FailureClass::Transient),
        (Answer::Status(429), FailureClass::Transient),
        (Answer::HangUp, FailureClass::Transient),
    ] {
        let script = answer.clone();
        let Some(world) =
            World::start(
                move |request: &Request| {
                    if request.authorization().is_some() { script.clone() } else { Answer::Serve }
                },
            )
            .await
        else {
            return;
        };
        let (ours, repo) = world.clone_of("ours");
        let remote = ours.remote().unwrap();
        let one = world.commit(&repo, "HEAD", "one");
        for failure in [
            remote.push(&spec("work", &one)).await.unwrap_err(),
            remote.fetch("main").await.unwrap_err(),
            remote.delete("main", &one).await.unwrap_err(),
        ] {
            assert_eq!((failure.class, failure.hint.is_some()), (class, true), "{answer:?}: {failure}");
            assert!(!world::shows(format!("{failure:?}").as_bytes()), "{failure:?}");
        }
        assert_eq!(world.at_remote("work"), "");
    }
    let Some(mut world) = World::start(|_| Answer::Serve).await else { return };
    let (ours, _) = world.clone_of("ours");
    world.http.stop().await;
    let failure = ours.base("main").await.unwrap_err();
    assert_eq!((failure.class, failure.hint.is_some()), (FailureClass::Unavailable, true), "{failure}");
}

#[tokio::test]
async fn a_push_whose_answer_was_lost_is_found_and_not_repeated() {
    let Some(world) =
        World::start(|request: &Request| if request.is_push() { Answer::LoseAnswer } else { Answer::Serve })
            .await
    else {
        return;
    };
    let (ours, repo) = world.clone_of("ours");
    let remote = ours.remote().unwrap();
    let one = world.commit(&repo, "HEAD", "one");
    let failure = remote.push(&spec("work", &one)).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Transient, "{failure}");
    assert_eq!(world.at_remote("work"), one.as_str());
    assert_eq!(remote.push(&spec("work", &one)).await.unwrap(), Pushed::Already);
    let pushes = world.http.asked().into_iter().filter(|r| r.is_push() && r.authorization().is_some());
    assert_eq!(pushes.count(), 1);
    // And by another commit that does not hold the first: it is known to be ours.
    let two = world.commit(&repo, "HEAD", "two");
    let _ = remote.push(&spec("work", &two)).await.unwrap_err();
    assert_eq!(remote.push(&spec("work", &two)).await.unwrap(), Pushed::Already);
    assert_eq!(world.commit_at(&repo, "refs/miyabi/keep/remote/work/1"), one);
}

#[tokio::test]
async fn pushes_at_once_lose_no_commit() {
    let Some(world) = World::start(|_| Answer::Serve).await else { return };
    let (one, at_one) = world.clone_of("one");
    let (two, at_two) = world.clone_of("two");
    let (a, b) = (world.commit(&at_one, "HEAD", "a"), world.commit(&at_two, "HEAD", "b"));
    let (one, two) = (one.remote().unwrap(), two.remote().unwrap());
    let (of_a, of_b) = (spec("work", &a), spec("work", &b));
    let (pushed_a, pushed_b) = tokio::join!(one.push(&of_a), two.push(&of_b));
    let (won, lost) = match (pushed_a, pushed_b) {
        (Ok(_), Err(failure)) => (a, failure),
        (Err(failure), Ok(_)) => (b, failure),
        other => panic!("exactly one of them wins: {other:?}"),
    };
    assert_eq!(lost.class, FailureClass::Permanent, "{lost}");
    assert_eq!(lost.evidence["there"], won.as_str());
    assert_eq!(world.at_remote("work"), won.as_str());
    // A base that moves under us is seen.
    let base = world.commit_at(&at_one, "HEAD");
    let moved = world.commit(&at_two, "HEAD", "moved");
    assert_eq!(two.push(&spec("main", &moved)).await.unwrap(), Pushed::Done { before: Some(base) });
    assert_eq!(world.open(&at_one).base("main").await.unwrap(), Some(moved));
}

#[tokio::test]
async fn settings_of_the_repository_neither_run_nor_lead_elsewhere() {
    let Some(world) = World::start(|_| Answer::Serve).await else { return };
    let Some(elsewhere) = World::start(|_| Answer::Serve).await else { return };
    let (_, repo) = world.clone_of("ours");
    let (program, ran) = world.program_that_tells();
    let url = world.repository();
    for (name, value) in [
        ("credential.helper", format!("!{program}")),
        (&format!("credential.{}.helper", world.http.url()), format!("!{program}")),
        ("core.askPass", program.clone()),
        ("core.sshCommand", program.clone()),
        ("http.proxy", elsewhere.http.url().to_owned()),
        (&format!("http.{}.proxy", world.http.url()), elsewhere.http.url().to_owned()),
        ("http.extraHeader", "X-Stolen: $(x)".to_owned()),
        ("http.cookieFile", "/etc/hostname".to_owned()),
        (&format!("url.{}.insteadOf", elsewhere.repository()), url.clone()),
        (&format!("url.{}.pushInsteadOf", elsewhere.repository()), url.clone()),
        ("remote.origin.pushurl", elsewhere.repository()),
        ("remote.origin.proxy", elsewhere.http.url().to_owned()),
        ("core.hooksPath", "hooks".to_owned()),
    ] {
        git(&repo, ["config", name, &value]);
    }
    for hook in ["hooks/pre-push", ".git/hooks/pre-push"] {
        std::fs::create_dir_all(repo.join(hook).parent().unwrap()).unwrap();
        std::fs::copy(&program, repo.join(hook)).unwrap();
    }
    let remote = world.open(&repo).remote().unwrap();
    let one = world.commit(&repo, "HEAD", "one");
    assert_eq!(remote.push(&spec("work", &one)).await.unwrap(), Pushed::Done { before: None });
    assert_eq!(remote.fetch("work").await.unwrap(), Some(one));
    assert_eq!(elsewhere.http.asked(), []);
    assert!(!world.http.asked().iter().any(|request| request.headers.contains_key("x-stolen")));
    assert!(!ran.exists());
    world.assert_silent(&repo);
}

#[tokio::test]
async fn another_host_is_told_no_secret() {
    let Some(elsewhere) = World::start(|_| Answer::Serve).await else { return };
    let there = elsewhere.repository();
    // Before and after the login was given.
    for after_login in [false, true] {
        let there = there.clone();
        let Some(world) =
            World::start(move |request: &Request| match request.target.split_once("/info/refs") {
                Some((_, query)) if request.authorization().is_some() == after_login => {
                    Answer::Redirect(format!("{there}/info/refs{query}"))
                }
                _ => Answer::Serve,
            })
            .await
        else {
            return;
        };
        let (ours, _) = world.clone_of("ours");
        let failure = ours.base("main").await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Input, "{failure}");
        assert!(!world::shows(format!("{failure:?}").as_bytes()));
    }
    let asked = elsewhere.http.asked();
    assert!(!asked.is_empty() && asked.iter().all(|request| request.authorization().is_none()), "{asked:?}");
}

#[tokio::test]
async fn a_clone_holds_no_login_and_follows_the_remote() {
    let Some(world) = World::start(|_| Answer::Serve).await else { return };
    let folder = world.folder().join("kept/リポジトリ");
    let options = world.options(Logins::new([TOKEN]));
    let url = world.repository();
    let both = tokio::join!(clone_into(&url, &folder, &options), clone_into(&url, &folder, &options));
    let mut both = [both.0.unwrap(), both.1.unwrap()];
    both.sort_by_key(|cloned| *cloned != Cloned::Made);
    assert_eq!(both, [Cloned::Made, Cloned::Current]);
    world.assert_silent(&folder);
    assert_eq!(git(&folder, ["config", "remote.origin.url"]), url);
    let (ours, at) = world.clone_of("ours");
    let moved = world.commit(&at, "HEAD", "moved");
    ours.remote().unwrap().push(&spec("main", &moved)).await.unwrap();
    assert_eq!(clone_into(&url, &folder, &options).await.unwrap(), Cloned::Current);
    assert_eq!(world.commit_at(&folder, "HEAD"), moved);
    let refused = world.options(Logins::new([OLD]));
    let other = world.folder().join("kept/other");
    let failure = clone_into(&url, &other, &refused).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Input, "{failure}");
    assert!(!other.exists());
    assert_eq!(std::fs::read_dir(world.folder().join("kept")).unwrap().count(), 1);
}
