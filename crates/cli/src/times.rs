//! Times of rules, as in a crontab.

use cronexpr::{Crontab, FallbackTimezoneOption, MakeTimestamp, ParseOptions, parse_crontab_with};
use jiff::Timestamp;

use crate::error::CliError;

/// Reads minute, hour, day of month, month, day of week, and a time zone (UTC without one).
///
/// Errors: it is none, with the place.
pub fn parse(cron: &str) -> Result<Crontab, CliError> {
    let mut options = ParseOptions::default();
    options.fallback_timezone_option = FallbackTimezoneOption::UTC;
    parse_crontab_with(cron, options).map_err(|error| {
        CliError::input(format!("`{}` is no time of a schedule", crate::output::clean::short(cron, 60)))
            .because(error.to_string())
            .hint("write minute, hour, day of month, month and day of week, such as `30 3 * * 1-5` or `0 9 * * 1 Asia/Tokyo`")
    })
}

/// The first time after this one; `None`: there is none that could be written.
pub fn next(times: &Crontab, after: Timestamp) -> Option<Timestamp> {
    times.find_next(MakeTimestamp(after)).ok().map(|at| at.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_time_is_after_now_and_in_its_zone() {
        let now: Timestamp = "2026-11-20T03:30:00Z".parse().unwrap();
        for (cron, at) in [
            ("30 3 * * *", "2026-11-21T03:30:00Z"),
            ("31 3 * * *", "2026-11-20T03:31:00Z"),
            ("0 9 * * 1 Asia/Tokyo", "2026-11-23T00:00:00Z"),
            ("*/15 * * * *", "2026-11-20T03:45:00Z"),
        ] {
            assert_eq!(next(&parse(cron).unwrap(), now).unwrap().to_string(), at, "{cron}");
        }
    }

    #[test]
    fn what_is_no_time_is_said_with_an_example() {
        for cron in ["", "* * * *", "60 * * * *", "* * * * * Mars/Base", "@daily", "分 * * * *"] {
            let error = parse(cron).unwrap_err().render();
            assert!(error.contains("is no time of a schedule") && error.contains("30 3 * * 1-5"), "{error}");
        }
    }
}
