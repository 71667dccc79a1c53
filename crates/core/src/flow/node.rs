//! YAML as a tree whose nodes know where they stand. What the words mean is not known here.
//!
//! Built from parser events instead of serde's data model, because a reader that must report every problem at
//! once has to see what serde hides: keys given twice, values of any type, the place of each of them.

use std::collections::HashMap;
use std::rc::Rc;

use serde_saphyr::granit_parser::{self, Event, Parser, ScalarStyle};

use super::names::shown;
use super::problem::{At, Problems};
use super::read::Word;

/// Nodes of one file after its aliases are followed; more is an alias bomb.
const MAX_NODES: usize = 500_000;
/// Levels of a tree. Flows have four.
const MAX_DEPTH: usize = 64;

/// A value in a YAML file. Cloning shares the value.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Where it stands; for an alias, where the alias stands.
    pub(crate) at: At,
    pub(crate) value: Rc<Value>,
    /// How a word is written; none for everything else.
    pub(crate) style: Option<Style>,
    /// Whether it is written elsewhere, and an alias stands here.
    pub(crate) is_alias: bool,
    /// Nodes in it, itself included.
    size: usize,
    /// Levels in it, itself included.
    depth: usize,
}

/// How a word is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// As it is.
    Plain,
    /// `'…'`
    Single,
    /// `"…"`
    Double,
    /// `|` or `>`, and lines below.
    Block,
}

/// What a node holds.
#[derive(Debug)]
pub(crate) enum Value {
    /// Nothing was written, or `null`.
    Nothing,
    /// Words, numbers and everything else that is not one of the others.
    Text(String),
    /// `- a`
    List(Vec<Node>),
    /// `a: b`, in file order, a key as often as it was written.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// Its text as a word, if it is one.
    pub(crate) fn word(&self) -> Option<Word> {
        let Value::Text(text) = &*self.value else { return None };
        let style = self.style.filter(|_| !self.is_alias);
        Some(Word { at: self.at, text: text.clone(), style })
    }
}

impl Value {
    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Text(_) => "a word",
            Self::List(_) => "a list",
            Self::Map(_) => "a map of keys",
        }
    }
}

/// Reads the only document of a YAML file.
///
/// `None` after a problem that leaves no tree: text that is not YAML, a tree that is too large or too deep.
pub(crate) fn parse(text: &str, problems: &mut Problems<'_>) -> Option<Node> {
    let options = granit_parser::options! {
        emit_comments: false,
        emit_unresolved_aliases: true,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut tree = Tree::default();
    for next in Parser::new_from_str_with_options(text, options) {
        let (event, span) = match next {
            Ok(next) => next,
            Err(error) => {
                let message = format!("not YAML: {}", shown(&error.info()));
                problems.add(place(error.marker()), "yaml-syntax", message);
                return None;
            }
        };
        if let Some(tag) = event.tag() {
            let at = place(&span.tag_start().unwrap_or(span.start));
            let message = format!("tags such as `{}` have no meaning here", shown(&tag.original()));
            problems
                .add(at, "no-tags", message)
                .hint("leave the tag out; quote a value that must stay a word");
        }
        tree.take(event, place(&span.start), problems)?;
    }
    let root = tree.root;
    if root.is_none() {
        problems.add(At::START, "empty", "the file is empty").hint("a flow needs `name` and `steps`");
    }
    root
}

fn place(marker: &granit_parser::Marker) -> At {
    At { line: marker.line().max(1), column: marker.col() + 1 }
}

/// A tree being built, without recursion.
#[derive(Default)]
struct Tree {
    /// Lists and maps that have not ended.
    open: Vec<Open>,
    /// Finished nodes that have an anchor.
    anchors: HashMap<usize, Node>,
    /// Nodes so far, those behind aliases included.
    size: usize,
    documents: usize,
    root: Option<Node>,
}

struct Open {
    at: At,
    anchor: usize,
    is_map: bool,
    /// Entries; in a map keys and values take turns.
    nodes: Vec<Node>,
}

impl Tree {
    fn take(&mut self, event: Event<'_>, at: At, problems: &mut Problems<'_>) -> Option<()> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents == 2 {
                    let problem = problems.add(at, "one-document", "a second document begins here");
                    problem.hint("put each into a file of its own");
                }
            }
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                let nothing = plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let value = if nothing { Value::Nothing } else { Value::Text(text.into_owned()) };
                let style = Some(match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted => Style::Single,
                    ScalarStyle::DoubleQuoted => Style::Double,
                    _ => Style::Block,
                });
                self.add(
                    Node { at, value: Rc::new(value), style, is_alias: false, size: 1, depth: 1 },
                    anchor,
                    problems,
                )?;
            }
            Event::SequenceStart(_, anchor, _) => self.begin(at, anchor, false, problems)?,
            Event::MappingStart(_, anchor, _) => self.begin(at, anchor, true, problems)?,
            Event::SequenceEnd | Event::MappingEnd => {
                let Open { at, anchor, is_map, nodes } = self.open.pop()?;
                let size = nodes.iter().fold(1, |sum, node| node.size.saturating_add(sum));
                let depth = 1 + nodes.iter().map(|node| node.depth).max().unwrap_or(0);
                let value = if is_map { Value::Map(pairs(nodes)) } else { Value::List(nodes) };
                // Its size was counted entry by entry.
                self.size = self.size.saturating_sub(size);
                self.add(
                    Node { at, value: Rc::new(value), style: None, is_alias: false, size, depth },
                    anchor,
                    problems,
                )?;
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(node) => {
                    let node = Node { at, is_alias: true, ..node.clone() };
                    self.add(node, 0, problems)?;
                }
                None => {
                    problems.add(at, "unknown-alias", "the alias stands inside what it names");
                    self.add(nothing(at), 0, problems)?;
                }
            },
            Event::UnresolvedAlias(name) => {
                let message = format!("no anchor `&{}` stands above this alias", shown(&name));
                problems.add(at, "unknown-alias", message).hint("quote the value if the star is part of it");
                self.add(nothing(at), 0, problems)?;
            }
            _ => {}
        }
        Some(())
    }

    fn begin(&mut self, at: At, anchor: usize, is_map: bool, problems: &mut Problems<'_>) -> Option<()> {
        self.grow(1, self.open.len() + 1, at, problems)?;
        self.open.push(Open { at, anchor, is_map, nodes: Vec::new() });
        Some(())
    }

    fn add(&mut self, node: Node, anchor: usize, problems: &mut Problems<'_>) -> Option<()> {
        self.grow(node.size, self.open.len() + node.depth, node.at, problems)?;
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            Some(open) => open.nodes.push(node),
            None if self.root.is_none() => self.root = Some(node),
            None => {}
        }
        Some(())
    }

    fn grow(&mut self, size: usize, depth: usize, at: At, problems: &mut Problems<'_>) -> Option<()> {
        self.size = self.size.saturating_add(size);
        if depth > MAX_DEPTH {
            problems.add(at, "too-large", format!("values are nested more than {MAX_DEPTH} levels deep"));
            return None;
        }
        if self.size > MAX_NODES {
            let message = format!("with its aliases followed the file has more than {MAX_NODES} values");
            problems.add(at, "too-large", message);
            return None;
        }
        Some(())
    }
}

fn nothing(at: At) -> Node {
    Node { at, value: Rc::new(Value::Nothing), style: None, is_alias: false, size: 1, depth: 1 }
}

fn pairs(nodes: Vec<Node>) -> Vec<(Node, Node)> {
    let mut nodes = nodes.into_iter();
    std::iter::from_fn(|| Some((nodes.next()?, nodes.next()?))).collect()
}
