//! Random calendars against the minute-by-minute reading of the testkit.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use calsync_core::{
    availability::{Answer, BusyIndex, BusyOptions, CalendarTimes, answer, busy_times},
    model::{Event, EventId},
    zone::{Tz, Zone},
};
use calsync_testkit::availability_oracle::{
    AvailabilityCase, OWNER, PlainAnswer, availability_case, plain_answer,
};
use chrono::TimeDelta;

/// To look at one case again: `AVAILABILITY_SEED=123 cargo test -p calsync-core --test availability_oracle`.
const SEED_VARIABLE: &str = "AVAILABILITY_SEED";

fn ask(case: &AvailabilityCase) -> Answer {
    let calendars = case.calendars.iter().enumerate().map(|(number, calendar)| {
        let mut options = BusyOptions::new(case.question.busy_window(), Zone::Iana(calendar.zone));
        options.owner = vec![OWNER.to_owned()];
        let busy = busy_times(&calendar.events, &options);
        assert_eq!(busy.incomplete_series, 0, "seed {}", case.seed);
        if case.seed.is_multiple_of(4) {
            index_says_the_same(case.seed, &calendar.events, &options);
        }
        CalendarTimes {
            calendar: format!("c{number}").into(),
            busy,
            state: calendar.state,
            as_of: None,
            covered: calendar.covered.clone(),
        }
    });
    answer(&calendars.collect::<Vec<_>>(), &case.question)
}

/// An index that went through edits says what its events say.
fn index_says_the_same(seed: u64, events: &[Event], options: &BusyOptions) {
    let mut index = BusyIndex::new(options.zone.clone(), &options.owner);
    let id = |number: usize| EventId::from(number.to_string());
    // Each is there as another one first, and every third is gone in the end.
    for number in 0..events.len() {
        index.put(&id(number), &events[(number + 1) % events.len()]);
    }
    for (number, event) in events.iter().enumerate() {
        index.put(&id(number), event);
    }
    assert_eq!(index.busy_times(&options.window), busy_times(events, options), "seed {seed}");
    let gone = |number: usize| (number + usize::try_from(seed % 3).unwrap()).is_multiple_of(3);
    for number in (0..events.len()).filter(|number| gone(*number)) {
        let rest = (0..events.len()).filter(|other| *other != number && (*other > number || !gone(*other)));
        let rest = busy_times(rest.map(|other| &events[other]), options);
        assert_eq!(index.busy_times_without(&options.window, Some(&id(number))), rest, "seed {seed}");
        index.remove(&id(number));
        index.remove(&id(number));
        assert_eq!(index.busy_times(&options.window), rest, "seed {seed}");
    }
}

/// The answer minute by minute.
fn minutes(answer: &Answer, case: &AvailabilityCase) -> PlainAnswer {
    let window = &case.question.window;
    let length = (window.end - window.start).num_minutes();
    let at = |minute: i64| window.start + TimeDelta::minutes(minute);
    let mut busy = answer.busy.iter().peekable();
    let mut open = answer.open.iter().peekable();
    let mut found = PlainAnswer { busy: Vec::new(), open: Vec::new(), slots: Vec::new() };
    for minute in 0..length {
        while busy.next_if(|time| time.end <= at(minute)).is_some() {}
        while open.next_if(|span| span.end <= at(minute)).is_some() {}
        found.busy.push(busy.peek().filter(|time| time.start <= at(minute)).map(|time| time.kind));
        found.open.push(open.peek().is_some_and(|span| span.start <= at(minute)));
    }
    found.slots = answer.slots.iter().map(|slot| slot.start).collect();
    found
}

#[test]
fn ten_thousand_random_calendars_match_the_plain_reading() {
    let replay = std::env::var(SEED_VARIABLE).ok().and_then(|seed| seed.parse().ok());
    let seeds = replay.map_or(0..10_000, |seed: u64| seed..seed + 1);
    let (mut wrong, mut slots, mut taken) = (Vec::new(), 0, 0);
    let mut zones = std::collections::BTreeSet::new();
    for seed in seeds {
        let case = availability_case(seed);
        zones.insert(case.question.zone.name().to_owned());
        let (right, found) = (plain_answer(&case), ask(&case));
        let found = minutes(&found, &case);
        slots += right.slots.len();
        taken += right.busy.iter().flatten().count();
        let what = [
            ("busy", right.busy == found.busy),
            ("open", right.open == found.open),
            ("slots", right.slots == found.slots),
        ];
        if let Some((what, _)) = what.iter().find(|(_, same)| !same) {
            let minute = (0..right.busy.len())
                .find(|at| right.busy[*at] != found.busy[*at] || right.open[*at] != found.open[*at]);
            wrong.push(format!(
                "seed {seed}: {what} in {}, minute {minute:?} of {:?}: {:?}, not {:?}",
                case.question.zone.name(),
                case.question.window,
                minute.map(|at| (found.busy[at], found.open[at])),
                minute.map(|at| (right.busy[at], right.open[at])),
            ));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong[..wrong.len().min(10)].join("\n"));
    assert!(replay.is_some() || zones.len() == Tz::all().count(), "{} zones only", zones.len());
    assert!(
        replay.is_some() || (slots > 50_000 && taken > 1_000_000),
        "too thin: {slots} slots, {taken} busy minutes"
    );
}
