//! Tests of the module that this file belongs to.

use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;

use super::*;
use crate::analysis::Kind;
use crate::plan::{AgentWork, Integrate, Plan, Purpose, RunCondition, Step, TaskWork, Uses, Work};
use crate::task::Task;

fn named(nodes: &[(&'static str, &[&'static str])]) -> Vec<(&'static str, Vec<&'static str>)> {
    nodes.iter().map(|(name, needs)| (*name, needs.to_vec())).collect()
}

#[test]
fn a_sound_graph_has_no_problem() {
    assert_eq!(check(&named(&[("a", &[]), ("b", &["a"]), ("c", &["a", "b", "b"])])), vec![]);
    assert_eq!(check::<&str>(&[]), vec![]);
}

#[test]
fn every_problem_is_named_at_once() {
    let nodes = named(&[
        ("a", &["b", "nowhere"]),
        ("b", &["a"]),
        ("a", &[]),
        ("自分", &["自分"]),
        ("c", &["どこにもない"]),
    ]);
    assert_eq!(
        check(&nodes),
        vec![
            Problem::Duplicate { node: 2 },
            Problem::Unknown { node: 0, need: 1 },
            Problem::Unknown { node: 4, need: 0 },
            Problem::Cycle { path: vec![0, 1] },
            Problem::Cycle { path: vec![3] },
        ]
    );
}

#[test]
fn cycles_that_share_a_need_are_both_named_once() {
    // a → b → a and a → b → c → a.
    let nodes = named(&[("c", &["a"]), ("a", &["b"]), ("b", &["a", "c"])]);
    assert_eq!(
        check(&nodes),
        vec![Problem::Cycle { path: vec![0, 1, 2] }, Problem::Cycle { path: vec![1, 2] }]
    );
}

#[test]
fn a_cycle_is_the_same_whatever_node_it_is_entered_by() {
    let names = ["p", "q", "r", "s"];
    let want: BTreeSet<&str> = names.into();
    for turn in 0..4 {
        let nodes: Vec<_> =
            (0..4).map(|i| (names[(turn + i) % 4], vec![names[(turn + i + 1) % 4]])).collect();
        let problems = check(&nodes);
        assert_eq!(problems, vec![Problem::Cycle { path: vec![0, 1, 2, 3] }]);
        assert_eq!(nodes.iter().map(|(name, _)| *name).collect::<BTreeSet<_>>(), want);
    }
}

#[test]
fn ten_thousand_nodes_in_a_row_and_in_a_ring() {
    let row: Vec<(String, Vec<String>)> = (0_usize..10_000)
        .map(|i| (i.to_string(), i.checked_sub(1).map(|n| n.to_string()).into_iter().collect()))
        .collect();
    assert_eq!(check(&row), vec![]);
    let plan: Vec<(Vec<usize>, u64)> =
        (0_usize..10_000).map(|i| (i.checked_sub(1).into_iter().collect(), 3)).collect();
    let plan = schedule(&plan);
    assert_eq!((plan.levels.len(), plan.critical_path.len(), plan.length), (10_000, 10_000, 30_000));

    let mut ring = row;
    ring[0].1.push("9999".to_owned());
    let path: Vec<usize> = std::iter::once(0).chain((1..10_000).rev()).collect();
    assert_eq!(check(&ring), vec![Problem::Cycle { path }]);
}

#[test]
fn a_thicket_of_cycles_is_cut_at_the_limit() {
    let names: Vec<String> = (0..300).map(|i| i.to_string()).collect();
    let nodes: Vec<(String, Vec<String>)> = names.iter().map(|name| (name.clone(), names.clone())).collect();
    assert_eq!(check(&nodes).len(), MAX_CYCLES);
}

#[test]
fn levels_and_critical_path_of_the_specification() {
    let nodes = vec![
        (vec![], 120),
        (vec![0], 180),
        (vec![0], 120),
        (vec![1, 2], 240),
        (vec![3], 180),
        (vec![3], 120),
    ];
    assert_eq!(
        schedule(&nodes),
        Schedule {
            levels: vec![vec![0], vec![1, 2], vec![3], vec![4, 5]],
            critical_path: vec![0, 1, 3, 4],
            length: 720
        }
    );
}

#[test]
fn ties_go_to_the_smaller_index_and_wrong_graphs_do_no_harm() {
    let nodes = vec![(vec![], 5), (vec![], 5), (vec![1, 0], 1), (vec![0, 1], 1)];
    assert_eq!(schedule(&nodes).critical_path, vec![0, 2]);
    let none = Schedule { levels: vec![], critical_path: vec![], length: 0 };
    assert_eq!(schedule(&[]), none);
    assert_eq!(schedule(&[(vec![1], 1), (vec![0], 1)]), none);
    assert_eq!(
        schedule(&[(vec![99], u64::MAX), (vec![0], u64::MAX)]),
        Schedule { levels: vec![vec![0], vec![1]], critical_path: vec![0], length: u64::MAX }
    );
}

#[test]
fn graphviz_text_keeps_names_as_data() {
    let task = Task {
        id: "task-5-1".into(),
        title: "Say \"hi\" \\ 挨拶\n]; evil".to_owned(),
        description: String::new(),
        kind: Kind::Feature,
        agent: "codegen".to_owned(),
        estimate_minutes: 1,
        dependencies: vec![],
        acceptance: vec![],
        files: vec![],
    };
    let work = TaskWork { task, index: 1, total: 1, purpose: Purpose::Implement };
    let plan = Plan::from(vec![
        Step::new("analyse", Work::Uses(Uses::Analyse)),
        Step::new("task-5-1", Work::Task(Box::new(work))).needs(["analyse"]),
        Step::new("merge-1", Work::Integrate(Integrate { of: "task-5-1".into(), resolutions: 0 }))
            .needs(["task-5-1"]),
    ]);
    insta::assert_snapshot!(plan.to_dot(), @r#"
    digraph plan {
        rankdir=LR;
        node [shape=box];
        "analyse" [label="analyse"];
        "task-5-1" [label="task-5-1\nSay \"hi\" \\ 挨拶\n]; evil"];
        "merge-1" [label="merge-1\nmerge of task-5-1"];
        "analyse" -> "task-5-1";
        "task-5-1" -> "merge-1";
    }
    "#);
}

/// Every node's longest path by trying all of them.
fn brute_force(nodes: &[(Vec<usize>, u64)], end: usize) -> u64 {
    nodes[end].1 + nodes[end].0.iter().map(|&need| brute_force(nodes, need)).max().unwrap_or(0)
}

/// Acyclic graphs: each node needs some of the earlier ones.
fn acyclic(size: usize) -> impl Strategy<Value = Vec<(Vec<usize>, u64)>> {
    prop::collection::vec((prop::collection::vec(any::<prop::sample::Index>(), 0..4), 0..1_000_u64), 1..size)
        .prop_map(|nodes| {
            let earlier = |node: usize, needs: Vec<prop::sample::Index>| {
                if node == 0 { vec![] } else { needs.iter().map(|need| need.index(node)).collect() }
            };
            nodes
                .into_iter()
                .enumerate()
                .map(|(i, (needs, estimate))| (earlier(i, needs), estimate))
                .collect()
        })
}

proptest! {
    #[test]
    fn the_critical_path_is_the_longest_one(nodes in acyclic(10)) {
        let plan = schedule(&nodes);
        let longest = (0..nodes.len()).map(|end| brute_force(&nodes, end)).max().unwrap_or(0);
        prop_assert_eq!(plan.length, longest);
        prop_assert_eq!(plan.critical_path.iter().map(|&node| nodes[node].1).sum::<u64>(), longest);
        for pair in plan.critical_path.windows(2) {
            prop_assert!(nodes[pair[1]].0.contains(&pair[0]));
        }
    }

    #[test]
    fn levels_hold_every_node_once_after_all_of_its_needs(nodes in acyclic(60)) {
        let plan = schedule(&nodes);
        let level: HashMap<usize, usize> =
            plan.levels.iter().enumerate().flat_map(|(level, nodes)| nodes.iter().map(move |&n| (n, level))).collect();
        prop_assert_eq!(level.len(), nodes.len());
        prop_assert_eq!(plan.levels.iter().map(Vec::len).sum::<usize>(), nodes.len());
        for (node, (needs, _)) in nodes.iter().enumerate() {
            let want = needs.iter().map(|need| level[need] + 1).max().unwrap_or(0);
            prop_assert_eq!(level[&node], want);
        }
    }

    #[test]
    fn cycles_are_real_distinct_and_cover_every_need_on_one(
        nodes in prop::collection::vec(prop::collection::vec(0..8_usize, 0..3), 8)
    ) {
        let named: Vec<(String, Vec<String>)> = nodes.iter().enumerate()
            .map(|(i, needs)| (i.to_string(), needs.iter().map(usize::to_string).collect())).collect();
        let mut covered = BTreeSet::new();
        let mut paths = BTreeSet::new();
        for problem in check(&named) {
            let Problem::Cycle { path } = problem else { panic!("names are known and distinct") };
            for (at, &from) in path.iter().enumerate() {
                let to = path[(at + 1) % path.len()];
                prop_assert!(nodes[from].contains(&to));
                covered.insert((from, to));
            }
            prop_assert_eq!(path.iter().collect::<BTreeSet<_>>().len(), path.len());
            prop_assert_eq!(path.iter().min(), path.first());
            prop_assert!(paths.insert(path));
        }
        // Reachability by repeated squaring says which needs lie on a cycle.
        let mut reach = [[false; 8]; 8];
        for (from, needs) in nodes.iter().enumerate() {
            for &to in needs { reach[from][to] = true; }
        }
        for via in 0..8 { for from in 0..8 { for to in 0..8 {
            reach[from][to] |= reach[from][via] && reach[via][to];
        } } }
        for (from, needs) in nodes.iter().enumerate() {
            for &to in needs { prop_assert_eq!(covered.contains(&(from, to)), to == from || reach[to][from]); }
        }
        let unplaced = schedule(&nodes.iter().map(|needs| (needs.clone(), 1)).collect::<Vec<_>>());
        prop_assert_eq!(paths.is_empty(), unplaced.levels.iter().map(Vec::len).sum::<usize>() == nodes.len());
    }
}

#[test]
fn a_plan_is_drawn_by_mermaid() {
    let agent = |name: &str| Work::Agent(AgentWork { agent: name.to_owned(), skills: vec![] });
    let plan = Plan::from(vec![
        Step::new("要件 \"x\"]; end", agent("pr-analyzer")),
        Step {
            condition: Some("true".to_owned()),
            ..Step::new("judge", Work::Uses(Uses::Analyse)).needs(["要件 \"x\"]; end"])
        },
        Step {
            run_condition: RunCondition::Manual,
            ..Step::new("release", agent("codegen")).needs(["judge", "要件 \"x\"]; end"])
        },
    ]);
    insta::assert_snapshot!(plan.to_mermaid(), @r#"
    graph TD
        s1["要件 #34;x#34;#93;#59; end (pr-analyzer)"]
        s2{{"judge"}}
        s3(["release (codegen)"])
        s1 --> s2
        s2 --> s3
        s1 --> s3
    "#);
}
