//! The structure of Markdown: sections with their lists. Code blocks and HTML comments hold no items.
//!
//! One pass over the lines, no recursion, nothing that can fail; text that is no Markdown is one section of prose.

mod hidden;
mod line;

pub(crate) use hidden::visible;

use hidden::{Comments, after_line};
use line::{fence, heading, indentation, item, topic};

/// What a section is about, as far as its heading tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    /// Work to be done.
    Tasks,
    /// What must be true afterwards.
    Acceptance,
    /// Something that is known to be no work: how to reproduce it, where it was seen.
    Background,
    /// The heading does not tell.
    Unknown,
}

/// A heading and what follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Section {
    pub topic: Topic,
    /// Items of the lists at the left margin.
    pub items: Vec<Item>,
}

/// A list item at the left margin, with what is indented below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Item {
    /// Its number in a numbered list.
    pub number: Option<u32>,
    /// Whether its box is ticked; none if it has no box.
    pub ticked: Option<bool>,
    /// Its first line, without the marks before it.
    pub text: String,
    /// Where that line stands in the text, from 1.
    pub line: usize,
    /// Nested items and further lines, trimmed.
    pub inner: Vec<Inner>,
}

/// A line below an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Inner {
    /// Whether it is a list item itself.
    pub bullet: bool,
    /// The line, without the marks before it.
    pub text: String,
}

/// What an issue's text consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outline {
    pub sections: Vec<Section>,
    /// All text that is neither code nor hidden.
    pub prose: String,
    /// How many headings there are.
    pub headings: usize,
}

impl Outline {
    /// Reads Markdown.
    pub(crate) fn read(markdown: &str) -> Self {
        let mut reader = Reader {
            outline: Self {
                sections: vec![Section { topic: Topic::Unknown, items: Vec::new() }],
                prose: String::with_capacity(markdown.len()),
                headings: 0,
            },
            enclosing: [Topic::Unknown; 8],
            item_indent: None,
            after_blank: false,
            fence: None,
            at: 0,
        };
        let mut comments = Comments::of(markdown);
        let mut offset = 0;
        for line in markdown.split('\n') {
            reader.at += 1;
            if reader.fence.is_some() {
                reader.code(line);
            } else {
                reader.line(&comments.strip(line.trim_end_matches('\r'), offset));
            }
            offset += line.len() + 1;
        }
        reader.outline
    }

    /// The items that are work, in order, ticked ones included.
    ///
    /// Lists under a heading like `Tasks` if there are any, boxes first; otherwise every box that no heading claims for
    /// something else.
    pub(crate) fn work(&self) -> Vec<&Item> {
        let of = |topic: Topic, boxes: bool| {
            self.sections
                .iter()
                .filter(move |section| section.topic == topic)
                .flat_map(|section| &section.items)
                .filter(move |item| !item.text.is_empty() && (item.ticked.is_some() || !boxes))
        };
        let mut found: Vec<&Item> = of(Topic::Tasks, true).collect();
        if found.is_empty() {
            found = of(Topic::Tasks, false).collect();
        }
        if found.is_empty() {
            found = of(Topic::Unknown, true).collect();
        }
        found
    }

    /// Boxes that no heading claims for anything.
    pub(crate) fn loose_boxes(&self) -> Vec<&Item> {
        let sections = self.sections.iter().filter(|section| section.topic == Topic::Unknown);
        let items = sections.flat_map(|section| &section.items);
        items.filter(|item| item.ticked.is_some() && !item.text.is_empty()).collect()
    }

    /// What must be true afterwards, by the heading it stands under.
    pub(crate) fn acceptance(&self) -> impl Iterator<Item = &str> {
        self.acceptance_items().map(|item| item.text.as_str())
    }

    /// The same as items.
    pub(crate) fn acceptance_items(&self) -> impl Iterator<Item = &Item> {
        self.sections
            .iter()
            .filter(|section| section.topic == Topic::Acceptance)
            .flat_map(|section| &section.items)
            .filter(|item| !item.text.is_empty())
    }
}

struct Reader {
    outline: Outline,
    /// The topic in force at each level of heading; 7 is a line in bold or with a colon.
    enclosing: [Topic; 8],
    /// Indentation of the item that following lines may belong to.
    item_indent: Option<usize>,
    after_blank: bool,
    /// The mark that opened the code block we are in.
    fence: Option<(char, usize)>,
    /// The line that is read, from 1.
    at: usize,
}

impl Reader {
    fn line(&mut self, line: &str) {
        let trimmed = line.trim();
        if trimmed.is_empty() {
            self.after_blank = true;
            return;
        }
        let after_blank = std::mem::take(&mut self.after_blank);
        let indent = indentation(line);
        let inside = self.item_indent.is_some_and(|item| indent >= item + 2);

        if let Some(fence) = fence(trimmed) {
            if !inside {
                self.item_indent = None;
            }
            self.fence = Some(fence);
            self.inner(trimmed, false);
            return;
        }
        self.outline.prose.push_str(trimmed);
        self.outline.prose.push('\n');

        let found = item(trimmed);
        match found {
            Some(item) if inside => self.inner(&item.text, true),
            Some(item) => {
                self.item_indent = Some(indent);
                let line = self.at;
                self.section().items.push(Item { line, ..item });
            }
            None => match heading(trimmed, indent) {
                Some((level, text)) if !inside => self.heading(level, text),
                _ if inside || !after_blank => self.inner(trimmed, false),
                _ => self.item_indent = None,
            },
        }
    }

    /// A line of a code block.
    fn code(&mut self, line: &str) {
        let trimmed = line.trim();
        self.fence = after_line(self.fence, trimmed);
        self.inner(line.trim_end(), false);
    }

    fn heading(&mut self, level: usize, text: &str) {
        let topic = match topic(text) {
            Topic::Unknown => self.enclosing[level - 1],
            known => known,
        };
        self.enclosing[level..].fill(topic);
        self.item_indent = None;
        self.outline.headings += 1;
        self.outline.sections.push(Section { topic, items: Vec::new() });
    }

    /// Adds a line to the item we are in, if we are in one.
    fn inner(&mut self, text: &str, bullet: bool) {
        if self.item_indent.is_some()
            && let Some(item) = self.section().items.last_mut()
        {
            item.inner.push(Inner { bullet, text: text.to_owned() });
        }
    }

    fn section(&mut self) -> &mut Section {
        self.outline.sections.last_mut().expect("one is made at the start, and none is removed")
    }
}

#[cfg(test)]
#[path = "outline/tests.rs"]
mod tests;
