//! The base score of a CVSS 3.0 or 3.1 vector.
//! Source: <https://www.first.org/cvss/v3.1/specification-document>, section 7 and appendix A.

use miyabi_core::report::Severity;

/// The qualitative rating of a vector; `None` for what is no complete vector of version 3, such as version 4, which
/// rates by table instead of formula.
pub fn severity(vector: &str) -> Option<Severity> {
    Some(match base_score(vector)? {
        90.. => Severity::Critical,
        70.. => Severity::High,
        40.. => Severity::Medium,
        _ => Severity::Low,
    })
}

/// The base score in tenths, 0 to 100.
fn base_score(vector: &str) -> Option<u32> {
    let metrics = vector.strip_prefix("CVSS:3.1/").or_else(|| vector.strip_prefix("CVSS:3.0/"))?;
    let metric = |name: &str| {
        metrics
            .split('/')
            .find_map(|part| part.split_once(':').filter(|(key, _)| *key == name))
            .map(|(_, value)| value)
    };
    let changed = match metric("S")? {
        "U" => false,
        "C" => true,
        _ => return None,
    };
    let exploitability = 8.22
        * choose(metric("AV")?, &[("N", 0.85), ("A", 0.62), ("L", 0.55), ("P", 0.2)])?
        * choose(metric("AC")?, &[("L", 0.77), ("H", 0.44)])?
        * match changed {
            false => choose(metric("PR")?, &[("N", 0.85), ("L", 0.62), ("H", 0.27)])?,
            true => choose(metric("PR")?, &[("N", 0.85), ("L", 0.68), ("H", 0.5)])?,
        }
        * choose(metric("UI")?, &[("N", 0.85), ("R", 0.62)])?;
    let loss = |name| choose(metric(name)?, &[("H", 0.56), ("L", 0.22), ("N", 0.0)]);
    let base = 1.0 - (1.0 - loss("C")?) * (1.0 - loss("I")?) * (1.0 - loss("A")?);
    let impact = match changed {
        false => 6.42 * base,
        true => 7.52 * (base - 0.029) - 3.25 * (base - 0.02).powi(15),
    };
    if impact <= 0.0 {
        return Some(0);
    }
    let factor = if changed { 1.08 } else { 1.0 };
    Some(round_up((factor * (impact + exploitability)).min(10.0)))
}

fn choose(value: &str, table: &[(&str, f64)]) -> Option<f64> {
    table.iter().find(|(name, _)| *name == value).map(|(_, weight)| *weight)
}

/// The specification's `Roundup` in tenths: up to the next tenth, but not because of the fifth decimal place.
fn round_up(score: f64) -> u32 {
    (1_u32..100).find(|tenths| score * 100_000.0 < f64::from(*tenths) * 10_000.0 + 0.5).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_those_of_the_published_examples() {
        // Vectors and scores from the user guide and example pages of FIRST.
        for (vector, tenths) in [
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 98),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 100),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 61),
            ("CVSS:3.0/AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N", 64),
            ("CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N", 31),
            ("CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", 78),
            ("CVSS:3.1/AV:P/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 68),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", 75),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0),
        ] {
            assert_eq!(base_score(vector), Some(tenths), "{vector}");
        }
    }

    #[test]
    fn ratings_follow_the_table() {
        assert_eq!(severity("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"), Some(Severity::Critical));
        assert_eq!(severity("CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H"), Some(Severity::High));
        assert_eq!(severity("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N"), Some(Severity::Medium));
        assert_eq!(severity("CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N"), Some(Severity::Low));
        for unrated in
            ["", "CVSS:4.0/AV:L/AC:L", "CVSS:3.1/AV:N", "CVSS:3.1/AV:雅/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"]
        {
            assert_eq!(severity(unrated), None, "{unrated}");
        }
    }
}
