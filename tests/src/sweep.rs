//! Which points a sweep visits.

use crate::crash::Point;

/// The points of this kind that are to be visited: all with `MIYABI_SWEEP=all`, one with
/// `MIYABI_SWEEP=after-event:17`, otherwise every seventh, from a place that differs from day to day.
pub fn points(point: impl Fn(u64) -> Point, count: u64) -> Vec<Point> {
    let asked = std::env::var("MIYABI_SWEEP").unwrap_or_default();
    let all = (0..count).map(&point);
    if asked == "all" {
        return all.collect();
    }
    if let Some(one) = Point::parse(&asked) {
        return all.filter(|point| *point == one).collect();
    }
    let today = jiff::Timestamp::now().as_second() / 86_400;
    let from = usize::try_from(today % 7).unwrap_or_default();
    all.skip(from).step_by(7).collect()
}
