//! A repository's own rules about who may change it: some do not want changes that programs made.

use std::sync::LazyLock;

use regex::Regex;

use crate::plain::one_line;

/// Where repositories say it.
pub const FILES: [&str; 9] = [
    "AGENTS.md",
    "CONTRIBUTING.md",
    "CONTRIBUTING",
    "CONTRIBUTING.rst",
    "CONTRIBUTING.txt",
    ".github/CONTRIBUTING.md",
    "docs/CONTRIBUTING.md",
    "AI_POLICY.md",
    ".github/AI_POLICY.md",
];

/// The sentence that forbids it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forbidden {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The sentence, shortened.
    pub text: String,
}

/// The first sentence that forbids changes made by programs, if there is one. Text in code blocks says nothing.
///
/// Sentences that forbid a part only, ask for disclosure, or say that something is not forbidden do not count.
pub fn forbidden(file: &str, text: &str) -> Option<Forbidden> {
    let mut fence: Option<&str> = None;
    let mut paragraph: Vec<(usize, &str)> = Vec::new();
    for (number, line) in text.lines().map(str::trim).chain([""]).enumerate() {
        if let Some(mark) = ["```", "~~~"].into_iter().find(|mark| line.starts_with(mark)) {
            fence = if fence == Some(mark) { None } else { fence.or(Some(mark)) };
            continue;
        }
        if fence.is_some() {
            continue;
        }
        let begins_anew = line.is_empty() || line.starts_with(['#', '-', '*', '|']);
        if begins_anew && let Some((line, text)) = judge(&paragraph) {
            return Some(Forbidden { file: file.to_owned(), line, text });
        }
        if begins_anew {
            paragraph.clear();
        }
        if !line.is_empty() {
            paragraph.push((number + 1, line));
        }
    }
    None
}

/// The sentence of a paragraph that forbids it, with the line where it begins.
fn judge(paragraph: &[(usize, &str)]) -> Option<(usize, String)> {
    let text = paragraph.iter().map(|(_, line)| *line).collect::<Vec<_>>().join(" ");
    let sentence = text.split_inclusive(['.', '!', '?', '。', ';']).find(|sentence| forbids(sentence))?;
    let start: String = sentence.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
    let line = paragraph.iter().find(|(_, line)| line.contains(start.split(' ').next().unwrap_or_default()));
    Some((line.or(paragraph.first()).map_or(1, |(line, _)| *line), one_line(sentence, 200)))
}

/// Programs that make changes.
const MADE_BY: &str = r"(?:ai|llm|artificial\s+intelligence|large\s+language\s+models?|language\s+models?|machine|bot|robot|agent|copilot|chatgpt|claude|automat(?:ed|ically|ion))s?";
/// What they make.
const CHANGES: &str = r"(?:pull\s+requests?|prs?|merge\s+requests?|mrs?|patch(?:es)?|contributions?|changes|commits?|code|submissions?)";

fn forbids(sentence: &str) -> bool {
    static NO: LazyLock<[Regex; 6]> = LazyLock::new(|| {
        let made = format!(
            r"(?:{MADE_BY})(?:[\s-]+(?:generated|written|created|authored|assisted|made|produced|driven|based|opened))?"
        );
        let refused = r"(?:are|is|will\s+be|be)\s+(?:strictly\s+|explicitly\s+)?(?:not\s+(?:accepted|allowed|permitted|welcome|merged|considered|reviewed)|never\s+(?:accepted|merged)|forbidden|prohibited|banned|rejected|closed|disallowed)|(?:can\s?not|can't|must\s+not|may\s+not|won't|will\s+not)\s+be\s+(?:accepted|merged|opened|submitted)";
        [
            format!(r"(?i)\bno\s+{made}\s+{CHANGES}"),
            format!(r"(?i)\b{made}\s+{CHANGES}\b[^.;]*?\b(?:{refused})"),
            format!(r"(?i)\b{CHANGES}\s+(?:that\s+(?:is|are|was|were)\s+)?(?:generated|written|created|authored|made|produced|opened|submitted)\s+(?:in\s+(?:whole|part)\s+|entirely\s+|partly\s+)?(?:by|with|using)\s+(?:an?\s+|any\s+)?{made}\b[^.;]*?\b(?:{refused})"),
            format!(r"(?i)\b(?:we|this\s+project|maintainers)\s+(?:do|does|will)\s+not\s+(?:accept|merge|review|want|allow|permit|take)\s+(?:any\s+)?(?:{made}\s+{CHANGES}|{CHANGES}\s+(?:generated|written|created|authored|made|produced|opened)\s+(?:by|with|using)\s+(?:an?\s+|any\s+)?{made})"),
            format!(r"(?i)\b(?:{MADE_BY})\s+(?:must\s+not|may\s+not|should\s+not|are\s+not\s+allowed\s+to|shall\s+not)\s+(?:open|submit|create|send|make|push|propose)\b[^.;]*\b{CHANGES}"),
            r"(?:AI|ＡＩ|LLM|ボット|自動)[^。]{0,30}(?:変更|プルリクエスト|PR|コード|貢献|パッチ)[^。]{0,20}(?:禁止|受け付け(?:ません|ない)|認め(?:ません|ない)|お断り)".to_owned(),
        ]
        .map(|pattern| Regex::new(&pattern).expect("the pattern is constant and tested"))
    });
    static BUT: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?i)\bnot\s+(?:forbidden|prohibited|banned|disallowed|rejected)|\bunless\b|\bwithout\s+(?:disclos|human|review|tests|prior|first|an?\s+issue)|\bif\s+(?:they|it|you)\b|\bexcept\b|\bonly\s+(?:after|with|when|if)\b|\bissues?\s+(?:are|is)\b")
            .expect("the pattern is constant and tested")
    });
    NO.iter().any(|no| no.is_match(sentence)) && !BUT.is_match(sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_forbid_it_are_found() {
        for text in [
            "No AI-generated pull requests.",
            "Please, no LLM generated code!",
            "AI-generated PRs are not accepted here.",
            "AI generated contributions will be closed without discussion.",
            "Automated pull requests are not welcome.",
            "Pull requests written by an LLM will be rejected.",
            "Code generated by AI is not allowed in this repository.",
            "Patches created with ChatGPT cannot be accepted for licence reasons.",
            "We do not accept AI-generated contributions.",
            "We will not merge code written by language models.",
            "This project does not accept pull requests opened by bots.",
            "Bots must not open pull requests.",
            "Agents may not submit patches to this tree.",
            "Contributions made by machines are strictly prohibited.",
            "LLM-assisted changes are forbidden.",
            "AIによるプルリクエストは受け付けません。",
            "自動生成されたコードの変更は禁止です。",
            "Machine-generated commits are banned.",
            "Submissions produced using any AI are never accepted.",
        ] {
            assert!(forbidden("CONTRIBUTING.md", text).is_some(), "{text}");
        }
    }

    #[test]
    fn rules_that_allow_or_limit_it_are_no_obstacle() {
        for text in [
            "AI-generated pull requests are welcome.",
            "Automated changes are not forbidden.",
            "You may use AI tools; please disclose it.",
            "AI-generated code is not accepted unless a person has reviewed it.",
            "AI-generated pull requests without human review are not accepted.",
            "Do not use AI to write issues.",
            "AI-generated issues are closed.",
            "Run `cargo test` before you open a pull request.",
            "We do not accept pull requests that fail CI.",
            "No merge commits, please.",
            "Automated tests are required for all changes.",
            "Our bot closes stale pull requests.",
            "Agents read AGENTS.md first.",
            "Changes to the public API are not accepted in patch releases.",
            "```\nNo AI-generated pull requests.\n```",
            "コードはテストしてください。",
            "",
        ] {
            assert_eq!(forbidden("AGENTS.md", text), None, "{text}");
        }
    }

    #[test]
    fn it_says_where() {
        let text = "# Contributing\n\nBe kind.\n\n- Write tests.\n- We do not accept\n  AI-generated contributions. Thanks.\n";
        let expected = Forbidden {
            file: "CONTRIBUTING.md".to_owned(),
            line: 6,
            text: "- We do not accept AI-generated contributions.".to_owned(),
        };
        assert_eq!(forbidden("CONTRIBUTING.md", text), Some(expected));
    }
}
