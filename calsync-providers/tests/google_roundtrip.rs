//! Random series to Google and back: the same instances, or a loss that is reported.

#![cfg(feature = "google")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod google_support;

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use calsync_core::{
    diff::changed_fields,
    model::{
        Alarm, Event, EventBody, EventTime, FreeBusyStatus, Override, OverrideScope, Privacy, RecurrenceId,
        RuleEntry, Status, TimeSpan,
    },
    provider::{PeoplePolicy, Provider},
    recurrence::ExpansionLimits,
    zone::Zone,
};
use calsync_providers::{
    google::{GoogleConfig, GoogleProvider},
    http::Secret,
};
use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use google_support::{render_with, with};
use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::select,
    test_runner::{Config, TestRunner},
};

const ZONES: [&str; 8] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "UTC",
    "Etc/UTC",
    "America/St_Johns",
    "Pacific/Apia",
];

fn time() -> impl Strategy<Value = EventTime> {
    let date = (0_u64..700).prop_map(|day| NaiveDate::from_ymd_opt(2026, 1, 1).unwrap() + Days::new(day));
    (date, 0_u32..24, select(vec![0_u32, 15, 30]), 0_usize..=ZONES.len() + 1).prop_map(
        |(date, hour, minute, kind)| {
            let local = date.and_hms_opt(hour, minute, 0).unwrap();
            match kind {
                0 => EventTime::Date(date),
                1 => EventTime::Utc(local.and_utc()),
                kind => EventTime::zoned(local, Zone::from_iana(ZONES[kind - 2]).unwrap()),
            }
        },
    )
}

fn span() -> impl Strategy<Value = TimeSpan> {
    (time(), 0_i64..50).prop_map(|(start, quarters)| {
        let end = match &start {
            EventTime::Date(date) => EventTime::Date(*date + Days::new(1 + quarters.unsigned_abs() % 4)),
            EventTime::Utc(at) => EventTime::Utc(*at + TimeDelta::minutes(15 * quarters)),
            EventTime::Zoned { zone, .. } => {
                let at = start.absolute().unwrap() + TimeDelta::minutes(15 * quarters);
                RecurrenceId::Instant(at).to_time(&EventTime::zoned(start.local(), zone.clone()))
            }
            EventTime::Floating(_) => start.clone(),
        };
        TimeSpan { start, end }
    })
}

fn rule() -> impl Strategy<Value = String> {
    let by = select(vec![
        "FREQ=DAILY",
        "FREQ=WEEKLY",
        "FREQ=WEEKLY;BYDAY=MO,WE,FR",
        "FREQ=WEEKLY;BYDAY=SU;WKST=SU",
        "FREQ=MONTHLY",
        "FREQ=MONTHLY;BYMONTHDAY=31",
        "FREQ=MONTHLY;BYMONTHDAY=-1",
        "FREQ=MONTHLY;BYDAY=2TU",
        "FREQ=MONTHLY;BYDAY=-1FR",
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
        "FREQ=YEARLY",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
        "FREQ=YEARLY;BYDAY=20MO",
        "FREQ=YEARLY;BYMONTH=1,7;BYDAY=1SU",
    ]);
    let end = select(vec![
        "",
        ";COUNT=1",
        ";COUNT=10",
        ";UNTIL=20261231",
        ";UNTIL=20270615T120000",
        ";UNTIL=20270615T120000Z",
        ";UNTIL=20250101T000000Z",
    ]);
    (by, 1_u32..4, end).prop_map(|(by, interval, end)| match interval {
        1 => format!("{by}{end}"),
        interval => format!("{by};INTERVAL={interval}{end}"),
    })
}

fn content() -> impl Strategy<Value = EventBody> {
    let text =
        || option::of(select(vec!["", "a", "Grüße, \"x\"\n;:\\", "\u{1f600}"]).prop_map(str::to_owned));
    let status = option::of(select(vec![Status::Confirmed, Status::Tentative, Status::Cancelled]));
    let free = option::of(select(vec![FreeBusyStatus::Busy, FreeBusyStatus::Free]));
    let privacy = option::of(select(vec![Privacy::Public, Privacy::Private, Privacy::Secret]));
    let alarms = vec(select(vec![0_i64, 60, 90, 600, 3600, 40_320 * 60, 40_321 * 60, -600]), 0..7);
    (span(), text(), text(), text(), status, free, privacy, alarms, option::of(0_u8..9)).prop_map(
        |(time, title, description, location, status, free_busy, privacy, alarms, priority)| EventBody {
            title,
            description,
            location,
            status,
            free_busy,
            privacy,
            priority,
            alarms: alarms.into_iter().map(Alarm::display_before).collect(),
            ..EventBody::new(time)
        },
    )
}

/// What becomes of one instance.
#[derive(Clone, Debug)]
enum Fate {
    Excluded,
    Added(i64),
    Moved(i64, Box<EventBody>),
}

fn event() -> impl Strategy<Value = Event> {
    let fate = prop_oneof![
        Just(Fate::Excluded),
        (1_i64..400).prop_map(Fate::Added),
        ((-50_i64..50), content()).prop_map(|(by, body)| Fate::Moved(by, Box::new(body))),
    ];
    (content(), vec(rule(), 0..2), vec((0_usize..12, fate), 0..5)).prop_map(|(body, rules, fates)| {
        let mut event = Event::single("u@example.org", body);
        event.rules = rules.iter().map(|rule| RuleEntry::read(rule)).collect();
        if event.rules.is_empty() {
            return event;
        }
        // A series that begins in a skipped hour is refused: see `google_map`.
        if let Some(master) = &mut event.master {
            for time in [&mut master.time.start, &mut master.time.end] {
                if let Some(at) = time.absolute() {
                    *time = RecurrenceId::Instant(at).to_time(time);
                }
            }
        }
        let keys: Vec<RecurrenceId> = instances(&event).into_iter().map(|(id, _)| id).collect();
        let master = event.master.clone().unwrap();
        let later = |time: &EventTime, hours: i64| match time {
            EventTime::Date(date) => EventTime::Date(*date + TimeDelta::days(hours)),
            _ => RecurrenceId::Instant(time.absolute().unwrap() + TimeDelta::hours(hours)).to_time(time),
        };
        for (index, fate) in fates {
            let Some(key) = keys.get(index).copied() else { continue };
            let start = key.to_time(&master.time.start);
            match fate {
                Fate::Excluded => {
                    event.overrides.insert(key, Override::Excluded);
                }
                Fate::Added(hours) => {
                    let key = RecurrenceId::of(&later(&start, hours));
                    if !keys.contains(&key) {
                        event.overrides.insert(key, Override::Added { end: None });
                    }
                }
                Fate::Moved(by, mut body) => {
                    let start = later(&start, by);
                    body.time = TimeSpan { end: later(&start, 1), start };
                    event.overrides.insert(key, Override::Changed { body, scope: OverrideScope::This });
                }
            }
        }
        event
    })
}

/// When and what, up to the end of 2028.
fn instances(event: &Event) -> Vec<(RecurrenceId, String)> {
    let at = |year| NaiveDate::from_ymd_opt(year, 1, 1).unwrap().and_hms_opt(0, 0, 0).unwrap().and_utc();
    let window: std::ops::Range<DateTime<Utc>> = at(2025)..at(2029);
    let (found, _) = event.instances(window, &Zone::UTC, &ExpansionLimits::default());
    let shown = |time: &TimeSpan| {
        format!("{}..{} {}", time.start.instant(&Zone::UTC), time.end.instant(&Zone::UTC), time.is_all_day())
    };
    // A cancelled instance does not take place.
    let takes_place = |body: &EventBody| body.status != Some(Status::Cancelled);
    found
        .into_iter()
        .filter(|instance| {
            takes_place(instance.body)
                || event.overrides.is_empty()
                || std::ptr::eq(instance.body, event.master.as_ref().unwrap())
        })
        .map(|instance| {
            let title = instance.body.title.as_deref().unwrap_or_default();
            (instance.id, format!("{} {title}", shown(&instance.time)))
        })
        .collect()
}

#[test]
fn ten_thousand_series_to_google_and_back() {
    let provider = with(GoogleConfig::new(Arc::new(Secret::from("x"))));
    let mut runner = TestRunner::new_with_rng(
        Config { cases: 10_000, failure_persistence: None, ..Config::default() },
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let mut series = 0;
    let counted = std::cell::Cell::new(0_usize);
    let lost = std::cell::RefCell::new(BTreeMap::<String, usize>::new());
    runner
        .run(&event(), |event| {
            counted.set(counted.get() + usize::from(event.is_series()));
            let projected = provider.project(&event).into_owned();
            // Once is enough.
            prop_assert_eq!(&*provider.project(&projected), &projected);
            let rendered = render_with(&provider, &event, None, PeoplePolicy::Write).unwrap();
            let read = provider.read(&rendered.payload).unwrap();
            prop_assert_eq!(instances(&read), instances(&event));
            // It reads as what Google can hold of it, and what is missing has been said.
            let missing = changed_fields(&read, &projected);
            prop_assert!(missing.is_empty(), "{:?}", missing);
            for loss in &rendered.losses {
                let name = loss.rsplit('/').next().unwrap().to_owned();
                *lost.borrow_mut().entry(name).or_default() += 1;
            }
            // Said again, it says nothing new: the very same text.
            let payload = calsync_core::provider::Payload::new(stripped(rendered.payload.as_str()));
            let again = render_with(&provider, &read, Some(&payload), PeoplePolicy::Write).unwrap();
            prop_assert_eq!(again.payload, payload);
            Ok(())
        })
        .unwrap();
    series += counted.get();
    assert!(series > 2000, "{series}");
    let lost = lost.into_inner();
    let kinds: Vec<&str> = lost.keys().map(String::as_str).collect();
    assert_eq!(kinds, ["alarm", "free-busy", "priority", "status"]);
}

/// The payload as Google would hold it: without what a write is to do.
fn stripped(payload: &str) -> String {
    let mut value: serde_json::Value = serde_json::from_str(payload).unwrap();
    value.as_object_mut().unwrap().remove("edits");
    value.to_string()
}

/// Made once: every one reads the certificates of the system.
static PROVIDER: LazyLock<GoogleProvider> =
    LazyLock::new(|| with(GoogleConfig::new(Arc::new(Secret::from("x")))));

proptest! {
    #![proptest_config(Config { cases: 2000, failure_persistence: None, max_shrink_iters: 2000, ..Config::default() })]

    /// Any event made of any other: the payload of the first changed to say the second reads as the second.
    #[test]
    fn any_item_can_be_made_any_other(first in event(), second in event()) {
        let provider = &*PROVIDER;
        let payload = render_with(provider, &first, None, PeoplePolicy::Write).unwrap().payload;
        let payload = calsync_core::provider::Payload::new(stripped(payload.as_str()));
        let rendered = render_with(provider, &second, Some(&payload), PeoplePolicy::Write).unwrap();
        let read = provider.read(&rendered.payload).unwrap();
        prop_assert_eq!(instances(&read), instances(&second));
        let wanted = provider.project(&second).into_owned();
        let missing = changed_fields(&read, &wanted);
        prop_assert!(missing.is_empty(), "{:?}", missing);
    }
}
