//! What a forge shows of a change: files, reviews and CI, each only where it is asked for and where the forge has it.
//!
//! A forge without reviews and CI goes through the same story, and has to say that it has none whatever was said there.

#![expect(clippy::unwrap_used, reason = "a suite of tests")]

use async_trait::async_trait;
use miyabi_core::facts::{
    CheckState, CiFacts, CiState, Fact, Review, ReviewFacts, ReviewState, Reviewed as Decided, Survey,
    TouchedFile,
};
use miyabi_core::ids::{ChangeNumber, CommitId};
use miyabi_core::issue::ChangeState;
use miyabi_core::ports::Forge;

/// What the change adds.
pub const FILE: &str = "notes/右 0.md";

/// A forge with a change on it that people review and CI looks at.
#[async_trait]
pub trait Reviewed: Send + Sync {
    /// The forge.
    fn forge(&self) -> &dyn Forge;
    /// Whether it knows files, has reviews and runs CI.
    fn has_reviews(&self) -> bool;
    /// Who opens the change; none: the forge does not know.
    fn author(&self) -> Option<String>;
    /// Who else may write to the repository.
    fn member(&self) -> String;
    /// Who may not.
    fn stranger(&self) -> String;
    /// Opens a change that adds [`FILE`] with one line and nothing else, and gives its number.
    async fn open(&self) -> ChangeNumber;
    /// Brings one more commit to its head, which it gives.
    async fn push(&self, change: ChangeNumber) -> CommitId;
    /// Has that person asked for a review; only where there are reviews.
    async fn request(&self, change: ChangeNumber, who: &str);
    /// Reviews the change at its head as that person; only where there are reviews.
    async fn review(&self, change: ChangeNumber, who: &str, says: ReviewState);
    /// Takes back for everybody what that person said last; only where there are reviews.
    async fn dismiss(&self, change: ChangeNumber, who: &str);
    /// Says at the commit how a check of that name stands. Said again, it is how it stands now.
    async fn check(&self, commit: &CommitId, name: &str, state: CheckState);
    /// Merges the change, as it is now.
    async fn merge(&self, change: ChangeNumber);
}

/// What is true of [`Forge::survey`].
pub async fn survey(place: &dyn Reviewed) {
    assert_eq!(place.forge().survey(9_999, &Fact::ALL).await.unwrap(), None);
    let number = place.open().await;
    only_what_is_wanted(place, number).await;
    reviews(place, number).await;
    ci(place, number).await;
    place.merge(number).await;
    let merged = all(place, number).await;
    assert_eq!(merged.change.state, ChangeState::Merged);
    assert_eq!(merged.change, place.forge().change(number).await.unwrap().unwrap());
}

async fn all(place: &dyn Reviewed, number: ChangeNumber) -> Survey {
    place.forge().survey(number, &Fact::ALL).await.unwrap().unwrap()
}

async fn only_what_is_wanted(place: &dyn Reviewed, number: ChangeNumber) {
    let change = place.forge().change(number).await.unwrap().unwrap();
    let wanted: [(&[Fact], [bool; 3]); 5] = [
        (&[], [false, false, false]),
        (&[Fact::Requirements], [false, false, false]),
        (&[Fact::Change], [true, false, false]),
        (&[Fact::Reviews], [false, true, false]),
        (&[Fact::Ci], [false, false, true]),
    ];
    for (wanted, shown) in wanted {
        let survey = place.forge().survey(number, wanted).await.unwrap().unwrap();
        assert_eq!((&survey.change, &survey.author), (&change, &place.author()), "{wanted:?}");
        let found = [survey.files.is_some(), survey.reviews.is_some(), survey.checks.is_some()];
        assert_eq!(found, shown.map(|shown| shown && place.has_reviews()), "{wanted:?}");
        assert!(!survey.draft && survey.requested.is_empty(), "{survey:?}");
    }
    let survey = all(place, number).await;
    let empty = place.has_reviews().then(Vec::new);
    assert_eq!(survey.reviews, empty, "nobody has said anything");
    assert_eq!(survey.checks.map(|checks| checks.len()), place.has_reviews().then_some(0));
    let file = TouchedFile { path: FILE.to_owned(), how: "added".to_owned(), insertions: 1, deletions: 0 };
    assert_eq!(survey.files, place.has_reviews().then(|| vec![file]));
}

async fn reviews(place: &dyn Reviewed, number: ChangeNumber) {
    let seen = async || {
        let survey = all(place, number).await;
        let facts = ReviewFacts::of(&survey);
        (facts.state, facts.approvals, facts.stale_approvals, facts.changes_requested)
    };
    if !place.has_reviews() {
        assert_eq!(seen().await, (Decided::Unknown, 0, 0, 0));
        return;
    }
    let (member, stranger) = (place.member(), place.stranger());
    place.request(number, &member).await;
    assert_eq!(all(place, number).await.requested, std::slice::from_ref(&member));
    place.review(number, &stranger, ReviewState::Approved).await;
    assert_eq!(seen().await, (Decided::None, 0, 0, 0), "who may not write approves nothing");
    place.review(number, &stranger, ReviewState::ChangesRequested).await;
    assert_eq!(seen().await, (Decided::None, 0, 0, 0), "and holds up nothing");
    place.review(number, &member, ReviewState::Commented).await;
    assert_eq!(seen().await, (Decided::None, 0, 0, 0));
    place.review(number, &member, ReviewState::Approved).await;
    assert_eq!(seen().await, (Decided::Approved, 1, 0, 0));

    let survey = all(place, number).await;
    let head = survey.change.head_commit;
    let found: Vec<Review> = survey.reviews.unwrap();
    let commit = Some(head);
    let says = |by: &str, state: ReviewState, may_write: bool| Review {
        by: by.to_owned(),
        state,
        commit: commit.clone(),
        may_write,
    };
    let judging: Vec<_> = found.iter().filter(|one| one.state != ReviewState::Commented).cloned().collect();
    let expected = [
        says(&stranger, ReviewState::Approved, false),
        says(&stranger, ReviewState::ChangesRequested, false),
        says(&member, ReviewState::Approved, true),
    ];
    assert_eq!(judging, expected, "oldest first, each with its commit");

    place.review(number, &member, ReviewState::ChangesRequested).await;
    assert_eq!(seen().await, (Decided::ChangesRequested, 0, 0, 1), "the newest word counts");
    let moved = place.push(number).await;
    assert_eq!(all(place, number).await.change.head_commit, moved);
    assert_eq!(seen().await, (Decided::ChangesRequested, 0, 0, 1), "a push takes no word back");
    place.dismiss(number, &member).await;
    assert_eq!(seen().await, (Decided::None, 0, 0, 0));
    place.review(number, &member, ReviewState::Approved).await;
    assert_eq!(seen().await, (Decided::Approved, 1, 0, 0));
    place.push(number).await;
    assert_eq!(seen().await, (Decided::None, 0, 1, 0), "an approval is of its commit");
}

async fn ci(place: &dyn Reviewed, number: ChangeNumber) {
    use CheckState::{Failed, Passed, Pending};
    let seen = async || CiFacts::of(&all(place, number).await);
    let configured = |state: CiState| if place.has_reviews() { state } else { CiState::NotConfigured };
    let head = all(place, number).await.change.head_commit;
    let steps = [
        ("build", Pending, CiState::Pending),
        ("build", Passed, CiState::Passed),
        ("検査 a/b", Pending, CiState::Pending),
        ("検査 a/b", Failed, CiState::Failed),
        ("build", Pending, CiState::Failed),
        ("検査 a/b", Passed, CiState::Pending),
        ("build", Passed, CiState::Passed),
    ];
    assert_eq!(seen().await.state, configured(CiState::None));
    for (name, state, whole) in steps {
        place.check(&head, name, state).await;
        let found = seen().await;
        assert_eq!((found.state, &found.head), (configured(whole), &head), "{name} {state:?}");
    }
    let names: Vec<_> = seen().await.checks.into_iter().map(|check| (check.name, check.state)).collect();
    match place.has_reviews() {
        true => assert_eq!(names, [("build".to_owned(), Passed), ("検査 a/b".to_owned(), Passed)]),
        false => assert_eq!(names, []),
    }
    place.push(number).await;
    assert_eq!(seen().await.state, configured(CiState::None), "another commit has its own");
}
