//! What labels say. Our own labels of an earlier run are read back as what they were made from.

use std::ops::RangeInclusive;

use crate::analysis::{Kind, Sensitivity};
use crate::plain::one_line;
use crate::reading::item;
use crate::reading::lexicon::{Sign, kind_word};

/// What the labels of an issue say, each with the label that says it; the first one of each sort counts.
#[derive(Default)]
pub(super) struct Labels {
    pub kind: Option<(Kind, String)>,
    pub security: Option<(Sensitivity, String)>,
    /// In tenths of a point.
    pub complexity: Option<(RangeInclusive<i32>, String)>,
    /// In minutes.
    pub estimate: Option<(u32, String)>,
    pub size: Option<(Sign, String)>,
}

impl Labels {
    pub(super) fn of(names: &[String]) -> Self {
        let mut labels = Self::default();
        for name in names {
            let shown = one_line(name, 60);
            let lower = shown.to_lowercase();
            let (key, value) = lower.split_once([':', '/']).unwrap_or((&lower, ""));
            let value = value.trim();
            match key.trim() {
                "security" => set(&mut labels.security, sensitivity(value), shown),
                "complexity" => set(&mut labels.complexity, band(value), shown),
                "estimated" | "estimate" => set(&mut labels.estimate, item::minutes(value), shown),
                "size" => set(&mut labels.size, size(value), shown),
                "good first issue" => set(&mut labels.size, Some(Sign::Small), shown),
                "epic" => set(&mut labels.size, Some(Sign::Huge), shown),
                _ => set(&mut labels.kind, kind_word(&lower), shown),
            }
        }
        labels
    }
}

fn set<T>(place: &mut Option<(T, String)>, value: Option<T>, label: String) {
    if place.is_none() {
        *place = value.map(|value| (value, label));
    }
}

/// `security` alone warns as loudly as `security:high`.
fn sensitivity(value: &str) -> Option<Sensitivity> {
    match value {
        "" | "high" | "critical" => Some(Sensitivity::High),
        "medium" => Some(Sensitivity::Medium),
        "low" => Some(Sensitivity::Low),
        _ => None,
    }
}

/// The words are the bands between which the gates change; a number is itself.
fn band(value: &str) -> Option<RangeInclusive<i32>> {
    match value {
        "low" => Some(0..=49),
        "medium" => Some(50..=70),
        "high" => Some(71..=100),
        number => {
            let (whole, tenth) = number.split_once('.').unwrap_or((number, "0"));
            let tenths =
                whole.parse::<i32>().ok()?.checked_mul(10)?.checked_add(tenth.parse::<u8>().ok()?.into())?;
            (tenth.len() == 1 && (0..=100).contains(&tenths)).then_some(tenths..=tenths)
        }
    }
}

fn size(value: &str) -> Option<Sign> {
    match value {
        "xs" | "s" | "small" | "tiny" => Some(Sign::Small),
        "l" | "large" | "big" => Some(Sign::Large),
        "xl" | "xxl" | "huge" => Some(Sign::Huge),
        _ => None,
    }
}
