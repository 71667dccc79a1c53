//! Small pieces of text: times, durations, money, plurals, tables.

use console::{Alignment, measure_text_width, pad_str};
use jiff::{SignedDuration, Timestamp};
use miyabi_core::issue::Issue;
use miyabi_core::session::Usage;

use super::clean::{clean_line, short};

/// `12:00:01`, in UTC.
pub fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%S").to_string()
}

/// `2026-11-21 12:00:01`, in UTC.
pub fn date_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// `0.8 s`, `12 s`, `3 min 5 s`, `2 h 4 min`, `3 d 1 h`.
pub fn duration(time: SignedDuration) -> String {
    let ms = time.as_millis().max(0);
    let s = ms / 1000;
    match s {
        0..10 => format!("{}.{} s", s, ms % 1000 / 100),
        10..60 => format!("{s} s"),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        3600..86400 => format!("{} h {} min", s / 3600, s % 3600 / 60),
        _ => format!("{} d {} h", s / 86400, s % 86400 / 3600),
    }
}

/// `90 min` as `1 h 30 min`.
pub fn minutes(minutes: u64) -> String {
    match (minutes / 60, minutes % 60) {
        (0, m) => format!("{m} min"),
        (h, 0) => format!("{h} h"),
        (h, m) => format!("{h} h {m} min"),
    }
}

/// The cost as a program stated it, or that none did.
pub fn cost(usage: &Usage) -> String {
    usage.cost_usd.map_or_else(|| "not stated".to_owned(), |cost| format!("${cost:.4}"))
}

/// `#7 Add login`; only the title where a run is about no issue.
pub fn about(issue: &Issue, width: usize) -> String {
    match issue.number {
        0 => short(&issue.title, width),
        number => format!("#{number} {}", short(&issue.title, width)),
    }
}

/// `1 task`, `2 tasks`.
pub fn count(n: usize, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

/// The first ten characters of an object id.
pub fn short_id(id: &str) -> String {
    id.chars().take(10).collect()
}

/// Rows under a header, in aligned columns without lines between them. Cells are cleaned here.
pub fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let header = header.map(str::to_owned);
    let rows: Vec<_> = std::iter::once(header)
        .chain(rows.into_iter().map(|row| row.map(|cell| clean_line(&cell))))
        .collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(measure_text_width(cell));
        }
    }
    let mut out = String::new();
    for row in &rows {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| pad_str(cell, width, Alignment::Left, None).into_owned());
        out.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let table = [
            (-5, "0.0 s"),
            (850, "0.8 s"),
            (9_999, "9.9 s"),
            (12_000, "12 s"),
            (185_000, "3 min 5 s"),
            (7_440_000, "2 h 4 min"),
            (262_800_000, "3 d 1 h"),
        ];
        for (ms, expected) in table {
            assert_eq!(duration(SignedDuration::from_millis(ms)), expected);
        }
        assert_eq!(
            (minutes(45), minutes(60), minutes(90)),
            ("45 min".into(), "1 h".into(), "1 h 30 min".into())
        );
    }

    #[test]
    fn tables_align_wide_characters_and_keep_one_line_per_row() {
        let text = table(
            ["issue", "title"],
            [["1".to_owned(), "認証を\n追加 \u{1b}[31mred".to_owned()], ["22".to_owned(), "b".to_owned()]],
        );
        assert_eq!(text, "issue  title\n1      認証を 追加 red\n22     b\n");
    }
}
