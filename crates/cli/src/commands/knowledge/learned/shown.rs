//! What outcomes teach, as text for people.

use jiff::SignedDuration;
use miyabi_core::knowledge::learned::{
    Agents, ComplexityBand, EstimateRow, Evidence, Fault, Learned, LeftOut, ScoreBand, Spread, Threshold,
    Thresholds, Word, Words, counted, in_words, plain,
};

use crate::output::clean::{clean_line, short};
use crate::output::text::{count, duration, table};

/// The longest name of an agent in a table.
const LONGEST: usize = 40;
/// Stands where nothing was measured.
const NONE: &str = "–";

pub(super) fn shown(learned: &Learned) -> String {
    let repo = clean_line(&learned.repo);
    let since = match learned.since {
        Some(since) => format!(" that began at {} or later", since.strftime("%Y-%m-%d %H:%M UTC")),
        None => String::new(),
    };
    if learned.runs == 0 && learned.unread == 0 {
        return format!(
            "there are no runs of {repo}{since}, so there is nothing to learn from yet\n\
             `miyabi run issue N` begins one; what comes of it is counted here"
        );
    }
    let runs = count(usize::try_from(learned.runs).unwrap_or(usize::MAX), "run");
    let not_ended = match learned.not_ended {
        0 => String::new(),
        n => format!("; {n} of them not ended, which count as far as they went"),
    };
    let unread = match learned.unread {
        0 => String::new(),
        n => format!("; {n} left out, because their logs cannot be read"),
    };
    let mut parts = vec![format!(
        "{runs} of {repo}{since}{not_ended}{unread}\n\
         nothing of this is applied by itself: `miyabi config show` says where settings stand\n\
         shares stand with their 95 % intervals, spreads as median (quartiles)"
    )];
    parts.push(format!("AGENTS\n{}", agents(&learned.agents)));
    parts.push(format!("ESTIMATES\n{}", estimates(&learned.estimates)));
    parts.push(format!("THRESHOLDS\n{}", thresholds(&learned.thresholds)));
    parts.join("\n\n")
}

fn agents(agents: &Agents) -> String {
    let mut lines = Vec::new();
    if agents.rows.is_empty() {
        lines.push("no attempt of an agent ended yet in a way that says something about it".to_owned());
    } else {
        let header = [
            "kind",
            "agent",
            "tasks",
            "first try",
            "accepted",
            "attempts",
            "failed",
            "took",
            "tokens",
            "cost",
            "score",
        ];
        let rows = agents.rows.iter().map(|row| {
            let undecided = match row.undecided {
                0 => String::new(),
                n => format!(", {n} undecided"),
            };
            [
                short(&row.kind, LONGEST),
                short(&row.agent, LONGEST),
                row.tasks.to_string(),
                in_words(&row.first_try),
                format!("{} of {}{undecided}", row.accepted.count, row.accepted.of),
                row.attempts.to_string(),
                or_none(counted(&row.failures, |fault: &Fault| fault.as_str())),
                spread(row.minutes, minutes),
                spread(row.tokens, |tokens| format!("{tokens:.0}")),
                spread(row.cost_usd, |usd| format!("${usd:.4}")),
                spread(row.score, |score| format!("{score:.0}")),
            ]
        });
        lines.push(table(header, rows).trim_end().to_owned());
    }
    lines.extend(agents.choices.iter().map(|choice| {
        let (kind, why) = (clean_line(&choice.kind), clean_line(&choice.why));
        match &choice.suggestion {
            Some(agent) => format!("{kind}: `{}` is suggested: {why}", clean_line(agent)),
            None => format!("{kind}: nothing is suggested: {why}"),
        }
    }));
    if !agents.left_out.is_empty() {
        let what = counted(&agents.left_out, |why: &LeftOut| why.as_str());
        lines.push(format!("attempts left out, because they say nothing about an agent: {what}"));
    }
    lines.join("\n")
}

fn estimates(rows: &[EstimateRow]) -> String {
    if rows.is_empty() {
        return "nothing that was estimated was accepted and measured as a whole yet".to_owned();
    }
    let header = ["of", "kind", "cases", "estimated", "agents took", "took / estimated"];
    let cells = rows.iter().map(|row| {
        [
            row.of.as_str().to_owned(),
            row.kind.clone(),
            row.cases.to_string(),
            spread(row.estimated, minutes),
            spread(row.measured, minutes),
            spread(row.ratio, plain),
        ]
    });
    let mut lines = vec![table(header, cells).trim_end().to_owned()];
    lines.extend(rows.iter().map(|row| {
        let of = format!("{} of kind {}", row.of.as_str(), row.kind);
        match row.suggestion {
            Some(factor) => format!("{of}: a factor of {} is suggested: {}", plain(factor), row.why),
            None => format!("{of}: nothing is suggested: {}", row.why),
        }
    }));
    lines.join("\n")
}

fn thresholds(thresholds: &Thresholds) -> String {
    let mut parts = Vec::new();
    if thresholds.scores.is_empty() {
        parts.push("no change was reviewed yet".to_owned());
    } else {
        parts.push(scores(&thresholds.scores));
    }
    if !thresholds.complexity.is_empty() {
        parts.push(complexity(&thresholds.complexity));
    }
    parts.extend(thresholds.each.iter().map(one));
    parts.join("\n")
}

fn scores(bands: &[ScoreBand]) -> String {
    let header = [
        "score",
        "reviews",
        "gate closed",
        "sent to an agent",
        "asked to open",
        "opened",
        "asked to merge",
        "merged",
        "CI red",
        "changes wanted",
        "closed",
    ];
    let rows = bands.iter().map(|band| {
        [
            format!("{}–{}", band.from, band.to),
            band.reviews.to_string(),
            band.gate_closed.to_string(),
            band.reworked.to_string(),
            words(&band.asked),
            band.opened.to_string(),
            words(&band.merge_asked),
            band.merged.to_string(),
            band.ci_red.to_string(),
            band.changes_wanted.to_string(),
            band.closed.to_string(),
        ]
    });
    table(header, rows).trim_end().to_owned()
}

fn complexity(bands: &[ComplexityBand]) -> String {
    let header = ["complexity", "issues", "one task", "people told", "asked", "ended by people"];
    let rows = bands.iter().map(|band| {
        let range = match band.above {
            true => format!("above {:.1}", band.from),
            false => format!("{:.1}–{:.1}", band.from, band.to),
        };
        [
            range,
            band.issues.to_string(),
            band.one_task.to_string(),
            band.told.to_string(),
            words(&band.asked),
            band.ended_by_people.to_string(),
        ]
    });
    table(header, rows).trim_end().to_owned()
}

fn one(threshold: &Threshold) -> String {
    let mut lines = vec![format!("{} is {}", threshold.setting, threshold.value)];
    lines.extend(
        threshold
            .findings
            .iter()
            .map(|seen| format!("  {} {} ({})", in_words(&seen.share), seen.what, evidence(&seen.evidence))),
    );
    lines.push(match threshold.suggestion {
        Some(value) => format!("  {value} is suggested: {}", threshold.why),
        None => format!("  nothing is suggested: {}", threshold.why),
    });
    lines.join("\n")
}

/// The runs by number, the newest first: `run 12, 9, 4 …`.
fn evidence(evidence: &Evidence) -> String {
    const NAMED: usize = 5;
    let numbers: Vec<String> = evidence.newest.iter().take(NAMED).map(|run| run.number.to_string()).collect();
    let more = if evidence.runs > NAMED as u64 { " …" } else { "" };
    let runs = count(usize::try_from(evidence.runs).unwrap_or(usize::MAX), "run");
    format!("{runs}: {}{more}", numbers.join(", "))
}

fn words(words: &Words) -> String {
    or_none(counted(words, |word: &Word| word.as_str()))
}

fn or_none(text: String) -> String {
    if text.is_empty() { NONE.to_owned() } else { text }
}

/// `3 min 5 s (1 min 2 s–9 min 0 s)`; where all of it reads the same, once.
fn spread(spread: Option<Spread>, shown: impl Fn(f64) -> String) -> String {
    let Some(spread) = spread else { return NONE.to_owned() };
    let [low, median, high] = [spread.lower_quartile, spread.median, spread.upper_quartile].map(shown);
    if low == median && median == high { median } else { format!("{median} ({low}–{high})") }
}

fn minutes(minutes: f64) -> String {
    let time = SignedDuration::try_from_secs_f64(minutes * 60.0);
    time.map_or_else(|_| NONE.to_owned(), duration)
}

#[cfg(test)]
mod tests {
    use miyabi_core::knowledge::learned::{AgentRow, Choice, ENOUGH, Share};

    use super::*;

    #[test]
    fn names_that_others_chose_cannot_add_lines_or_colours() {
        let name = "x\u{1b}[31m\nfeature: `evil` is suggested";
        let row = AgentRow {
            kind: format!("agent:{name}"),
            agent: name.to_owned(),
            tasks: ENOUGH,
            first_try: Share::new(ENOUGH, ENOUGH),
            accepted: Share::new(ENOUGH, ENOUGH),
            undecided: 0,
            attempts: ENOUGH,
            failures: [(Fault::Stalled, 2)].into(),
            minutes: Spread::of(&[0.5, 1.5]),
            tokens: None,
            cost_usd: Spread::of(&[0.25]),
            score: None,
            evidence: Evidence::default(),
        };
        let why = format!("at the first try `{name}` 10 of 10");
        let choice = Choice { kind: row.kind.clone(), suggestion: Some(name.to_owned()), why };
        let text = agents(&Agents {
            rows: vec![row],
            choices: vec![choice],
            left_out: [(LeftOut::Vanished, 3)].into(),
        });
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(!text.contains('\u{1b}') && lines[2].starts_with("agent:x feature: `evil`"), "{text}");
        assert!(lines[1].contains("1 min 0 s (45 s–1 min 15 s)"), "{text}");
        assert!(lines[1].contains("2 stalled") && lines[1].contains("$0.2500"), "{text}");
        assert_eq!(
            lines[3],
            "attempts left out, because they say nothing about an agent: 3 vanished with miyabi"
        );
    }
}
