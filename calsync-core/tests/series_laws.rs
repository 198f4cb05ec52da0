//! Cutting a series of the model in two, and giving it other rules: tables, and laws on drawn series.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may fail loudly")]

use calsync_core::{
    ical::{WriteOptions, write_new},
    model::{
        Alarm, Descent, Event, EventBody, EventTime, Override, OverrideScope, Participant,
        ParticipationStatus, Person, RecurrenceId, Role, TimeSpan, VirtualLocation,
    },
    recurrence::{ExpansionLimits, RuleEntry, SplitError},
    zone::Zone,
};
use chrono::{DateTime, NaiveDate, TimeDelta, TimeZone, Utc};
use proptest::prelude::*;

fn berlin(month: u32, day: u32, hour: u32) -> EventTime {
    let local = NaiveDate::from_ymd_opt(2026, month, day).unwrap().and_hms_opt(hour, 0, 0).unwrap();
    EventTime::zoned(local, Zone::from_iana("Europe/Berlin").unwrap())
}

/// An hour from 18:00, from 2026-03-20 on: the clock changes on the 29th.
fn series(rule: &str) -> Event {
    let body = EventBody {
        title: Some("choir".to_owned()),
        ..EventBody::new(TimeSpan { start: berlin(3, 20, 18), end: berlin(3, 20, 19) })
    };
    let mut event = Event::single("u1", body);
    event.rules.push(RuleEntry::read(rule));
    event
}

fn id(month: u32, day: u32) -> RecurrenceId {
    RecurrenceId::of(&berlin(month, day, 18))
}

fn changed(title: &str, start: EventTime, end: EventTime) -> Override {
    let body = EventBody { title: Some(title.to_owned()), ..EventBody::new(TimeSpan { start, end }) };
    Override::Changed { body: Box::new(body), scope: OverrideScope::This }
}

/// Start, end and title of everything that takes place in two years.
fn all(event: &Event) -> Vec<(DateTime<Utc>, DateTime<Utc>, String)> {
    let window = Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap()
        ..Utc.with_ymd_and_hms(2028, 1, 1, 0, 0, 0).unwrap();
    let (instances, report) = event.instances(window, &Zone::UTC, &ExpansionLimits::default());
    assert!(report.is_complete());
    let shown = instances.iter().map(|instance| {
        let time = &instance.time;
        let title = instance.body.title.clone().unwrap_or_default();
        (time.start.instant(&Zone::UTC), time.end.instant(&Zone::UTC), title)
    });
    let mut all: Vec<_> = shown.collect();
    all.sort();
    all
}

fn both(head: &Event, tail: &Event) -> Vec<(DateTime<Utc>, DateTime<Utc>, String)> {
    let mut both = [all(head), all(tail)].concat();
    both.sort();
    both
}

fn split(event: &Event, at: RecurrenceId) -> Result<(Event, Event), SplitError> {
    event.split_at(at, "u2", &ExpansionLimits::default())
}

fn rule(event: &Event) -> String {
    event.rules.iter().map(ToString::to_string).collect::<Vec<_>>().join("|")
}

#[test]
fn dup_10_this_and_following_is_two_series_with_lineage() {
    let mut event = series("FREQ=DAILY;COUNT=20");
    event.overrides.insert(id(3, 22), Override::Excluded);
    event.overrides.insert(id(3, 23), changed("early", berlin(3, 23, 9), berlin(3, 23, 11)));
    // Moved over the cut, either way: it stays with the half that has its name.
    event.overrides.insert(id(3, 24), changed("late", berlin(4, 2, 9), berlin(4, 2, 11)));
    event.overrides.insert(id(4, 1), changed("soon", berlin(3, 21, 9), berlin(3, 21, 11)));
    event.overrides.insert(id(4, 2), Override::Excluded);
    event.overrides.insert(RecurrenceId::of(&berlin(3, 21, 8)), Override::Added { end: None });
    event
        .overrides
        .insert(RecurrenceId::of(&berlin(4, 20, 8)), Override::Added { end: Some(berlin(4, 20, 12)) });
    let (head, tail) = split(&event, id(3, 30)).unwrap();
    assert_eq!((head.uid.as_str(), tail.uid.as_str()), ("u1", "u2"));
    assert_eq!(rule(&head), "FREQ=DAILY;UNTIL=20260330T155959Z");
    assert_eq!(rule(&tail), "FREQ=DAILY;COUNT=10");
    assert_eq!(tail.master.as_ref().unwrap().time.start, berlin(3, 30, 18));
    assert_eq!(head.overrides.len(), 4);
    assert_eq!(tail.overrides.len(), 3);
    assert_eq!(both(&head, &tail), all(&event));
    assert!(head.lineage.is_none());
    let lineage = tail.lineage.clone().unwrap();
    assert_eq!((lineage.uid.as_str(), lineage.how), ("u1", Descent::Following));
    // Cut again, the third part still names the first.
    let (_, third) = tail.split_at(id(4, 3), "u3", &ExpansionLimits::default()).unwrap();
    assert_eq!(third.lineage.clone().unwrap().uid, "u1");
    let stamp = Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap();
    let text = write_new(&third, &WriteOptions::new(stamp));
    assert!(text.contains("RELATED-TO;RELTYPE=FIRST:u1\r\n"), "{text}");
}

#[test]
fn what_cannot_be_cut_is_said_of_an_event() {
    let event = series("FREQ=DAILY;INTERVAL=2");
    assert_eq!(split(&event, id(3, 20)).unwrap_err(), SplitError::FirstInstance);
    assert_eq!(split(&event, id(3, 21)).unwrap_err(), SplitError::NotAnInstance);
    let mut excluded = event.clone();
    excluded.overrides.insert(id(3, 24), Override::Excluded);
    assert_eq!(split(&excluded, id(3, 24)).unwrap_err(), SplitError::NotAnInstance);
    let mut foreign = event.clone();
    foreign.overrides.insert(id(3, 25), changed("x", berlin(3, 25, 18), berlin(3, 25, 19)));
    assert_eq!(split(&foreign, id(3, 25)).unwrap_err(), SplitError::NotASeries);
    let mut reaching = event.clone();
    let Override::Changed { body, .. } = changed("x", berlin(3, 22, 20), berlin(3, 22, 21)) else {
        unreachable!()
    };
    reaching.overrides.insert(id(3, 22), Override::Changed { body, scope: OverrideScope::ThisAndFuture });
    assert_eq!(split(&reaching, id(3, 24)).unwrap_err(), SplitError::NotASeries);
    let (head, tail) = split(&reaching, id(3, 22)).unwrap();
    assert_eq!(both(&head, &tail), all(&reaching));
    let mut opaque = event.clone();
    opaque.rules = vec![RuleEntry::read("FREQ=DAILY;SKIP=FORWARD")];
    assert_eq!(split(&opaque, id(3, 24)).unwrap_err(), SplitError::NotExpandable);
    assert_eq!(split(&Event { master: None, ..event }, id(3, 24)).unwrap_err(), SplitError::NotASeries);
}

/// FLD-03: both halves keep the people, the reminders and the place to meet.
#[test]
fn fld_03_a_split_loses_no_guest_and_no_link() {
    let mut event = series("FREQ=DAILY;COUNT=20");
    let body = event.master.as_mut().unwrap();
    body.participants.push(Participant {
        person: Person { address: "anna@example.org".to_owned(), name: None },
        status: ParticipationStatus::Accepted,
        role: Role::Required,
        expect_reply: true,
    });
    body.alarms.push(Alarm::display_before(600));
    body.virtual_locations.push(VirtualLocation { uri: "https://example.org/meet".to_owned(), name: None });
    let (head, tail) = split(&event, id(3, 30)).unwrap();
    let without_time = |event: &Event| {
        let mut body = event.master.clone().unwrap();
        body.time = TimeSpan { start: berlin(1, 1, 0), end: berlin(1, 1, 0) };
        body
    };
    assert!(without_time(&head) == without_time(&event) && without_time(&tail) == without_time(&event));
}

/// A whole day excluded from a timed series (`EXDATE;VALUE=DATE`) holds on both sides of a cut on that day.
#[test]
fn rec_02_a_date_excluded_from_a_timed_series_is_cut_as_well() {
    let mut event = series("FREQ=HOURLY;INTERVAL=4;COUNT=30");
    let day = NaiveDate::from_ymd_opt(2026, 3, 22).unwrap();
    event.overrides.insert(RecurrenceId::Date(day), Override::Excluded);
    let at = RecurrenceId::of(&berlin(3, 23, 2));
    let (head, tail) = split(&event, at).unwrap();
    assert_eq!(both(&head, &tail), all(&event));
    assert_eq!((head.overrides.len(), tail.overrides.len()), (1, 0));
}

#[test]
fn a_series_of_extra_dates_is_cut() {
    let mut event = series("FREQ=DAILY");
    event.rules.clear();
    for day in [22, 24, 26] {
        let end = (day == 24).then(|| berlin(3, 24, 23));
        event.overrides.insert(id(3, day), Override::Added { end });
    }
    let (head, tail) = split(&event, id(3, 24)).unwrap();
    assert_eq!(both(&head, &tail), all(&event));
    assert_eq!((all(&head).len(), all(&tail).len()), (2, 2));
}

#[test]
fn other_rules_keep_the_overrides_that_still_apply() {
    let mut event = series("FREQ=DAILY;COUNT=20");
    event.overrides.insert(id(3, 21), Override::Excluded);
    event.overrides.insert(id(3, 22), changed("kept", berlin(3, 22, 9), berlin(3, 22, 11)));
    event.overrides.insert(id(3, 23), changed("dropped", berlin(3, 23, 9), berlin(3, 23, 11)));
    event.overrides.insert(id(3, 26), Override::Excluded);
    event.overrides.insert(RecurrenceId::of(&berlin(3, 27, 8)), Override::Added { end: None });
    event
        .overrides
        .insert(RecurrenceId::Date(NaiveDate::from_ymd_opt(2026, 3, 28).unwrap()), Override::Excluded);
    let limits = ExpansionLimits::default();
    let change = event.with_rules(vec![RuleEntry::read("FREQ=DAILY;INTERVAL=2")], &limits).unwrap();
    assert_eq!(change.dropped, [id(3, 21), id(3, 23)]);
    assert_eq!(rule(&change.event), "FREQ=DAILY;INTERVAL=2");
    assert_eq!(change.event.overrides.len(), 4);
    let shorter = event.with_rules(vec![RuleEntry::read("FREQ=DAILY;COUNT=3")], &limits).unwrap();
    assert_eq!(shorter.event.overrides.len(), 3, "two of the first three days and the extra date");
    let single = event.with_rules(Vec::new(), &limits).unwrap();
    assert_eq!(single.event.overrides.len(), 1, "only the extra date");
    let opaque = event.with_rules(vec![RuleEntry::read("FREQ=DAILY;INTERVAL=0")], &limits);
    assert_eq!(opaque.unwrap_err(), SplitError::NotExpandable);
    let none = Event { overrides: Default::default(), ..event };
    assert!(none.with_rules(Vec::new(), &limits).unwrap().dropped.is_empty());
}

/// How many cases each law is tried on: `CALSYNC_CASES`, as `cargo xtask laws` sets it.
fn cases() -> u32 {
    std::env::var("CALSYNC_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(400)
}

fn drawn() -> impl Strategy<Value = Event> {
    let rules = proptest::sample::select(vec![
        "FREQ=DAILY;COUNT=12",
        "FREQ=DAILY;INTERVAL=3;COUNT=9",
        "FREQ=DAILY;UNTIL=20260410T160000Z",
        "FREQ=WEEKLY;BYDAY=MO,WE,FR;COUNT=10",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,FR;COUNT=8",
        "FREQ=MONTHLY;COUNT=6",
        "FREQ=MONTHLY;BYDAY=-1FR;COUNT=5",
        "FREQ=YEARLY",
    ]);
    let what = (0_u8..4, -60_i64..60, 1_i64..5);
    (rules, proptest::collection::vec((0_i64..40, what), 0..5), any::<bool>()).prop_map(
        |(rule, overrides, own)| {
            let mut event = series(rule);
            for (day, (kind, moved, hours)) in overrides {
                let start = EventTime::Utc(berlin(3, 20, 18).absolute().unwrap());
                let start = match RecurrenceId::of(&start) {
                    RecurrenceId::Instant(first) => {
                        let local = Zone::from_iana("Europe/Berlin").unwrap().to_local(first);
                        EventTime::zoned(
                            local + TimeDelta::days(day),
                            Zone::from_iana("Europe/Berlin").unwrap(),
                        )
                    }
                    _ => start,
                };
                let at = start.absolute().unwrap() + TimeDelta::hours(moved);
                let end = EventTime::Utc(at + TimeDelta::hours(hours));
                let value = match kind {
                    0 => Override::Excluded,
                    1 => Override::Added { end: own.then(|| later(&start, hours)) },
                    _ => changed(&format!("moved {day}"), EventTime::Utc(at), end),
                };
                event.overrides.insert(RecurrenceId::of(&start), value);
            }
            event
        },
    )
}

fn later(start: &EventTime, hours: i64) -> EventTime {
    EventTime::Utc(start.absolute().unwrap() + TimeDelta::hours(hours))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    /// I16: the instances of both halves are those of the whole, each with its time and its text.
    #[test]
    fn both_halves_are_the_whole(event in drawn(), place in 0_usize..12) {
        let ids: Vec<RecurrenceId> = {
            let window = Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap()
                ..Utc.with_ymd_and_hms(2028, 1, 1, 0, 0, 0).unwrap();
            let (instances, _) = event.instances(window, &Zone::UTC, &ExpansionLimits::default());
            instances.iter().map(|instance| instance.id).collect()
        };
        let at = ids[place % ids.len()];
        let Ok((head, tail)) = split(&event, at) else { return Ok(()) };
        prop_assert_eq!(both(&head, &tail), all(&event));
        prop_assert!(head.overrides.keys().all(|id| *id < at));
        prop_assert!(tail.overrides.keys().all(|id| *id >= at));
        prop_assert_eq!(head.master, event.master);
    }

    /// What is kept of the overrides applies, what is dropped is named, and nothing is both.
    #[test]
    fn other_rules_lose_no_override_silently(event in drawn(), other in drawn()) {
        let Ok(change) = event.with_rules(other.rules.clone(), &ExpansionLimits::default()) else { return Ok(()) };
        for id in event.overrides.keys() {
            let kept = change.event.overrides.get(id) == event.overrides.get(id);
            prop_assert!(kept != change.dropped.contains(id));
        }
        prop_assert_eq!(change.event.overrides.len() + change.dropped.len(), event.overrides.len());
        let again = change.event.with_rules(other.rules, &ExpansionLimits::default()).unwrap();
        prop_assert!(again.dropped.is_empty());
        let back = event.with_rules(event.rules.clone(), &ExpansionLimits::default()).unwrap();
        let excluded_only = back.dropped.iter().all(|id| !matches!(event.overrides[id], Override::Added { .. }));
        prop_assert!(excluded_only);
    }
}
