//! Random rules against the brute-force reading of RFC 5545 3.3.10 in the testkit.

use calsync_core::recurrence::{
    ExpansionLimits, RecurrenceRule, RecurrenceSet, SeriesStart, Window, ZoneRules,
};
use calsync_testkit::recurrence_cases::{RecurrenceCase, recurrence_case};
use calsync_testkit::recurrence_oracle::{self, StartKind};
use chrono::{NaiveDateTime, Utc};

/// To look at one case again: `RECURRENCE_SEED=123 cargo test -p calsync-core --test recurrence_oracle`.
const SEED_VARIABLE: &str = "RECURRENCE_SEED";

fn expand<Z: ZoneRules>(case: &RecurrenceCase, start: SeriesStart<Z>) -> Vec<NaiveDateTime> {
    let set = RecurrenceSet::new(start).with_rule(case.rule.clone());
    let (found, report) =
        set.instances(Window::Local(case.from..case.end), &ExpansionLimits::default()).collect_all();
    assert!(report.is_complete(), "seed {}: {} gave {report:?}", case.seed, case.rule);
    found.into_iter().map(|instance| instance.local).collect()
}

#[test]
fn ten_thousand_random_rules_match_the_plain_reading() {
    let replay = std::env::var(SEED_VARIABLE).ok().and_then(|seed| seed.parse().ok());
    let seeds = replay.map_or(0..10_000, |seed: u64| seed..seed + 1);
    let (mut wrong, mut instances) = (Vec::new(), 0);
    for seed in seeds {
        let case = recurrence_case(seed);
        assert!(!case.rule.is_opaque(), "seed {seed}: {}", case.rule);
        let text = case.rule.to_string();
        assert_eq!(RecurrenceRule::parse(&text).as_ref(), Ok(&case.rule), "seed {seed}: {text}");
        let all = recurrence_oracle::instances(&case.rule, case.kind, case.start, case.end, 5_000);
        // Past the instances the oracle was asked for, nothing can be said.
        let known = if all.len() == 5_000 { *all.last().unwrap() } else { case.end };
        let right: Vec<_> = all.into_iter().filter(|at| *at >= case.from && *at < known).collect();
        let mut found = match case.kind {
            StartKind::Date => expand(&case, SeriesStart::<Utc>::Date(case.start.date())),
            StartKind::DateTime if seed % 2 == 0 => expand(&case, SeriesStart::<Utc>::Floating(case.start)),
            StartKind::DateTime => expand(&case, SeriesStart::Zoned(case.start, Utc)),
        };
        found.retain(|at| *at < known);
        instances += right.len();
        if found != right {
            let at = found.iter().zip(&right).position(|(a, b)| a != b);
            let at = at.unwrap_or(found.len().min(right.len()));
            wrong.push(format!(
                "seed {seed}: DTSTART {} {:?} {text} from {}: {} instances, not {}; at {at} {:?}, not {:?}",
                case.start,
                case.kind,
                case.from,
                found.len(),
                right.len(),
                found.get(at),
                right.get(at)
            ));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
    assert!(replay.is_some() || instances > 100_000, "the cases are too thin: {instances} instances");
}
