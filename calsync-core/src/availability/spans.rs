//! Sets of instants as sorted, separate spans.

use std::ops::Range;

use chrono::{DateTime, Utc};

use super::busy::{BusyKind, BusyTime};

/// From an instant up to, not including, another.
pub(super) type Span = Range<DateTime<Utc>>;

/// The part of a span inside another.
pub(super) fn clip(span: &Span, to: &Span) -> Option<Span> {
    let (start, end) = (span.start.max(to.start), span.end.min(to.end));
    (start < end).then_some(start..end)
}

/// Sorts, and joins what touches.
pub(super) fn union(mut spans: Vec<Span>) -> Vec<Span> {
    spans.retain(|span| span.start < span.end);
    spans.sort_unstable_by_key(|span| span.start);
    let mut joined: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match joined.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => joined.push(span),
        }
    }
    joined
}

/// What is in both sets.
pub(super) fn intersection(a: &[Span], b: &[Span]) -> Vec<Span> {
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    let mut both = Vec::new();
    while let (Some(one), Some(other)) = (a.peek(), b.peek()) {
        both.extend(clip(one, other));
        if one.end <= other.end {
            a.next()
        } else {
            b.next()
        };
    }
    both
}

/// What is in the first set and not in the second.
pub(super) fn difference(from: &[Span], taken: &[Span]) -> Vec<Span> {
    let mut left = Vec::new();
    let mut next = 0;
    for span in from {
        let mut start = span.start;
        while taken.get(next).is_some_and(|taken| taken.end <= start) {
            next += 1;
        }
        let mut at = next;
        while let Some(taken) = taken.get(at).filter(|taken| taken.start < span.end) {
            if start < taken.start {
                left.push(start..taken.start);
            }
            start = start.max(taken.end);
            at += 1;
        }
        if start < span.end {
            left.push(start..span.end);
        }
    }
    left
}

/// One line of time out of many: each moment has the strongest kind any of them gives it.
pub(crate) fn strongest(times: Vec<BusyTime>) -> Vec<BusyTime> {
    let of = |kind: BusyKind| {
        union(times.iter().filter(|time| time.kind == kind).map(|time| time.start..time.end).collect())
    };
    let mut taken: Vec<Span> = Vec::new();
    let mut found = Vec::new();
    for kind in BusyKind::STRONGEST_FIRST {
        let all = of(kind);
        let free = difference(&all, &taken);
        found.extend(free.into_iter().map(|span| BusyTime { start: span.start, end: span.end, kind }));
        taken.extend(all);
        taken = union(taken);
    }
    found.sort_unstable_by_key(|time| time.start);
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(minute * 60, 0).expect("an instant")
    }

    fn spans() -> impl Strategy<Value = Vec<(i64, i64)>> {
        proptest::collection::vec((0_i64..40, 0_i64..9), 0..8)
    }

    fn set(spans: &[(i64, i64)]) -> Vec<Span> {
        union(spans.iter().map(|(start, length)| at(*start)..at(start + length)).collect())
    }

    fn has(set: &[Span], minute: i64) -> bool {
        set.iter().any(|span| span.contains(&at(minute)))
    }

    proptest! {
        #[test]
        fn sets_of_spans_are_sets_of_minutes(a in spans(), b in spans()) {
            let (a, b) = (set(&a), set(&b));
            let (both, left) = (intersection(&a, &b), difference(&a, &b));
            for minute in -1..60 {
                prop_assert_eq!(has(&both, minute), has(&a, minute) && has(&b, minute));
                prop_assert_eq!(has(&left, minute), has(&a, minute) && !has(&b, minute));
            }
            for set in [both, left] {
                prop_assert!(set.iter().all(|span| span.start < span.end));
                prop_assert!(set.windows(2).all(|pair| pair[0].end <= pair[1].start));
            }
        }
    }
}
