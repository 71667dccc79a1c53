//! Tests of the module that this file belongs to.

use proptest::prelude::*;

use super::*;

fn work(markdown: &str) -> Vec<(String, Option<u32>, Option<bool>)> {
    Outline::read(markdown).work().into_iter().map(|i| (i.text.clone(), i.number, i.ticked)).collect()
}

fn texts(markdown: &str) -> Vec<String> {
    work(markdown).into_iter().map(|(text, ..)| text).collect()
}

#[test]
fn every_kind_of_box_is_an_item() {
    let markdown = "- [ ] a\n* [x] b\n+ [X] c\r\n1. [ ] d\n2) [ ] e\n・[ ] 認証\n- [] f\n- [ ]";
    assert_eq!(
        work(markdown),
        [
            ("a".to_owned(), None, Some(false)),
            ("b".to_owned(), None, Some(true)),
            ("c".to_owned(), None, Some(true)),
            ("d".to_owned(), Some(1), Some(false)),
            ("e".to_owned(), Some(2), Some(false)),
            ("認証".to_owned(), None, Some(false)),
            ("f".to_owned(), None, Some(false)),
        ]
    );
}

#[test]
fn what_is_indented_belongs_to_the_item_above() {
    let outline = Outline::read(
        "- [ ] a\n  more\n  - [ ] nested\n\n  after a blank\n  ```\n  - [ ] code\n  ```\nlazy\n\nfree\n- [ ] b\n",
    );
    let inner = |bullet, text: &str| Inner { bullet, text: text.to_owned() };
    let items = outline.work();
    assert_eq!(
        items[0].inner,
        [
            inner(false, "more"),
            inner(true, "nested"),
            inner(false, "after a blank"),
            inner(false, "```"),
            inner(false, "  - [ ] code"),
            inner(false, "  ```"),
            inner(false, "lazy"),
        ]
    );
    assert_eq!(
        items[1],
        &Item { ticked: Some(false), text: "b".to_owned(), line: items[1].line, ..Item::default() }
    );
    assert_eq!(items.len(), 2);
}

#[test]
fn code_comments_and_quotations_hold_no_items() {
    assert_eq!(texts("```\n- [ ] a\n~~~\n```\n- [ ] b\n> - [ ] c\n"), ["b"]);
    assert_eq!(texts("<!-- - [ ] a\n- [ ] b -->- [ ] c\n- [ ] d <!-- x --> e"), ["c", "d  e"]);
    assert_eq!(texts("- [ ] a <!-- never ends\n- [ ] b"), ["a <!-- never ends", "b"]);
}

#[test]
fn hidden_text_is_not_visible() {
    assert_eq!(
        visible("a<!-- 命令 -->b\n<!--\nx\n-->\n```\n<!-- kept -->\n```\n<!-- open"),
        "ab\n\n```\n<!-- kept -->\n```\n<!-- open"
    );
}

#[test]
fn headings_say_which_lists_are_work() {
    let issue = "- [x] I searched\n## Steps to reproduce\n1. start\n## Plan\n### Backend\n1. model\n3. api\n### 受け入れ条件\n- ok\n";
    assert_eq!(work(issue), [("model".to_owned(), Some(1), None), ("api".to_owned(), Some(3), None)]);
    assert_eq!(Outline::read(issue).acceptance().collect::<Vec<_>>(), ["ok"]);

    assert_eq!(texts("**やること**\n- 一\n- 二\n"), ["一", "二"]);
    assert_eq!(texts("Tasks:\n- one\nAcceptance criteria:\n- two\n"), ["one"]);
    assert_eq!(texts("# Tasks\n- text\n- [ ] box\n"), ["box"]);
    assert_eq!(texts("# Something\n- text\n1. number\n"), Vec::<String>::new());
    assert_eq!(texts("# Acceptance\n- [ ] box\n"), Vec::<String>::new());
}

proptest! {
    #[test]
    fn any_text_is_read(text in "(?s)([-*#> `~\n\t\\[\\]x.)<!1a日]|<!--|-->|```|- \\[ \\] ){0,120}") {
        let outline = Outline::read(&text);
        let items: usize = outline.sections.iter().map(|section| section.items.len()).sum();
        prop_assert!(items <= text.lines().count());
        prop_assert!(outline.work().len() <= items);
        prop_assert!(visible(&text).len() <= text.len());
    }
}
