//! When links run: tables a person can read, and laws. Virtual time only.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use calsync_core::{
    context::Clock,
    provider::{Fault, Retry},
    schedule::{
        BackOff, Cadence, CadenceError, ConnectionState, Entry, Finish, Preset, Priority, Schedule,
        ScheduleError, Setback, Status, Task, Timing,
    },
    store::{DocQuery, MemoryStore, Store},
};
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn task() -> Task {
    Task::Sync("work".into())
}

fn every(minutes: i64) -> Cadence {
    Cadence::every(TimeDelta::minutes(minutes)).unwrap()
}

fn entry(cadence: Cadence) -> Entry {
    Entry::new(task(), cadence, Priority::Normal, time("2026-03-01T00:00:00Z"))
}

fn done() -> Finish {
    Finish::Done { run: None, held: false, again: None }
}

fn failed(fault: Fault, setback: Setback) -> Finish {
    Finish::Failed { fault, error: "it failed".to_owned(), setback }
}

/// One run that begins at `start` and ends a second later.
fn run(entry: &mut Entry, start: DateTime<Utc>, finish: Finish) {
    assert!(entry.begin("a worker", start, &Timing::default()));
    entry.finished(finish, start + TimeDelta::seconds(1), &Timing::default());
}

fn due(entry: &Entry) -> Option<DateTime<Utc>> {
    entry.due(&Timing::default())
}

/// Cron expressions by the clocks of their zone; each run at most two minutes after its moment.
#[test]
fn cron_follows_the_clocks_of_its_zone() {
    let cases = [
        // expression, zone, after, the next moment
        ("0 3 * * *", "Europe/Berlin", "2026-01-10T12:00:00Z", "2026-01-11T02:00:00Z"),
        ("0 3 * * *", "Europe/Berlin", "2026-07-10T12:00:00Z", "2026-07-11T01:00:00Z"),
        ("*/20 * * * *", "Asia/Kolkata", "2026-01-10T12:05:00Z", "2026-01-10T12:10:00Z"),
        ("30 9 * * MON-FRI", "America/New_York", "2026-01-09T20:00:00Z", "2026-01-12T14:30:00Z"),
        ("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"),
        // 02:30 does not exist on 29 March 2026: it is made up for right after the gap.
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"),
        // 02:30 comes twice on 25 October 2026: it counts once.
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:40:00Z", "2026-10-26T01:30:00Z"),
    ];
    for (expression, zone, after, moment) in cases {
        let cadence = Cadence::cron(expression, zone).unwrap();
        let (after, moment) = (time(after), time(moment));
        let next = cadence.next("work", after).unwrap();
        let late = next - moment;
        assert!(
            (TimeDelta::zero()..TimeDelta::minutes(2)).contains(&late),
            "{expression} {zone} after {after}: {next}, not {moment}"
        );
    }
}

#[test]
fn unusable_cadences_are_refused() {
    let expression = |text: &str| Cadence::cron(text, "UTC");
    assert!(matches!(expression(""), Err(CadenceError::Expression { .. })));
    assert!(matches!(expression("61 * * * *"), Err(CadenceError::Expression { .. })));
    assert!(
        matches!(expression("* * * * * *"), Err(CadenceError::Expression { .. })),
        "seconds are too often"
    );
    assert!(matches!(expression(&"1,".repeat(200)), Err(CadenceError::Expression { .. })));
    assert_eq!(expression("0 0 30 2 *"), Err(CadenceError::Never));
    assert_eq!(Cadence::cron("0 3 * * *", "Berlin"), Err(CadenceError::Zone));
    assert_eq!(Cadence::every(TimeDelta::seconds(59)), Err(CadenceError::Interval));
    assert_eq!(Cadence::every(TimeDelta::days(29)), Err(CadenceError::Interval));
}

#[test]
fn presets_suit_their_providers() {
    let cases = [
        (Preset::Google, "every 15m"),
        (Preset::Microsoft, "every 15m"),
        (Preset::CalDav, "every 10m"),
        (Preset::Cozi, "every 30m"),
        (Preset::Ics { refresh: None }, "every 1h"),
        (Preset::Ics { refresh: Some(TimeDelta::hours(4)) }, "every 4h"),
        (Preset::Ics { refresh: Some(TimeDelta::seconds(1)) }, "every 15m"),
        (Preset::Ics { refresh: Some(TimeDelta::days(365)) }, "every 1d"),
    ];
    for (preset, shown) in cases {
        assert_eq!(preset.cadence().to_string(), shown);
    }
}

#[test]
fn downtime_is_made_up_for_by_one_run() {
    let mut entry = entry(every(15));
    run(&mut entry, time("2026-03-01T00:00:00Z"), done());
    let missed = due(&entry).unwrap();
    // Nothing ran for three days.
    let back = missed + TimeDelta::days(3);
    assert!(due(&entry).unwrap() < back, "it is due");
    run(&mut entry, back, done());
    let next = due(&entry).unwrap() - back;
    assert!(
        next > TimeDelta::minutes(7) && next <= TimeDelta::minutes(23),
        "one run, not 288: next in {next}"
    );
}

#[test]
fn nudges_are_gathered_for_five_seconds() {
    let mut entry = entry(every(60));
    let start = time("2026-03-01T00:00:00Z");
    run(&mut entry, start, done());
    let planned = due(&entry).unwrap();
    let first = start + TimeDelta::minutes(2);
    entry.nudge(first);
    assert_eq!(due(&entry), Some(first + TimeDelta::seconds(5)));
    entry.nudge(first + TimeDelta::seconds(3));
    assert_eq!(due(&entry), Some(first + TimeDelta::seconds(8)), "another one may follow");
    // They do not stop coming: it runs all the same.
    for second in 4..60 {
        entry.nudge(first + TimeDelta::seconds(second));
    }
    assert_eq!(due(&entry), Some(first + TimeDelta::seconds(30)));
    run(&mut entry, first + TimeDelta::minutes(2), done());
    assert!(due(&entry).unwrap() >= planned, "the run answered all of them");
}

#[test]
fn nudge_during_a_run_asks_for_another() {
    let mut entry = entry(every(60));
    let start = time("2026-03-01T00:00:00Z");
    assert!(entry.begin("a worker", start, &Timing::default()));
    let during = start + TimeDelta::seconds(2);
    entry.nudge(during);
    entry.finished(done(), start + TimeDelta::seconds(3), &Timing::default());
    assert_eq!(due(&entry), Some(during + TimeDelta::seconds(5)));
}

#[test]
fn paused_entry_is_never_due_and_runs_once_when_resumed() {
    let mut entry = entry(every(15));
    let start = time("2026-03-01T00:00:00Z");
    run(&mut entry, start, done());
    entry.pause(start);
    entry.nudge(start + TimeDelta::hours(1));
    assert_eq!((due(&entry), entry.status(&Timing::default())), (None, Status::Paused));
    entry.pause(start + TimeDelta::days(1));
    assert_eq!(entry.paused.as_ref().unwrap().since, start, "it was paused before");
    entry.resume();
    let back = start + TimeDelta::days(2);
    assert!(due(&entry).unwrap() < back);
    run(&mut entry, back, done());
    assert!(due(&entry).unwrap() > back);
}

#[test]
fn failures_are_answered_with_longer_waits_until_one_goes_well() {
    let mut entry = entry(every(15));
    let mut now = time("2026-03-01T00:00:00Z");
    let mut waits = Vec::new();
    for _ in 0..12 {
        run(&mut entry, now, failed(Fault::Provider, Setback::Passing));
        let next = due(&entry).unwrap();
        waits.push((next - now).num_seconds());
        now = next;
    }
    for (n, wait) in waits.iter().enumerate() {
        let nominal = (60 << n).min(6 * 3600);
        assert!((nominal / 2..=nominal + 1).contains(wait), "failure {n}: {wait} s of {nominal} s");
    }
    assert_eq!(entry.status(&Timing::default()), Status::CircuitOpen);
    // Nudges do not hurry it.
    entry.nudge(now - TimeDelta::hours(1));
    assert_eq!(due(&entry), Some(now));
    run(&mut entry, now, done());
    assert_eq!((entry.failures, entry.status(&Timing::default())), (0, Status::Waiting));
    assert!(due(&entry).unwrap() - now <= TimeDelta::minutes(23));
}

#[test]
fn provider_says_when_to_come_back() {
    let back_off = BackOff::default();
    let asked = back_off.wait("work", 1, Retry::After(Duration::from_secs(900)).into());
    assert!(asked >= TimeDelta::minutes(15) && asked < TimeDelta::minutes(16), "{asked}");
    // Not for ever, whatever it says.
    let asked = back_off.wait("work", 1, Retry::After(Duration::from_secs(u64::MAX)).into());
    assert!(asked <= TimeDelta::hours(24) + TimeDelta::seconds(30), "{asked}");
    // And not sooner than it failed.
    let asked = back_off.wait("work", 10, Retry::After(Duration::from_secs(1)).into());
    assert!(asked >= TimeDelta::hours(3), "{asked}");
}

#[test]
fn refused_credentials_wait_for_a_person() {
    let mut entry = entry(every(15));
    let now = time("2026-03-01T00:00:00Z");
    run(&mut entry, now, failed(Fault::Credentials, Setback::Passing));
    assert_eq!(entry.status(&Timing::default()), Status::NeedsReauth);
    assert!(due(&entry).unwrap() - now >= TimeDelta::hours(3), "it is not hammered");
    entry.run_now(now + TimeDelta::minutes(1));
    assert_eq!(due(&entry), Some(now + TimeDelta::minutes(1)), "somebody renewed them");
}

#[test]
fn how_a_link_stands_has_a_reason_and_a_beginning() {
    let timing = Timing::default();
    let stands = |entry: &Entry| {
        let since = entry.since(&timing).map(|since| since.format("%H:%M").to_string()).unwrap_or_default();
        format!("{:?} {since} {}", entry.status(&timing), entry.reason().is_some())
    };
    let mut entry = entry(every(15));
    assert_eq!(stands(&entry), "Waiting  false");
    let at = |clock: &str| time(&format!("2026-03-01T{clock}:00Z"));
    let passing = || failed(Fault::Provider, Setback::Passing);
    for (clock, finish, expected) in [
        ("00:00", done(), "Waiting 00:00 false"),
        ("01:00", passing(), "BackingOff 01:00 true"),
        ("02:00", passing(), "BackingOff 01:00 true"),
        ("03:00", failed(Fault::Credentials, Setback::Passing), "NeedsReauth 03:00 true"),
        ("04:00", failed(Fault::Credentials, Setback::Passing), "NeedsReauth 03:00 true"),
        ("05:00", Finish::Busy { until: at("05:01") }, "NeedsReauth 03:00 true"),
        ("06:00", passing(), "CircuitOpen 01:00 true"),
        ("07:00", failed(Fault::Credentials, Setback::Passing), "NeedsReauth 07:00 true"),
        ("08:00", done(), "Waiting 08:00 false"),
    ] {
        run(&mut entry, at(clock), finish);
        assert_eq!(stands(&entry), expected, "{clock}");
    }
    entry.pause(at("09:00"));
    entry.pause(at("10:00"));
    assert_eq!(stands(&entry), "Paused 09:00 false");
    entry.resume();
    assert_eq!(stands(&entry), "Waiting 08:00 false");
}

#[test]
fn busy_and_interrupted_runs_count_as_nothing() {
    let mut entry = entry(every(15));
    let now = time("2026-03-01T00:00:00Z");
    run(&mut entry, now, Finish::Busy { until: now + TimeDelta::seconds(8) });
    assert_eq!((due(&entry), entry.failures), (Some(now + TimeDelta::seconds(8)), 0));
    run(&mut entry, now, Finish::Busy { until: now + TimeDelta::hours(48) });
    assert!(due(&entry).unwrap() < now + TimeDelta::minutes(1), "the clock of the other one is wrong");
    run(&mut entry, now, Finish::Interrupted);
    assert!(due(&entry).unwrap() <= now + TimeDelta::seconds(1), "another worker goes on at once");
    assert_eq!((entry.failures, entry.last), (0, None));
}

#[test]
fn entry_that_kills_workers_is_left_alone() {
    let mut entry = entry(every(15));
    let timing = Timing::default();
    let now = time("2026-03-01T00:00:00Z");
    let begun: Vec<bool> = (0..5).map(|n| entry.begin(&format!("worker {n}"), now, &timing)).collect();
    assert_eq!(begun, [true, true, true, true, false]);
    assert!(due(&entry).unwrap() > now, "it backs off");
    assert!(entry.begin("worker 5", due(&entry).unwrap(), &timing), "and is tried again");
}

#[test]
fn waiting_writes_bring_the_next_run_forward() {
    let mut entry = entry(every(60));
    let now = time("2026-03-01T00:00:00Z");
    let again = Some(now + TimeDelta::minutes(1));
    run(&mut entry, now, Finish::Done { run: None, held: false, again });
    assert_eq!(due(&entry), again);
}

#[test]
fn run_longer_than_its_interval_does_not_run_at_once_again() {
    let mut entry = entry(every(10));
    let (start, end) = (time("2026-03-01T00:00:00Z"), time("2026-03-01T00:45:00Z"));
    assert!(entry.begin("a worker", start, &Timing::default()));
    entry.finished(done(), end, &Timing::default());
    assert!(due(&entry).unwrap() > end + TimeDelta::minutes(5));
}

/// A run by hand, at any moment, makes no run more than the cadence has.
#[test]
fn loop_17_a_run_by_hand_starts_no_schedule_of_its_own() {
    let mut entry = entry(every(15));
    let start = time("2026-03-01T00:00:00Z");
    let end = start + TimeDelta::days(1);
    run(&mut entry, start, done());
    let mut by_hand = 0;
    let mut runs = 0;
    while let Some(next) = due(&entry).filter(|next| *next < end) {
        if runs % 3 == 0 {
            entry.run_now(next - TimeDelta::minutes(3));
            by_hand += 1;
        }
        let now = due(&entry).unwrap();
        run(&mut entry, now, done());
        runs += 1;
    }
    assert!(runs <= 96 + by_hand, "{runs} runs in a day of 96, {by_hand} of them by hand");
    let mut on_demand = self::entry(Cadence::on_demand());
    on_demand.run_now(start);
    run(&mut on_demand, start, done());
    assert_eq!(due(&on_demand), None, "once asked is once run");
}

#[test]
fn another_cadence_counts_from_the_last_run() {
    let mut entry = entry(Cadence::on_demand());
    let now = time("2026-03-01T00:00:00Z");
    assert_eq!(due(&entry), None);
    entry.set_cadence(every(15), now);
    assert_eq!(due(&entry), Some(now), "it never ran");
    run(&mut entry, now, done());
    entry.set_cadence(every(1440), now + TimeDelta::minutes(1));
    assert!(due(&entry).unwrap() > now + TimeDelta::hours(12));
    entry.set_cadence(Cadence::on_demand(), now + TimeDelta::minutes(1));
    assert_eq!(due(&entry), None);
}

fn cadences() -> impl Strategy<Value = Cadence> {
    prop_oneof![
        (1_i64..40_000).prop_map(every),
        prop::sample::select(vec![
            "0 3 * * *",
            "*/7 * * * *",
            "* * * * *",
            "15 4 1 * *",
            "0 12 * * SUN",
            "30 2 * * *"
        ])
        .prop_flat_map(|expression| {
            prop::sample::select(vec!["UTC", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe"])
                .prop_map(move |zone| Cadence::cron(expression, zone).unwrap())
        }),
    ]
}

fn instants() -> impl Strategy<Value = DateTime<Utc>> {
    (1_600_000_000_i64..2_200_000_000).prop_map(|seconds| DateTime::from_timestamp(seconds, 0).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// The next run is later, always the same, and no run lies between.
    #[test]
    fn next_run_is_later_and_the_first(cadence in cadences(), name in "[a-z]{1,8}", after in instants(), part in 0_i64..1000) {
        let next = cadence.next(&name, after).unwrap();
        prop_assert!(next > after);
        prop_assert_eq!(cadence.next(&name, after), Some(next));
        if cadence.to_string().starts_with("cron") {
            // Asked anywhere in between, it is still the next one.
            let between = after + (next - after) * i32::try_from(part).unwrap() / 1001;
            prop_assert_eq!(cadence.next(&name, between), Some(next));
        }
    }

    /// Whenever runs happen, an interval has between half and one and a half of itself between two of them, and in the
    /// long run exactly itself.
    #[test]
    fn intervals_keep_their_pace(minutes in 1_i64..3000, name in "[a-z]{1,8}", start in instants()) {
        let cadence = every(minutes);
        let interval = TimeDelta::minutes(minutes);
        let first = cadence.next(&name, start).unwrap();
        prop_assert!(first - start > interval / 2 - TimeDelta::seconds(1));
        prop_assert!(first - start <= interval + interval / 2 + TimeDelta::seconds(1));
        let tenth = (0..10).fold(first, |run, _| cadence.next(&name, run).unwrap());
        prop_assert_eq!(tenth - first, interval * 10);
    }

    /// A cadence is read back from its data as it was; no data makes one that cannot be made otherwise.
    #[test]
    fn cadence_round_trips(cadence in cadences()) {
        let json = serde_json::to_string(&cadence).unwrap();
        prop_assert_eq!(serde_json::from_str::<Cadence>(&json).unwrap(), cadence);
    }

    /// Whatever happens to an entry, it is due at some time unless it is paused or waits to be asked; and it never runs
    /// before what a failure said.
    #[test]
    fn entry_is_never_forgotten(
        cadence in cadences(),
        steps in prop::collection::vec((0_u8..8, 1_i64..100_000), 1..40),
    ) {
        let timing = Timing::default();
        let mut now = time("2026-03-01T00:00:00Z");
        let mut entry = entry(cadence);
        for (step, seconds) in steps {
            now += TimeDelta::seconds(seconds);
            match step {
                0 => entry.nudge(now),
                1 => entry.pause(now),
                2 => entry.resume(),
                3 => entry.run_now(now),
                _ => {
                    let ready = entry.due(&timing).is_some_and(|due| due <= now);
                    if ready && entry.begin("a worker", now, &timing) {
                        let finish = match step {
                            4 => done(),
                            5 => failed(Fault::Provider, Setback::Passing),
                            6 => failed(Fault::Caller, Setback::Lasting),
                            _ => Finish::Interrupted,
                        };
                        entry.finished(finish, now, &timing);
                    }
                }
            }
            prop_assert_eq!(entry.due(&timing).is_none(), entry.paused.is_some());
            if let (Some(due), Some(not_before)) = (entry.due(&timing), entry.not_before) {
                prop_assert!(due >= not_before);
            }
            let json = serde_json::to_string(&entry).unwrap();
            prop_assert_eq!(serde_json::from_str::<Entry>(&json).unwrap(), entry.clone());
        }
    }
}

/// Links of one cadence do not run together.
#[test]
fn quo_06_runs_and_retries_are_spread() {
    let start = time("2026-03-01T00:00:00Z");
    for (cadence, buckets) in [(every(15), 15), (Cadence::cron("0 3 * * *", "UTC").unwrap(), 2)] {
        let mut minutes = vec![0_usize; 400];
        for n in 0..1000 {
            let next = cadence.next(&format!("sync:link {n}"), start).unwrap() - start;
            minutes[usize::try_from(next.num_minutes()).unwrap()] += 1;
        }
        let fullest = *minutes.iter().max().unwrap();
        assert!(fullest < 2 * 1000 / buckets, "{cadence}: {fullest} of 1000 in one minute");
    }
    // What failed together does not come back together.
    let back_off = BackOff::default();
    let waits: std::collections::BTreeSet<i64> = (0..1000)
        .map(|n| back_off.wait(&format!("sync:link {n}"), 6, Setback::Passing).num_seconds())
        .collect();
    assert!(waits.len() > 400, "{} different waits of 1000", waits.len());
}

struct Hands(Mutex<DateTime<Utc>>);

impl Clock for Hands {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

#[tokio::test]
async fn schedule_keeps_its_entries_in_the_store() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let start = time("2026-03-01T00:00:00Z");
    let clock = Arc::new(Hands(Mutex::new(start)));
    let schedule = Schedule::new(store.clone(), clock.clone());
    let dues = |space: &'static str| {
        let store = store.clone();
        async move {
            let docs = store.docs(space, DocQuery::Page { after: None, limit: 9 }).await.unwrap();
            docs.into_iter().map(|doc| (doc.key, doc.due)).collect::<Vec<_>>()
        }
    };
    assert!(matches!(schedule.nudge(&task()).await, Err(ScheduleError::Unknown { .. })));
    schedule.put(&task(), &every(15), Priority::Normal).await.unwrap();
    assert_eq!(dues("schedule.normal").await, [("sync:work".to_owned(), Some(start))]);

    // Another priority is another place; its history goes along.
    schedule.pause(&task()).await.unwrap();
    let moved = schedule.put(&task(), &every(15), Priority::High).await.unwrap();
    assert_eq!(moved.paused.unwrap().since, start);
    assert_eq!(dues("schedule.normal").await, []);
    assert_eq!(dues("schedule.high").await, [("sync:work".to_owned(), None)]);

    schedule.resume(&task()).await.unwrap();
    *clock.0.lock().unwrap() = start + TimeDelta::minutes(3);
    schedule.run_now(&task()).await.unwrap();
    assert_eq!(dues("schedule.high").await, [("sync:work".to_owned(), Some(start + TimeDelta::minutes(3)))]);
    assert_eq!(schedule.entries(Priority::High, None, 9).await.unwrap().len(), 1);

    schedule.remove(&task()).await.unwrap();
    assert_eq!(dues("schedule.high").await, []);
}

/// Many who change one entry at once lose nothing of it.
#[tokio::test]
async fn schedule_is_changed_by_many_at_once() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let clock = Arc::new(Hands(Mutex::new(time("2026-03-01T00:00:00Z"))));
    let schedule = Schedule::new(store, clock);
    schedule.put(&task(), &every(15), Priority::Normal).await.unwrap();
    let task = task();
    let half_hour = every(30);
    let (paused, nudged, again) = tokio::join!(
        schedule.pause(&task),
        schedule.nudge(&task),
        schedule.put(&task, &half_hour, Priority::Normal)
    );
    paused.unwrap();
    nudged.unwrap();
    again.unwrap();
    let entry = schedule.entry(&task).await.unwrap();
    assert!(entry.paused.is_some() && entry.pending.is_some());
    assert_eq!(entry.cadence, every(30));
}

/// What a clock two days ahead wrote, set back to ours: it waits for as long as it was to wait, and no longer than by its cadence.
#[test]
fn what_a_clock_ahead_wrote_is_set_back() {
    let now = time("2026-03-01T00:00:00Z");
    let ahead = now + TimeDelta::days(2);
    let backed_off = |setback| {
        let mut entry = entry(every(15));
        run(&mut entry, ahead, failed(Fault::Provider, setback));
        entry
    };
    let hours = |hours: u64| Setback::Asked(Duration::from_secs(hours * 3600));
    let nudged = || {
        let mut entry = Entry::new(task(), Cadence::on_demand(), Priority::Normal, now);
        entry.nudge(ahead);
        entry
    };
    let ran = |cadence: Cadence| {
        let mut entry = entry(cadence);
        run(&mut entry, ahead, done());
        entry
    };
    let busy = || {
        let mut entry = ran(Cadence::on_demand());
        entry.last = None;
        run(&mut entry, ahead, Finish::Busy { until: ahead + TimeDelta::hours(9) });
        entry
    };
    let old = || {
        // Of before there was `timed`.
        let mut entry = ran(every(15));
        entry.timed = None;
        entry
    };
    let cases: [(&str, Entry, (i64, i64)); 8] = [
        ("new", Entry::new(task(), every(15), Priority::Normal, ahead), (0, 0)),
        ("ran", ran(every(15)), (7 * 60, 23 * 60)),
        ("failed", backed_off(Setback::Passing), (30, 60)),
        ("asked to wait", backed_off(hours(5)), (5 * 3600, 5 * 3600 + 30)),
        ("nudged", nudged(), (5, 5)),
        ("busy", busy(), (30, 31)),
        ("old", old(), (7 * 60, 23 * 60)),
        ("by a calendar", ran(Cadence::cron("0 3 * * *", "UTC").unwrap()), (3 * 3600, 3 * 3600 + 120)),
    ];
    for (name, mut entry, (least, most)) in cases {
        assert!(due(&entry).unwrap() >= ahead, "{name}");
        entry.set_back(now);
        let wait = (due(&entry).unwrap() - now).num_seconds();
        assert!((least..=most).contains(&wait), "{name}: {wait} s, not {least} to {most}");
        let before = entry.clone();
        entry.set_back(now + TimeDelta::seconds(1));
        assert_eq!(entry, before, "{name}: once is enough");
    }
}

/// What was timed by a clock like ours stays as it is, however long it waits.
#[test]
fn what_waits_rightly_is_not_set_back() {
    let now = time("2026-03-01T00:00:00Z");
    let later = now + TimeDelta::minutes(1);
    let renewal = Finish::Done { run: None, held: false, again: Some(now + TimeDelta::days(6)) };
    let monthly = || Cadence::cron("0 0 1 * *", "Europe/Berlin").unwrap();
    let asked = failed(Fault::Provider, Setback::Asked(Duration::from_secs(86_400)));
    for (cadence, finish) in [
        (every(28 * 24 * 60), done()),
        (monthly(), done()),
        (Cadence::on_demand(), renewal),
        (every(15), asked),
    ] {
        let mut entry = entry(cadence);
        run(&mut entry, now, finish);
        let before = entry.clone();
        entry.set_back(later);
        assert_eq!(entry, before);
    }
}

/// A worker whose clock is put right in the middle of a run plans by what is right.
#[test]
fn clock_that_is_set_back_in_a_run_plans_by_what_is_right() {
    let now = time("2026-03-01T00:00:00Z");
    let mut entry = entry(every(15));
    assert!(entry.begin("a worker", now + TimeDelta::days(2), &Timing::default()));
    entry.finished(done(), now, &Timing::default());
    let wait = due(&entry).unwrap() - now;
    assert!(wait > TimeDelta::minutes(7) && wait <= TimeDelta::minutes(23), "{wait}");
    entry.set_cadence(every(60), now);
    assert!(due(&entry).unwrap() - now <= TimeDelta::minutes(90));
}

/// A nudge in a run asks for another, and one of before does not, whatever the clocks of those who nudge.
#[test]
fn nudges_of_wrong_clocks_are_answered_once() {
    let now = time("2026-03-01T00:00:00Z");
    let timing = Timing::default();
    for wrong_by in [TimeDelta::days(2), TimeDelta::days(-2), TimeDelta::zero()] {
        let mut entry = Entry::new(task(), Cadence::on_demand(), Priority::Normal, now);
        entry.nudge(now + wrong_by);
        run(&mut entry, now, done());
        assert_eq!(due(&entry), None, "{wrong_by}: it came before the run");
        assert!(entry.begin("a worker", now, &timing));
        entry.nudge(now + wrong_by);
        entry.finished(done(), now + TimeDelta::seconds(9), &timing);
        assert!(due(&entry).unwrap() <= now + TimeDelta::seconds(14), "{wrong_by}: it came in the run");
        run(&mut entry, now + TimeDelta::seconds(20), done());
        assert_eq!(due(&entry), None, "{wrong_by}: once");
    }
}

/// One link that is refused makes a connection one that needs a person, whatever the others do, since the first of them was.
#[tokio::test]
async fn a_connection_stands_as_the_worst_of_its_links() {
    let (start, timing) = (time("2026-03-01T00:00:00Z"), Timing::default());
    let at = |hours: i64| start + TimeDelta::hours(hours);
    let of = |link: &str| Entry::new(Task::Sync(link.into()), every(15), Priority::Normal, start);
    let refused = || failed(Fault::Credentials, Setback::Lasting);
    let outage = || failed(Fault::Provider, Setback::Passing);
    let state = |entries: &[&Entry]| ConnectionState::of(entries.iter().copied(), &timing);
    let told = |state: Option<ConnectionState>| {
        let state = state.unwrap();
        let links: Vec<String> = state.links.iter().map(ToString::to_string).collect();
        (state.status, state.since, state.reason.is_some(), links.join(" "))
    };
    assert_eq!(state(&[]), None);
    let (mut one, mut two, mut three) = (of("one"), of("two"), of("three"));
    assert_eq!(told(state(&[&one])), (Status::Waiting, None, false, "one".to_owned()), "it never ran");
    run(&mut one, at(1), done());
    run(&mut two, at(2), done());
    let (first, last) = (one.last_success, two.last_success);
    assert!(first < last);
    assert_eq!(told(state(&[&two, &one])), (Status::Waiting, first, false, "one two".to_owned()));
    run(&mut two, at(3), outage());
    let failing = two.since(&timing);
    assert_eq!(told(state(&[&one, &two])), (Status::BackingOff, failing, true, "two".to_owned()));
    for hours in 4..9 {
        run(&mut two, at(hours), outage());
    }
    assert_eq!(told(state(&[&one, &two])), (Status::CircuitOpen, failing, true, "two".to_owned()));
    run(&mut one, at(10), refused());
    run(&mut three, at(11), refused());
    let since = one.since(&timing);
    let expected = (Status::NeedsReauth, since, true, "one three".to_owned());
    assert_eq!(told(state(&[&three, &two, &one])), expected, "the earliest of those that are refused");
    // Neither a run that goes on nor a pause makes it better.
    assert!(one.begin("a worker", at(12), &timing));
    three.pause(at(12));
    assert_eq!(told(state(&[&three, &two, &one])), expected);
    // What is paused as a whole is that, since the last was.
    let (mut four, mut five) = (of("four"), of("five"));
    four.pause(at(1));
    five.pause(at(2));
    assert_eq!(told(state(&[&five, &four])), (Status::Paused, Some(at(2)), false, "five four".to_owned()));
    run(&mut one, at(13), done());
    assert_eq!(
        told(state(&[&one, &four])),
        (Status::Waiting, Some(one.last_success.unwrap()), false, "four one".to_owned())
    );

    // A channel that was renewed yesterday says nothing of the runs, and one that is not renewed does.
    let mut renewal = Entry::new(Task::Renew("one".into()), every(60 * 24), Priority::Normal, start);
    run(&mut renewal, at(0), done());
    let expected = (Status::Waiting, one.last_success, false, "one".to_owned());
    assert_eq!(told(state(&[&renewal, &one])), expected);
    assert_eq!(told(state(&[&renewal, &four])).0, Status::Paused);
    run(&mut renewal, at(14), refused());
    assert_eq!(told(state(&[&renewal, &one])).0, Status::NeedsReauth);

    let clock = Arc::new(Hands(Mutex::new(start)));
    let schedule = Schedule::new(Arc::new(MemoryStore::new()), clock);
    assert_eq!(schedule.connection(&["one".into()]).await.unwrap(), None);
    schedule.put(&Task::Sync("one".into()), &every(15), Priority::High).await.unwrap();
    schedule.put(&Task::Sync("elsewhere".into()), &every(15), Priority::Low).await.unwrap();
    schedule.pause(&Task::Sync("elsewhere".into())).await.unwrap();
    let found = schedule.connection(&["one".into(), "never".into()]).await.unwrap();
    assert_eq!(told(found), (Status::Waiting, None, false, "one".to_owned()), "and nothing of the other");
}
