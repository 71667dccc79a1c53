//! The page about stories: its examples are read.

use miyabi_core::flow;
use miyabi_core::plan::{Uses, Work};
use miyabi_core::story::{State, read_file};

const PAGE: &str = include_str!("../../../docs/stories.md");

#[test]
fn every_story_on_the_page_is_one() {
    let examples: Vec<&str> =
        PAGE.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(examples.len(), 1);
    for example in examples {
        let story = read_file(example, "docs/stories.md").unwrap();
        assert_eq!(story.acceptance_criteria.len(), 2);
    }
    for state in State::ALL {
        assert!(PAGE.contains(&format!("`{}`", state.as_str())), "{} is explained", state.as_str());
    }
}

#[test]
fn the_flow_that_comes_with_it_reads_stories_and_says_what_they_came_to() {
    let flow = flow::parse(include_str!("../../../agents/flows/story-ci.yaml"), "story-ci.yaml").unwrap();
    let work: Vec<_> = flow.plan.steps.iter().map(|step| step.work.clone()).collect();
    assert_eq!(work, [Work::Uses(Uses::Stories), Work::Uses(Uses::Verdict)]);
    assert!(flow.plan.lacking().is_empty());
    let text = "name: x\nsteps:\n  - {name: 'story:a', agent: b}\n  - {name: v, uses: verdict}\n";
    let rules: Vec<_> = flow::parse(text, "x").unwrap_err().into_iter().map(|problem| problem.rule).collect();
    assert_eq!(rules, ["reserved-name", "built-in-order"]);
}
