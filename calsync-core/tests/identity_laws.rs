//! Laws of matching: one to one, never in doubt, the same from either side and in any order, and nothing missed.

use std::collections::BTreeSet;

use calsync_core::{
    identity::{MatchOptions, Matching, Profile, confidence, match_events, normalized},
    model::{Event, EventBody, EventTime, TimeSpan},
    recurrence::RuleEntry,
};
use chrono::{DateTime, TimeDelta};
use proptest::{option, prelude::*, sample::select};

fn event() -> impl Strategy<Value = Event> {
    let titles = vec![
        "Tea",
        "tea ",
        "Team meeting",
        "Weekly team meeting",
        "Apointment",
        "Appointment",
        "",
        "Lesson 1",
    ];
    let texts = (select(titles), option::of(select(vec!["Room A", "Room B", "room a"])));
    (texts, 0_i64..3, 1_i64..3, any::<bool>(), option::weighted(0.2, Just("FREQ=DAILY"))).prop_map(
        |((title, place), start, hours, all_day, rule)| {
            let at = |hour| DateTime::UNIX_EPOCH + TimeDelta::hours(hour);
            let time = if all_day {
                TimeSpan::all_day(at(start * 24).date_naive(), at(start * 24).date_naive())
            } else {
                TimeSpan { start: EventTime::Utc(at(start)), end: EventTime::Utc(at(start + hours)) }
            };
            let mut body = EventBody::new(time);
            body.title = Some(title.to_owned());
            body.location = place.map(str::to_owned);
            let mut event = Event::single("u", body);
            event.rules.extend(rule.map(RuleEntry::read));
            event
        },
    )
}

fn side() -> impl Strategy<Value = Vec<Profile>> {
    proptest::collection::vec(event(), 0..8)
        .prop_map(|events| events.iter().filter_map(Profile::of).collect())
}

fn options(pairs_max: usize) -> MatchOptions {
    let mut options = MatchOptions::default();
    options.pairs_max = pairs_max;
    options
}

fn pairs(matching: &Matching) -> BTreeSet<(usize, usize)> {
    matching.joined.iter().map(|pair| (pair.local, pair.remote)).collect()
}

/// Every pair with every other, by the definition alone.
fn by_definition(locals: &[Profile], remotes: &[Profile]) -> BTreeSet<(usize, usize)> {
    let (sure, margin) = (850, 100);
    let score = |l: usize, r: usize| confidence(&locals[l], &remotes[r]).0;
    let mut joined = BTreeSet::new();
    for l in 0..locals.len() {
        for r in 0..remotes.len() {
            let others = (0..locals.len()).filter(|x| *x != l).map(|x| score(x, r));
            let rivals = others.chain((0..remotes.len()).filter(|x| *x != r).map(|x| score(l, x)));
            if score(l, r) >= sure && rivals.filter(|s| *s >= sure).all(|s| s + margin <= score(l, r)) {
                joined.insert((l, r));
            }
        }
    }
    joined
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Looking only at events that begin together misses nothing.
    #[test]
    fn dup_04_matching_is_what_it_is_defined_as(locals in side(), remotes in side()) {
        let matching = match_events(&locals, &remotes, &MatchOptions::default());
        prop_assert_eq!(pairs(&matching), by_definition(&locals, &remotes));
    }

    /// However little may be spent on it, an event is joined once at the most, and never joined and asked about.
    #[test]
    fn dup_04_one_to_one(locals in side(), remotes in side(), pairs_max in 0_usize..20) {
        let matching = match_events(&locals, &remotes, &options(pairs_max));
        let here: BTreeSet<usize> = matching.joined.iter().map(|pair| pair.local).collect();
        let there: BTreeSet<usize> = matching.joined.iter().map(|pair| pair.remote).collect();
        prop_assert_eq!((here.len(), there.len()), (matching.joined.len(), matching.joined.len()));
        let asked: BTreeSet<usize> = matching.questions.iter().map(|question| question.remote).collect();
        prop_assert_eq!(asked.len(), matching.questions.len());
        prop_assert!(asked.is_disjoint(&there));
        for question in &matching.questions {
            prop_assert!(!question.locals.is_empty());
            prop_assert!(question.locals.iter().all(|local| !here.contains(local)));
        }
        for pair in &matching.joined {
            prop_assert!(confidence(&locals[pair.local], &remotes[pair.remote]) >= MatchOptions::default().confidence);
        }
    }

    /// From the other side the same pairs are joined.
    #[test]
    fn dup_04_matching_has_no_favourite_side(locals in side(), remotes in side()) {
        let there = match_events(&locals, &remotes, &MatchOptions::default());
        let back = match_events(&remotes, &locals, &MatchOptions::default());
        let mirrored: BTreeSet<(usize, usize)> = back.joined.iter().map(|pair| (pair.remote, pair.local)).collect();
        prop_assert_eq!(pairs(&there), mirrored);
    }

    /// Servers list in any order.
    #[test]
    fn dup_04_order_does_not_matter(locals in side(), remotes in side()) {
        let reversed: Vec<Profile> = remotes.iter().rev().cloned().collect();
        let there = match_events(&locals, &remotes, &MatchOptions::default());
        let back = match_events(&locals, &reversed, &MatchOptions::default());
        let mirrored: BTreeSet<(usize, usize)> =
            back.joined.iter().map(|pair| (pair.local, remotes.len() - 1 - pair.remote)).collect();
        prop_assert_eq!(pairs(&there), mirrored);
        prop_assert_eq!(there.questions.len(), back.questions.len());
    }

    /// Comparing forms: idempotent on any text, and never longer than a few times the text.
    #[test]
    fn dup_04_a_normal_form_is_one(text in "\\PC{0,40}") {
        let once = normalized(&text);
        prop_assert_eq!(normalized(&once), once);
    }
}
