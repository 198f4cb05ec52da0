//! Random events and series, and when they take place.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    dead_code,
    reason = "a test that cannot go on panics; not every test uses everything"
)]

use calsync_core::{
    model::{
        Alarm, Event, EventBody, EventTime, FreeBusyStatus, Override, OverrideScope, Privacy, RecurrenceId,
        RuleEntry, Status, TimeSpan,
    },
    recurrence::ExpansionLimits,
    zone::Zone,
};
use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use proptest::{collection::vec, option, prelude::*, sample::select};

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

pub(crate) fn event() -> impl Strategy<Value = Event> {
    event_of(vec(rule(), 0..2))
}

/// The same, and always a series.
pub(crate) fn series() -> impl Strategy<Value = Event> {
    event_of(vec(rule(), 1..2))
}

/// A series of which one thing or another is rare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One rule, and times in a zone, in UTC, or of whole days.
    Plain,
    /// The instances of two rules.
    TwoRules,
    /// Without the instances of another rule (`EXRULE`).
    WithoutRule,
    /// By the clock on the wall, wherever that is.
    Floating,
}

/// Series of all shapes.
pub(crate) fn shaped_series() -> impl Strategy<Value = (Shape, Event)> {
    let shape = prop_oneof![
        7 => Just(Shape::Plain),
        1 => Just(Shape::TwoRules),
        1 => Just(Shape::WithoutRule),
        1 => Just(Shape::Floating),
    ];
    (shape, series(), rule()).prop_map(|(shape, mut event, rule)| {
        let rule = RuleEntry::read(&rule);
        match shape {
            Shape::Plain => {}
            Shape::TwoRules => event.rules.push(rule),
            Shape::WithoutRule => event.excluded_rules.push(rule),
            Shape::Floating => return (shape, floating(event)),
        }
        // What nobody can have edited: an instance that is no instance, or added where there is one.
        let keys: Vec<RecurrenceId> = generated(&event);
        event.overrides.retain(|key, value| keys.contains(key) != matches!(value, Override::Added { .. }));
        (shape, event)
    })
}

/// The instances of the rules alone.
pub(crate) fn generated(event: &Event) -> Vec<RecurrenceId> {
    let bare = Event { overrides: Default::default(), ..event.clone() };
    instances(&bare).into_iter().map(|(id, _)| id).collect()
}

fn floating(mut event: Event) -> Event {
    let start = event.master.as_ref().unwrap().time.start.clone();
    if start.is_date() {
        return event;
    }
    let span = |time: &TimeSpan| {
        let (start, end) = (time.start.local(), time.end.local());
        TimeSpan { start: EventTime::Floating(start), end: EventTime::Floating(end.max(start)) }
    };
    let master = event.master.as_mut().unwrap();
    master.time = span(&master.time);
    event.overrides = std::mem::take(&mut event.overrides)
        .into_iter()
        .map(|(key, value)| {
            let value = match value {
                Override::Changed { mut body, scope } => {
                    body.time = span(&body.time);
                    Override::Changed { body, scope }
                }
                other => other,
            };
            (RecurrenceId::Floating(key.to_time(&start).local()), value)
        })
        .collect();
    let keys = generated(&event);
    event.overrides.retain(|key, value| keys.contains(key) != matches!(value, Override::Added { .. }));
    event
}

fn event_of(rules: impl Strategy<Value = Vec<String>>) -> impl Strategy<Value = Event> {
    let fate = prop_oneof![
        Just(Fate::Excluded),
        (1_i64..400).prop_map(Fate::Added),
        ((-50_i64..50), content()).prop_map(|(by, body)| Fate::Moved(by, Box::new(body))),
    ];
    (content(), rules, vec((0_usize..12, fate), 0..5)).prop_map(|(body, rules, fates)| {
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
pub(crate) fn instances(event: &Event) -> Vec<(RecurrenceId, String)> {
    let shown = |time: &TimeSpan| {
        format!("{}..{} {}", time.start.instant(&Zone::UTC), time.end.instant(&Zone::UTC), time.is_all_day())
    };
    each_instance(event, |id, time, body| {
        (id, format!("{} {}", shown(time), body.title.as_deref().unwrap_or_default()))
    })
}

/// The same by their times.
pub(crate) fn instances_of(event: &Event) -> Vec<(RecurrenceId, TimeSpan)> {
    each_instance(event, |id, time, _| (id, time.clone()))
}

fn each_instance<T>(event: &Event, of: impl Fn(RecurrenceId, &TimeSpan, &EventBody) -> T) -> Vec<T> {
    let at = |year| NaiveDate::from_ymd_opt(year, 1, 1).unwrap().and_hms_opt(0, 0, 0).unwrap().and_utc();
    let window: std::ops::Range<DateTime<Utc>> = at(2025)..at(2029);
    let (found, _) = event.instances(window, &Zone::UTC, &ExpansionLimits::default());
    // A cancelled instance does not take place.
    let takes_place = |body: &EventBody| body.status != Some(Status::Cancelled);
    found
        .into_iter()
        .filter(|instance| {
            takes_place(instance.body)
                || event.overrides.is_empty()
                || std::ptr::eq(instance.body, event.master.as_ref().unwrap())
        })
        .map(|instance| of(instance.id, &instance.time, instance.body))
        .collect()
}
