//! Open time cut into slots.

use chrono::TimeDelta;

use super::{
    Question,
    hours::segments,
    spans::{Span, clip},
};

/// The slots of open spans, and whether there are more.
pub(super) fn slots(open: &[Span], question: &Question) -> (Vec<Span>, bool) {
    let step = question.granularity.num_seconds();
    if step <= 0 || question.slot <= TimeDelta::zero() {
        return (Vec::new(), false);
    }
    let mut slots = Vec::new();
    for (segment, offset) in segments(&question.zone, &question.window) {
        for span in open {
            let Some(starts) = clip(span, &segment) else { continue };
            let mut at = starts.start;
            loop {
                at = next_start(at, offset, step);
                let Some(end) = at.checked_add_signed(question.slot) else { break };
                if at >= starts.end || end > span.end {
                    break;
                }
                if slots.len() == question.slots_max {
                    return (slots, true);
                }
                slots.push(at..end);
                at += TimeDelta::seconds(1);
            }
        }
    }
    (slots, false)
}

/// The first moment from `at` on when the clock shows a multiple of `step` seconds since midnight.
fn next_start(at: chrono::DateTime<chrono::Utc>, offset: i32, step: i64) -> chrono::DateTime<chrono::Utc> {
    const DAY: i64 = 24 * 60 * 60;
    let up = at.timestamp() + i64::from(at.timestamp_subsec_nanos() > 0);
    let of_day = (up + i64::from(offset)).rem_euclid(DAY);
    let after = (of_day + step - 1) / step * step;
    // A step that does not divide the day begins anew at midnight.
    let wait = after.min(DAY) - of_day;
    chrono::DateTime::from_timestamp(up + wait, 0).unwrap_or(chrono::DateTime::<chrono::Utc>::MAX_UTC)
}
