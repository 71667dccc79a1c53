//! What is true of a memory of stories.

use miyabi_core::event::{EventBody, Gate};
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::{CommitId, StepId};
use miyabi_core::plan::{Extension, Step, Work};
use miyabi_core::ports::{ResultFilter, Store, Stories};
use miyabi_core::status::Status;
use miyabi_core::story::{
    Decomposed, Evaluation, Finding, Judgement, Kept, Part, Planned, Present, State, Story,
    StoryDecomposition, StoryOutcome, StoryPart, StoryWork, conclude, decompose_id, evaluate_id,
};

use crate::fixtures::{REPO, at, commit, events, new_run, run_id, step_started};

/// Everything that is true of [`Stories`] beside the [`Store`] whose events they follow from.
pub async fn stories<S: Store + Stories>(make: impl Fn() -> S) {
    files_are_taken_over(&make()).await;
    results_follow_from_events(&make()).await;
    what_was_found_is_found_again_by_commits(&make()).await;
}

fn story(id: &str, text: &str) -> Story {
    Story {
        id: id.to_owned(),
        title: format!("見る {id}"),
        story: text.to_owned(),
        acceptance_criteria: vec!["一つ".to_owned()],
        state: State::Active,
        path: format!(".miyabi/stories/{id}.yaml"),
    }
}

fn parts() -> StoryDecomposition {
    let assertions = vec!["a".to_owned()];
    StoryDecomposition { steps: vec![Part::Requirement { goal: "g".to_owned(), assertions }] }
}

/// What a story came to by an answer without evidence that is there.
fn outcome(story: &Story, at: &CommitId, finding: Finding) -> StoryOutcome {
    let judgement = Judgement {
        step: 1,
        assertion: 1,
        verdict: finding,
        explanation: "so".to_owned(),
        evidence: Vec::new(),
        searched: vec!["src".to_owned()],
    };
    let present = Present { scopes: [(vec!["src".to_owned()], "s".to_owned())].into(), ..Present::default() };
    let answer = Evaluation { assertions: vec![judgement] };
    conclude(story, &parts(), at, Some(&answer), &[], &present)
}

fn begun(stories: &[&Story], at: &CommitId) -> EventBody {
    let step = |story: &&Story| {
        let planned = Planned {
            story: (*story).clone(),
            decomposition: Some(parts()),
            reused: Vec::new(),
            steps: vec![1],
            only_decompose: false,
        };
        let work = StoryWork { planned, commit: at.clone(), part: StoryPart::Evaluate };
        Step::new(evaluate_id(&story.id), Work::Story(Box::new(work)))
    };
    let extension = Extension { steps: stories.iter().map(step).collect(), ..Extension::default() };
    EventBody::PlanExtended { by: "stories".into(), extension: Box::new(extension) }
}

fn succeeded(step: StepId, output: serde_json::Value) -> EventBody {
    EventBody::StepSucceeded { step, attempt: 1, output }
}

macro_rules! value {
    ($value:expr) => {
        serde_json::to_value($value).expect("it is JSON")
    };
}

async fn append(store: &impl Store, run: u64, from: u64, bodies: Vec<EventBody>) -> u64 {
    let next = from + bodies.len() as u64;
    store.append(from, &events(&run_id(run), from, bodies)).await.expect("the log takes it");
    next
}

async fn files_are_taken_over(store: &impl Stories) {
    let all = [story("b", "x"), story("a", "y")];
    store.sync_stories(REPO, &commit(1), &all, at(0)).await.expect("they are taken over");
    store.sync_stories("other/repo", &commit(1), &all[..1], at(0)).await.expect("they are taken over");
    let rows = store.stories(REPO).await.expect("they are there");
    assert_eq!(rows.iter().map(|row| row.story.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let paused = Story { state: State::Paused, ..story("b", "z") };
    store.sync_stories(REPO, &commit(2), std::slice::from_ref(&paused), at(5)).await.expect("again");
    let rows = store.stories(REPO).await.expect("they are there");
    assert_eq!(rows.len(), 1, "what the commit does not have is gone");
    assert_eq!((&rows[0].story, &rows[0].commit, rows[0].synced_at), (&paused, &commit(2), at(5)));
    assert_eq!(store.stories("other/repo").await.expect("they are there").len(), 1);
}

async fn results_follow_from_events<S: Store + Stories>(store: &S) {
    store.create_run(&new_run(1, 1), at(0)).await.expect("it begins");
    let all: Vec<Story> = ["a", "b", "c", "d", "e"].iter().map(|id| story(id, "x")).collect();
    let next = append(store, 1, 1, vec![begun(&all.iter().collect::<Vec<_>>(), &commit(1))]).await;
    let filter = ResultFilter { run: Some(run_id(1)), ..ResultFilter::default() };
    let rows = || async {
        let rows = store.story_results(REPO, &filter).await.expect("they are there");
        let mut rows: Vec<_> = rows
            .into_iter()
            .map(|row| (row.story, row.status, row.explanation, row.completion_time.is_some()))
            .collect();
        rows.sort();
        rows
    };
    let states =
        |rows: &[(String, String, String, bool)]| rows.iter().map(|row| row.1.clone()).collect::<Vec<_>>();
    assert_eq!(states(&rows().await), ["running"; 5]);
    let failed = |step: &str, class: FailureClass| EventBody::StepFailed {
        step: evaluate_id(step),
        attempt: 1,
        failure: Failure::new(class, "壊れた"),
    };
    let block = |step: &str| EventBody::GateDecided {
        step: evaluate_id(step),
        gate: Gate::Block,
        rule: "no".to_owned(),
        numbers: Default::default(),
    };
    let bodies = vec![
        step_started("story:a"),
        succeeded(evaluate_id("a"), value!(&outcome(&all[0], &commit(1), Finding::Fail))),
        failed("b", FailureClass::BadAnswer),
        block("b"),
        EventBody::StepSkipped { step: evaluate_id("c"), reason: "not taken apart".to_owned() },
        failed("d", FailureClass::Cancelled),
    ];
    let next = append(store, 1, next, bodies).await;
    let now = rows().await;
    assert_eq!(states(&now), ["fail", "error", "error", "skipped", "running"]);
    assert_eq!((now[1].2.as_str(), now[2].2.as_str()), ("壊れた", "not taken apart"));
    let end = EventBody::RunFinished { status: Status::Cancelled, reason: "x".to_owned() };
    append(store, 1, next, vec![end]).await;
    let now = rows().await;
    assert_eq!(states(&now), ["fail", "error", "error", "skipped", "skipped"]);
    assert!(now.iter().all(|row| row.3), "all have ended");
    let latest = ResultFilter { latest: true, story: Some("a".to_owned()), ..ResultFilter::default() };
    let row = store.story_results(REPO, &latest).await.expect("it is there").remove(0);
    assert_eq!((row.number, row.steps.len(), row.commit, row.evidence), (1, 1, commit(1), 0));
    assert!(store.story_results("other/repo", &latest).await.expect("none").is_empty());
}

async fn what_was_found_is_found_again_by_commits<S: Store + Stories>(store: &S) {
    let (one, other) = (story("a", "x"), story("a", "another text"));
    let found = [
        (1, &one, commit(1), Finding::Pass),
        (2, &one, commit(2), Finding::Fail),
        (3, &other, commit(2), Finding::Pass),
        (4, &one, commit(3), Finding::Error),
    ];
    for (run, story, at_commit, finding) in &found {
        store.create_run(&new_run(*run, *run), at(*run as i64)).await.expect("it begins");
        let apart = Decomposed {
            story: "a".to_owned(),
            commit: at_commit.clone(),
            text_hash: story.text_hash(),
            decomposition: parts(),
        };
        let bodies = vec![
            begun(&[story], at_commit),
            succeeded(decompose_id("a"), value!(&apart)),
            succeeded(evaluate_id("a"), value!(&outcome(story, at_commit, *finding))),
        ];
        append(store, *run, 1, bodies).await;
    }
    let kept = |among: Vec<CommitId>| async move {
        let mut kept: Vec<Kept> = store.kept_outcomes(REPO, &among).await.expect("they are there");
        kept.sort_by(|a, b| a.run.cmp(&b.run));
        kept.into_iter().map(|kept| kept.run).collect::<Vec<_>>()
    };
    assert_eq!(kept(vec![commit(2), commit(1)]).await, [run_id(2), run_id(3)], "one for each text");
    assert_eq!(kept(vec![commit(1), commit(2)]).await, [run_id(1), run_id(3)], "the commit that comes first");
    assert_eq!(kept(vec![commit(3)]).await, [], "an error is not kept");
    assert_eq!(kept(vec![commit(9)]).await, []);
    let apart = store.decompositions(REPO, &[commit(2)]).await.expect("they are there");
    assert_eq!(apart.len(), 2);
    assert!(apart.iter().all(|known| known.decomposition == parts() && known.commit == commit(2)));
    assert!(store.decompositions("other/repo", &[commit(2)]).await.expect("none").is_empty());
}
