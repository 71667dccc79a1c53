//! Questions about a graph of named nodes: is it a plan, and how long does it take?
//!
//! Nothing here recurses, so the depth of a graph is bounded by memory only.

mod dot;
mod mermaid;

use std::collections::{HashMap, HashSet, VecDeque};

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

/// The most cycles that [`check`] names; a graph with more is as wrong, and nobody reads further.
pub const MAX_CYCLES: usize = 100;

/// One thing that is wrong with a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A name is used twice; the index is that of the second use.
    Duplicate {
        /// Index of the node.
        node: usize,
    },
    /// A need names nothing.
    Unknown {
        /// Index of the node.
        node: usize,
        /// Index of the need within it.
        need: usize,
    },
    /// A path that ends where it starts, as indices in order of need; the first one is not repeated.
    Cycle {
        /// The path.
        path: Vec<usize>,
    },
}

/// How a graph of estimates runs with unlimited hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Node indices by level: all needs of a level are in earlier ones.
    pub levels: Vec<Vec<usize>>,
    /// Node indices of the longest path by estimate, in order.
    pub critical_path: Vec<usize>,
    /// Its length, in the unit of the estimates.
    pub length: u64,
}

/// Finds everything that keeps these nodes from being an acyclic graph of known, distinct names.
///
/// `nodes` are `(name, needs)`. All problems are reported at once, in the order of the nodes: duplicates, unknown needs,
/// then cycles. There can be exponentially many cycles; those that are reported cover every need that lies on one,
/// each is a shortest one through a need that no earlier one covers, and starts with its smallest index. At most
/// [`MAX_CYCLES`] are named.
pub fn check<N: AsRef<str>>(nodes: &[(N, Vec<N>)]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut first: HashMap<&str, usize> = HashMap::with_capacity(nodes.len());
    for (node, (name, _)) in nodes.iter().enumerate() {
        if first.contains_key(name.as_ref()) {
            problems.push(Problem::Duplicate { node });
        } else {
            first.insert(name.as_ref(), node);
        }
    }
    let mut needs: Vec<Vec<usize>> = Vec::with_capacity(nodes.len());
    for (node, (_, names)) in nodes.iter().enumerate() {
        let mut known = Vec::with_capacity(names.len());
        for (need, name) in names.iter().enumerate() {
            match first.get(name.as_ref()) {
                Some(&index) => known.push(index),
                None => problems.push(Problem::Unknown { node, need }),
            }
        }
        known.sort_unstable();
        known.dedup();
        needs.push(known);
    }
    problems.extend(cycles(&needs).into_iter().map(|path| Problem::Cycle { path }));
    problems
}

/// Levels and critical path of a graph that [`check`] found nothing wrong with.
///
/// `nodes` are `(needs as indices, estimate)`. Of paths of equal length the one with the smaller indices wins, looked
/// at from its end. Should the graph be wrong after all, needs without a node count for nothing and nodes on or
/// behind a cycle are in no level.
pub fn schedule(nodes: &[(Vec<usize>, u64)]) -> Schedule {
    let mut waits = vec![0_usize; nodes.len()];
    let mut dependants: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (node, (needs, _)) in nodes.iter().enumerate() {
        for &need in needs.iter().filter(|&&need| need < nodes.len()) {
            waits[node] += 1;
            dependants[need].push(node);
        }
    }

    let mut levels = Vec::new();
    // The longest path that ends with each node, and the node before it there.
    let mut longest: Vec<(u64, Option<usize>)> = vec![(0, None); nodes.len()];
    let mut level: Vec<usize> = (0..nodes.len()).filter(|&node| waits[node] == 0).collect();
    while !level.is_empty() {
        let mut next = Vec::new();
        for &node in &level {
            let (needs, estimate) = &nodes[node];
            let before = best(needs.iter().copied().filter(|&need| need < nodes.len()), &longest);
            let head = before.map_or(0, |before| longest[before].0);
            longest[node] = (head.saturating_add(*estimate), before);
            for &dependant in &dependants[node] {
                waits[dependant] -= 1;
                if waits[dependant] == 0 {
                    next.push(dependant);
                }
            }
        }
        next.sort_unstable();
        levels.push(std::mem::replace(&mut level, next));
    }

    let end = best(levels.iter().flatten().copied(), &longest);
    let mut critical_path: Vec<usize> = std::iter::successors(end, |&node| longest[node].1).collect();
    critical_path.reverse();
    Schedule { length: end.map_or(0, |end| longest[end].0), levels, critical_path }
}

/// The candidate with the longest path; of equal ones the smallest index.
fn best(candidates: impl Iterator<Item = usize>, longest: &[(u64, Option<usize>)]) -> Option<usize> {
    candidates.max_by(|&a, &b| longest[a].0.cmp(&longest[b].0).then(b.cmp(&a)))
}

/// Cycles that together cover every edge on a cycle, in order of their first uncovered edge.
fn cycles(needs: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let component = components(needs);
    let mut covered: HashSet<(usize, usize)> = HashSet::new();
    let mut found = Vec::new();
    // One allocation for all searches; `came_from` is only read where `seen` holds the search's own number.
    let mut seen = vec![0_usize; needs.len()];
    let mut came_from = vec![0_usize; needs.len()];
    for (node, node_needs) in needs.iter().enumerate() {
        for &need in node_needs {
            if component[node] != component[need] || covered.contains(&(node, need)) {
                continue;
            }
            if found.len() == MAX_CYCLES {
                return found;
            }
            // The shortest way back from the need to the node; there is one, both being in one component.
            let search = found.len() + 1;
            seen[need] = search;
            let mut queue = VecDeque::from([need]);
            while seen[node] != search
                && let Some(at) = queue.pop_front()
            {
                for &next in &needs[at] {
                    if seen[next] != search && component[next] == component[node] {
                        seen[next] = search;
                        came_from[next] = at;
                        queue.push_back(next);
                    }
                }
            }
            let mut path = vec![node];
            while let Some(&last) = path.last()
                && last != need
            {
                path.push(came_from[last]);
            }
            path.reverse();
            // `path` is need … node, each needing the one after it, and node needs the first.
            path.rotate_right(1);
            for (index, &from) in path.iter().enumerate() {
                covered.insert((from, path[(index + 1) % path.len()]));
            }
            let smallest = path.iter().enumerate().min_by_key(|&(_, node)| *node).map_or(0, |(at, _)| at);
            path.rotate_left(smallest);
            found.push(path);
        }
    }
    found
}

/// The number of the strongly connected component of each node.
fn components(needs: &[Vec<usize>]) -> Vec<usize> {
    let edges: usize = needs.iter().map(Vec::len).sum();
    let mut graph: DiGraph<(), (), usize> = DiGraph::with_capacity(needs.len(), edges);
    for _ in needs {
        graph.add_node(());
    }
    for (node, node_needs) in needs.iter().enumerate() {
        for &need in node_needs {
            graph.add_edge(NodeIndex::new(node), NodeIndex::new(need), ());
        }
    }
    let mut component = vec![0; needs.len()];
    // Tarjan's variant in the same library recurses.
    for (number, members) in kosaraju_scc(&graph).into_iter().enumerate() {
        for member in members {
            component[member.index()] = number;
        }
    }
    component
}

#[cfg(test)]
#[path = "graph/tests.rs"]
mod tests;
