//! The formula of complexity: considerations that add up, and labels that overrule the sum.

use super::Seen;
use crate::analysis::Sensitivity;
use crate::reading::lexicon::Sign;

/// Sums the considerations; each adds its sentence to the reasons. 0.0 to 10.0, one decimal.
pub(super) fn complexity(
    seen: &Seen<'_>,
    security: Sensitivity,
    estimate_minutes: u32,
    areas: usize,
    reasons: &mut Vec<String>,
) -> f64 {
    let mut tenths = 0;
    for (weight, why) in considerations(seen, security, estimate_minutes, areas) {
        tenths += weight;
        reasons.push(format!("{}: {why}", signed(weight)));
    }
    let sum = tenths.clamp(0, 100);
    let result = match &seen.labels.complexity {
        None => sum,
        Some((band, label)) => {
            let result = sum.clamp(*band.start(), *band.end());
            reasons.push(format!("the label `{label}` overrules the sum of {}", decimal(sum)));
            result
        }
    };
    reasons.push(format!("complexity {} of 10", decimal(result)));
    f64::from(result) / 10.0
}

/// In tenths of a point.
fn considerations(
    seen: &Seen<'_>,
    security: Sensitivity,
    estimate_minutes: u32,
    areas: usize,
) -> Vec<(i32, String)> {
    let mut found = vec![(10, "every issue starts here".to_owned())];
    let mut add = |weight: i32, why: String| found.push((weight, why));

    let items = seen.works.len();
    if items > 1 {
        let weight = i32::try_from(items).unwrap_or(i32::MAX).saturating_mul(5) / 2;
        add(weight.min(50), format!("{items} items of work"));
    }
    let waiting = seen.works.iter().filter(|work| !work.after.is_empty()).count();
    if waiting > 0 {
        add(i32::try_from(waiting).unwrap_or(i32::MAX).min(10), format!("{waiting} items wait for others"));
    }
    match security {
        Sensitivity::High => add(8, "a mistake would do harm (security high)".to_owned()),
        Sensitivity::Medium => add(3, "a mistake could do harm (security medium)".to_owned()),
        Sensitivity::Low => {}
    }
    let hours = estimate_minutes.div_ceil(60);
    match estimate_minutes {
        9600.. => add(20, format!("about {hours} hours of work, more than a month")),
        2400.. => add(10, format!("about {hours} hours of work, a week or more")),
        960.. => add(5, format!("about {hours} hours of work, two days or more")),
        480.. => add(3, format!("about {hours} hours of work, a day or more")),
        _ => {}
    }
    for (sign, weight, what) in [
        (Sign::Rewrite, 15, "something is made anew"),
        (Sign::Migration, 10, "data or users have to move"),
        (Sign::Breaking, 10, "others have to change too"),
        (Sign::Database, 5, "stored data is concerned"),
        (Sign::Concurrency, 5, "several things happen at once"),
    ] {
        if let Some((_, word)) = seen.signs.iter().find(|(found, _)| *found == sign) {
            add(weight, format!("{what} (`{word}`)"));
        }
    }
    match seen.size() {
        Some((Sign::Small, word)) => add(-5, format!("it is said to be small (`{word}`)")),
        Some((Sign::Huge, word)) => add(15, format!("it is said to be huge (`{word}`)")),
        Some((_, word)) => add(10, format!("it is said to be large (`{word}`)")),
        None => {}
    }
    match seen.outline.prose.len() {
        30_000.. => add(6, "a very long text".to_owned()),
        5_000.. => add(3, "a long text".to_owned()),
        _ => {}
    }
    if areas > 5 {
        add(3, format!("{areas} parts of the code are named"));
    }
    found
}

fn signed(tenths: i32) -> String {
    format!("{}{}", if tenths < 0 { "−" } else { "+" }, decimal(tenths.abs()))
}

fn decimal(tenths: i32) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}
