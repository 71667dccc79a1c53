//! Questions about a graph of named nodes: is it a plan, and how long does it take?

use super::Plan;

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
/// `nodes` are `(name, needs)`. All problems are reported at once; a cycle once, whatever node it is entered by.
pub fn check<N: AsRef<str>>(_nodes: &[(N, Vec<N>)]) -> Vec<Problem> {
    todo!("helper")
}

/// Levels and critical path of a graph that [`check`] found nothing wrong with.
///
/// `nodes` are `(needs as indices, estimate)`.
pub fn schedule(_nodes: &[(Vec<usize>, u64)]) -> Schedule {
    todo!("helper")
}

impl Plan {
    /// The plan as Graphviz text.
    pub fn to_dot(&self) -> String {
        todo!("helper")
    }
}
