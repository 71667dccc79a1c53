//! The structure of Markdown: sections with their lists. Code blocks and HTML comments hold no items.
//!
//! One pass over the lines, no recursion, nothing that can fail; text that is no Markdown is one section of prose.

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
        };
        let mut comments = Comments::of(markdown);
        let mut offset = 0;
        for line in markdown.split('\n') {
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

    /// What must be true afterwards, by the heading it stands under.
    pub(crate) fn acceptance(&self) -> impl Iterator<Item = &str> {
        self.sections
            .iter()
            .filter(|section| section.topic == Topic::Acceptance)
            .flat_map(|section| &section.items)
            .map(|item| item.text.as_str())
            .filter(|text| !text.is_empty())
    }
}

/// The text without HTML comments, which forges do not show; code blocks are kept as they are.
pub(crate) fn visible(markdown: &str) -> String {
    let mut comments = Comments::of(markdown);
    let mut visible = String::with_capacity(markdown.len());
    let mut open: Option<(char, usize)> = None;
    let mut offset = 0;
    for line in markdown.split_inclusive('\n') {
        let shown = if open.is_some() { line.to_owned() } else { comments.strip(line, offset) };
        open = after_line(open, shown.trim());
        visible.push_str(&shown);
        offset += line.len();
    }
    visible
}

/// The mark of the code block that we are in after this line.
fn after_line(open: Option<(char, usize)>, trimmed: &str) -> Option<(char, usize)> {
    let found = fence(trimmed);
    match (open, found) {
        (None, found) => found,
        (Some((mark, at_least)), Some((closing, length)))
            if mark == closing && length >= at_least && trimmed.chars().all(|c| c == mark) =>
        {
            None
        }
        (open, _) => open,
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
                self.section().items.push(item);
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

/// Takes out `<!-- … -->`, over several lines too. One that never ends is text.
struct Comments {
    open: bool,
    /// Where the last end of a comment begins in the whole text.
    last_end: usize,
}

impl Comments {
    fn of(markdown: &str) -> Self {
        Self { open: false, last_end: markdown.rfind("-->").unwrap_or(0) }
    }

    fn strip(&mut self, line: &str, offset: usize) -> String {
        let mut shown = String::with_capacity(line.len());
        let mut rest = line;
        loop {
            if self.open {
                let Some((_, after)) = rest.split_once("-->") else { return shown };
                self.open = false;
                rest = after;
            }
            match rest.split_once("<!--") {
                Some((before, after)) if offset + line.len() - after.len() <= self.last_end => {
                    shown.push_str(before);
                    self.open = true;
                    rest = after;
                }
                _ => {
                    shown.push_str(rest);
                    return shown;
                }
            }
        }
    }
}

/// Columns before the first character; a tab is four.
fn indentation(line: &str) -> usize {
    line.chars()
        .take_while(|c| c.is_whitespace())
        .map(|c| match c {
            '\t' => 4,
            '\u{3000}' => 2,
            _ => 1,
        })
        .sum()
}

/// The mark and length of a code fence at the start of the line.
fn fence(trimmed: &str) -> Option<(char, usize)> {
    ['`', '~'].into_iter().find_map(|mark| {
        let length = trimmed.chars().take_while(|&c| c == mark).count();
        (length >= 3).then_some((mark, length))
    })
}

fn item(trimmed: &str) -> Option<Item> {
    let (number, rest) = marker(trimmed)?;
    let rest = rest.trim_start();
    let ticked = [("[ ]", false), ("[x]", true), ("[X]", true), ("[]", false), ("[\u{3000}]", false)]
        .into_iter()
        .find_map(|(mark, ticked)| {
            let after = rest.strip_prefix(mark)?;
            (after.is_empty() || after.starts_with(char::is_whitespace)).then_some((ticked, after.trim()))
        });
    let text = ticked.map_or(rest, |(_, text)| text);
    Some(Item { number, ticked: ticked.map(|(ticked, _)| ticked), text: text.to_owned(), inner: Vec::new() })
}

/// The number of a list mark, and what follows it.
fn marker(trimmed: &str) -> Option<(Option<u32>, &str)> {
    if let Some(rest) = trimmed.strip_prefix('・') {
        return Some((None, rest));
    }
    if let Some(rest) = trimmed.strip_prefix(['-', '*', '+']) {
        return (rest.is_empty() || rest.starts_with(char::is_whitespace)).then_some((None, rest));
    }
    let rest = trimmed.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = trimmed.strip_suffix(rest)?;
    let rest = rest.strip_prefix(['.', ')'])?;
    let spaced = rest.is_empty() || rest.starts_with(char::is_whitespace);
    (digits.len() <= 9 && spaced).then(|| digits.parse().ok()).flatten().map(|number| (Some(number), rest))
}

/// The level and text of a heading; a line in bold or a short one that ends with a colon counts as one of level 7.
fn heading(trimmed: &str, indent: usize) -> Option<(usize, &str)> {
    let text = trimmed.trim_start_matches('#');
    let level = trimmed.len() - text.len();
    if (1..=6).contains(&level) && text.starts_with(char::is_whitespace) {
        return Some((level, text.trim().trim_end_matches('#').trim_end()));
    }
    let plain = trimmed.trim_end_matches([':', '：']);
    for mark in ["**", "__"] {
        let inside = plain.strip_prefix(mark).and_then(|rest| rest.strip_suffix(mark));
        if let Some(inside) = inside.filter(|inside| !inside.is_empty() && !inside.contains(mark)) {
            return Some((7, inside));
        }
    }
    let labelled = plain.len() < trimmed.len() && indent < 4 && plain.chars().count() <= 60;
    (labelled && topic(plain) != Topic::Unknown).then_some((7, plain))
}

/// What a heading says about its section.
fn topic(heading: &str) -> Topic {
    const ACCEPTANCE: [&str; 8] = [
        "acceptance",
        "definition of done",
        "done when",
        "success criteria",
        "受け入れ",
        "受入",
        "完了条件",
        "完了の定義",
    ];
    const BACKGROUND: [&str; 18] = [
        "reproduc",
        "expected",
        "actual",
        "environment",
        "background",
        "context",
        "motivation",
        "reference",
        "related",
        "out of scope",
        "non-goal",
        "before you",
        "再現",
        "期待",
        "環境",
        "背景",
        "参考",
        "対象外",
    ];
    const TASKS: [&str; 15] = [
        "task",
        "todo",
        "to do",
        "to-do",
        "plan",
        "work item",
        "steps",
        "subtask",
        "implementation",
        "checklist",
        "やること",
        "タスク",
        "作業",
        "計画",
        "実装",
    ];
    let heading = heading.to_lowercase();
    let names = |words: &[&str]| words.iter().any(|word| heading.contains(word));
    if names(&ACCEPTANCE) {
        Topic::Acceptance
    } else if names(&BACKGROUND) {
        Topic::Background
    } else if names(&TASKS) {
        Topic::Tasks
    } else {
        Topic::Unknown
    }
}

#[cfg(test)]
#[path = "outline/tests.rs"]
mod tests;
