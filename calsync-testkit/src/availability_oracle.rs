//! Availability read plainly: every minute of a window is asked whether it is busy and whether it is open.
//!
//! This is what `calsync_core::availability` is checked against. It knows of zones their offsets at instants alone (a test of the core compares those with another library) and recurrence by
//! [`crate::recurrence_oracle`], takes no short cuts, and works on whole minutes only.

use std::{collections::BTreeMap, sync::LazyLock};

use calsync_core::{
    availability::{
        BusyKind, CalendarState, ClockTime, DayHours, Question, TentativePolicy, UncoveredPolicy,
        VAvailability, WorkingHours,
    },
    model::{
        Event, EventBody, EventTime, FreeBusyStatus, Override, OverrideScope, Participant,
        ParticipationStatus, Person, RecurrenceId, Role, Status, TimeSpan,
    },
    recurrence::{RecurrenceRule, RuleEntry, Weekday},
    zone::{Tz, Zone},
};
use chrono::{
    DateTime, Datelike, Days, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone,
    Timelike, Utc,
};

use crate::recurrence_oracle::{self, StartKind};

/// The owner of every calendar drawn.
pub const OWNER: &str = "me@example.org";

/// A calendar drawn.
#[derive(Clone, Debug)]
pub struct CaseCalendar {
    /// Its zone.
    pub zone: Tz,
    /// Its events.
    pub events: Vec<Event>,
    /// What is known of it.
    pub state: CalendarState,
    /// What its last look covered; `None`: everything.
    pub covered: Option<std::ops::Range<DateTime<Utc>>>,
}

/// A question drawn, with its calendars.
#[derive(Clone, Debug)]
pub struct AvailabilityCase {
    /// What it was drawn from.
    pub seed: u64,
    /// The calendars.
    pub calendars: Vec<CaseCalendar>,
    /// The question.
    pub question: Question,
}

/// What the plain reading finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainAnswer {
    /// For each minute of the window how firmly it is taken.
    pub busy: Vec<Option<BusyKind>>,
    /// For each minute of the window whether it is open.
    pub open: Vec<bool>,
    /// The minutes at which slots start.
    pub slots: Vec<DateTime<Utc>>,
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, n: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        i64::try_from((z ^ (z >> 31)) % n.max(1).unsigned_abs()).unwrap_or(0)
    }

    fn chance(&mut self, percent: i64) -> bool {
        self.below(100) < percent
    }

    fn one_of<T: Clone>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(i64::try_from(from.len()).unwrap_or(1))).unwrap_or(0)].clone()
    }
}

/// The case of a seed: one or two days of one to three calendars, often over a change of the clocks.
pub fn availability_case(seed: u64) -> AvailabilityCase {
    let mut random = Random(seed);
    let zone = any_zone(&mut random);
    let start = window_start(&mut random, zone);
    let window = start..start + TimeDelta::minutes(24 * 60 + random.below(24 * 60));
    let now = start + TimeDelta::minutes(random.below(3 * 24 * 60) - 24 * 60);
    let mut question = Question::new(window.clone(), now, Zone::Iana(zone));
    question.slot = TimeDelta::minutes(random.one_of(&[15, 25, 30, 60, 90]));
    question.granularity = TimeDelta::minutes(random.one_of(&[5, 10, 15, 30, 50, 60]));
    question.buffer_before = TimeDelta::minutes(random.one_of(&[0, 0, 5, 30]));
    question.buffer_after = TimeDelta::minutes(random.one_of(&[0, 0, 10, 45]));
    question.minimum_notice = TimeDelta::minutes(random.one_of(&[0, 60, 600]));
    question.tentative = random.one_of(&[TentativePolicy::Busy, TentativePolicy::Free]);
    question.uncovered = random.one_of(&[UncoveredPolicy::Withhold, UncoveredPolicy::Offer]);
    question.hours = (0..random.below(3)).map(|_| hours(&mut random)).collect();
    let calendars = (0..random.below(3) + 1).map(|_| calendar(&mut random, zone, &window)).collect();
    if random.chance(30) {
        question.availability =
            (0..random.below(2) + 1).map(|_| person(&mut random, zone, &window)).collect();
    }
    AvailabilityCase { seed, calendars, question }
}

fn any_zone(random: &mut Random) -> Tz {
    static ALL: LazyLock<Vec<Tz>> = LazyLock::new(|| Tz::all().collect());
    random.one_of(&ALL)
}

/// Half of the windows lie around a change of the zone's clock, when it has one that year.
fn window_start(random: &mut Random, zone: Tz) -> DateTime<Utc> {
    let year = 2024 + i32::try_from(random.below(7)).unwrap_or(0);
    let first = NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or_default().and_time(NaiveTime::MIN).and_utc();
    let day = if random.chance(50) {
        let offset =
            |day: i64| zone.offset_from_utc_datetime(&(first + TimeDelta::days(day)).naive_utc()).fix();
        // Weeks first: looking at every day of the year costs more than the case.
        let weeks = (0..52).map(|week| week * 7).filter(|day| offset(*day) != offset(day + 7));
        let within = |day: i64| (day..day + 7).find(|day| offset(*day) != offset(day + 1));
        let changes: Vec<i64> = weeks.filter_map(within).collect();
        if changes.is_empty() { random.below(365) } else { random.one_of(&changes) - 1 }
    } else {
        random.below(365)
    };
    first + TimeDelta::days(day) + TimeDelta::minutes(random.below(24 * 60))
}

fn hours(random: &mut Random) -> WorkingHours {
    let clock = |minutes: i64| {
        let minutes = u16::try_from(minutes).unwrap_or(0);
        ClockTime::new(minutes / 60, minutes % 60).unwrap_or(ClockTime::MIDNIGHT)
    };
    let one = |random: &mut Random| DayHours {
        days: Weekday::ALL.into_iter().filter(|_| random.chance(70)).collect(),
        from: clock(random.below(24 * 4 + 1) * 15),
        to: clock(random.below(24 * 4 + 1) * 15),
    };
    WorkingHours {
        zone: Zone::Iana(any_zone(random)),
        hours: (0..random.below(3)).map(|_| one(random)).collect(),
    }
}

/// When one person can be booked at all: one or two components, each for a while or for ever.
fn person(random: &mut Random, zone: Tz, window: &std::ops::Range<DateTime<Utc>>) -> Vec<VAvailability> {
    let mut priorities = vec![0, 1, 5, 9];
    (0..random.below(2) + 1)
        .map(|_| {
            let taken = random.below(i64::try_from(priorities.len()).unwrap_or(1));
            let priority = priorities.remove(usize::try_from(taken).unwrap_or(0));
            let bound = |random: &mut Random| {
                let at = window.start + TimeDelta::minutes(random.below(3 * 24 * 60) - 24 * 60);
                random.chance(50).then_some(EventTime::Utc(at))
            };
            VAvailability {
                start: bound(random),
                end: bound(random),
                busy_type: random.one_of(&[BusyKind::Busy, BusyKind::Unavailable, BusyKind::Tentative]),
                priority,
                available: (0..random.below(4))
                    .map(|number| event(random, number, zone, window.start))
                    .collect(),
            }
        })
        .collect()
}

fn calendar(random: &mut Random, zone: Tz, window: &std::ops::Range<DateTime<Utc>>) -> CaseCalendar {
    let own = if random.chance(50) { zone } else { any_zone(random) };
    let covered = random.chance(20).then(|| {
        let from = window.start + TimeDelta::minutes(random.below(2 * 24 * 60) - 24 * 60);
        from..from + TimeDelta::minutes(random.below(4 * 24 * 60))
    });
    let states =
        [CalendarState::Current, CalendarState::Current, CalendarState::Stale, CalendarState::Unknown];
    CaseCalendar {
        zone: own,
        events: (0..random.below(7)).map(|number| event(random, number, own, window.start)).collect(),
        state: random.one_of(&states),
        covered,
    }
}

fn event(random: &mut Random, number: i64, calendar: Tz, start: DateTime<Utc>) -> Event {
    let near = start + TimeDelta::minutes((random.below(3 * 24 * 12) - 12 * 24) * 5);
    let body = body(random, calendar, near);
    let mut event = Event::single(format!("u{number}"), body);
    if random.chance(40)
        && let Some(master) = &mut event.master
    {
        let back = random.below(40);
        let earlier = |time: &EventTime| match time {
            EventTime::Date(date) => EventTime::Date(*date - Days::new(back.unsigned_abs())),
            EventTime::Floating(local) => EventTime::Floating(*local - TimeDelta::days(back)),
            EventTime::Zoned { local, zone, .. } => {
                EventTime::zoned(*local - TimeDelta::days(back), zone.clone())
            }
            EventTime::Utc(instant) => EventTime::Utc(*instant - TimeDelta::days(back)),
        };
        let length = master.time.duration();
        let start = earlier(&master.time.start);
        master.time = TimeSpan { end: after(&start, length), start };
        let rules = [
            "FREQ=DAILY",
            "FREQ=DAILY;INTERVAL=3",
            "FREQ=DAILY;COUNT=35",
            "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR,SA,SU",
            "FREQ=WEEKLY;BYDAY=TU,SA;COUNT=10",
            "FREQ=WEEKLY",
            "FREQ=MONTHLY;BYMONTHDAY=1,10,11,12,13,20,28",
            "FREQ=DAILY;BYMONTH=3,4,9,10,11",
        ];
        event.rules.push(RuleEntry::read(random.one_of(&rules)));
        overrides(random, &mut event, calendar);
    }
    event
}

fn overrides(random: &mut Random, event: &mut Event, calendar: Tz) {
    let starts = plain_starts(event);
    let Some(master) = event.master.clone() else { return };
    for start in starts {
        if random.chance(4) {
            event.overrides.insert(RecurrenceId::of(&start), Override::Excluded);
        } else if random.chance(4) {
            let moved = start.instant(&Zone::Iana(calendar)) + TimeDelta::minutes(random.below(600) - 300);
            let mut body = body(random, calendar, moved);
            // A series and its instances are of one kind.
            if body.time.is_all_day() != master.time.is_all_day() {
                body.time = master.time.clone();
            }
            let changed = Override::Changed { body: Box::new(body), scope: OverrideScope::This };
            event.overrides.insert(RecurrenceId::of(&start), changed);
        }
    }
}

fn after(start: &EventTime, length: TimeDelta) -> EventTime {
    match start {
        EventTime::Date(date) => EventTime::Date(*date + length),
        EventTime::Floating(local) => EventTime::Floating(*local + length),
        EventTime::Zoned { zone, .. } => match zone.iana() {
            Some(tz) => {
                let end = resolve(tz, start.local()) + length;
                EventTime::Utc(end)
            }
            None => start.clone(),
        },
        EventTime::Utc(instant) => EventTime::Utc(*instant + length),
    }
}

fn body(random: &mut Random, calendar: Tz, near: DateTime<Utc>) -> EventBody {
    let zone = if random.chance(60) { calendar } else { any_zone(random) };
    let local = near.with_timezone(&zone).naive_local();
    let start = match random.below(5) {
        0 => EventTime::Date(local.date()),
        1 => EventTime::Floating(local),
        2 => EventTime::Utc(near),
        _ => EventTime::zoned(local, Zone::Iana(zone)),
    };
    let length = match &start {
        EventTime::Date(_) => TimeDelta::days(random.below(3) + 1),
        _ => TimeDelta::minutes(random.one_of(&[0, 5, 30, 60, 90, 600])),
    };
    let mut body = EventBody::new(TimeSpan { end: after(&start, length), start });
    body.status = random.one_of(&[
        None,
        None,
        None,
        None,
        Some(Status::Confirmed),
        Some(Status::Tentative),
        Some(Status::Cancelled),
    ]);
    body.free_busy = random.one_of(&[None, None, Some(FreeBusyStatus::Busy), Some(FreeBusyStatus::Free)]);
    if random.chance(30) {
        body.participants = vec![Participant {
            person: Person {
                address: random.one_of(&["ME@example.org", "you@example.org"]).to_owned(),
                name: None,
            },
            status: random.one_of(&[
                ParticipationStatus::Accepted,
                ParticipationStatus::Declined,
                ParticipationStatus::Tentative,
                ParticipationStatus::NeedsAction,
            ]),
            role: Role::Required,
            expect_reply: false,
        }];
    }
    body
}

/// The instant of a wall-clock time: the first of two, and by the offset before a gap.
fn resolve(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => at.with_timezone(&Utc),
        LocalResult::None => {
            // No gap is longer than a day and a bit: Samoa left one out.
            let before = (1..60)
                .find_map(|hours| zone.from_local_datetime(&(local - TimeDelta::hours(hours))).earliest());
            let offset = before.map_or(0, |before| before.offset().fix().local_minus_utc());
            (local - TimeDelta::seconds(i64::from(offset))).and_utc()
        }
    }
}

fn instant(time: &EventTime, calendar: Tz) -> DateTime<Utc> {
    match time {
        EventTime::Date(date) => resolve(calendar, date.and_time(NaiveTime::MIN)),
        EventTime::Floating(local) => resolve(calendar, *local),
        EventTime::Zoned { local, zone, .. } => zone.iana().map_or(local.and_utc(), |tz| resolve(tz, *local)),
        EventTime::Utc(instant) => *instant,
    }
}

/// The starts of a series by its rule, each once.
fn plain_starts(event: &Event) -> Vec<EventTime> {
    let Some(master) = &event.master else { return Vec::new() };
    let Some(RuleEntry::Rule(rule)) = event.rules.first() else { return vec![master.time.start.clone()] };
    let kind = if master.time.is_all_day() { StartKind::Date } else { StartKind::DateTime };
    let start = master.time.start.local();
    let locals =
        recurrence_oracle::instances(rule as &RecurrenceRule, kind, start, start + TimeDelta::days(60), 400);
    locals
        .into_iter()
        .map(|local| match &master.time.start {
            EventTime::Date(_) => EventTime::Date(local.date()),
            EventTime::Floating(_) => EventTime::Floating(local),
            EventTime::Zoned { zone, .. } => EventTime::zoned(local, zone.clone()),
            EventTime::Utc(_) => EventTime::Utc(local.and_utc()),
        })
        .collect()
}

/// From when to when an event takes place, and with what content.
fn plain_instances(event: &Event, calendar: Tz) -> Vec<(DateTime<Utc>, DateTime<Utc>, &EventBody)> {
    let Some(master) = &event.master else { return Vec::new() };
    let key = |time: &EventTime| match time {
        EventTime::Date(date) => RecurrenceId::Date(*date),
        EventTime::Floating(local) => RecurrenceId::Floating(*local),
        other => RecurrenceId::Instant(instant(other, calendar)),
    };
    // Two wall-clock times may be one instant, where the clock skips an hour.
    let mut found = BTreeMap::new();
    let exact = instant(&master.time.end, calendar) - instant(&master.time.start, calendar);
    let nominal = master.time.end.local() - master.time.start.local();
    for start in plain_starts(event) {
        let from = instant(&start, calendar);
        let to = match &start {
            EventTime::Date(date) => resolve(calendar, (*date + nominal).and_time(NaiveTime::MIN)),
            EventTime::Floating(local) => resolve(calendar, *local + nominal),
            _ => from + exact,
        };
        if !event.overrides.contains_key(&key(&start)) {
            found.insert(key(&start), (from, to, master));
        }
    }
    for (key, instance) in &event.overrides {
        if let Override::Changed { body, .. } = instance {
            let (from, to) = (instant(&body.time.start, calendar), instant(&body.time.end, calendar));
            found.insert(*key, (from, to, &**body));
        }
    }
    found.into_values().collect()
}

fn plain_kind(body: &EventBody) -> Option<BusyKind> {
    let answer = body.participants.iter().find(|one| one.person.address.eq_ignore_ascii_case(OWNER));
    match (body.status, body.free_busy, answer.map(|one| one.status)) {
        (Some(Status::Cancelled), ..) | (_, Some(FreeBusyStatus::Free), _) => None,
        (_, _, Some(ParticipationStatus::Declined)) => None,
        (_, _, Some(ParticipationStatus::Tentative | ParticipationStatus::NeedsAction)) => {
            Some(BusyKind::Tentative)
        }
        (Some(Status::Tentative), ..) => Some(BusyKind::Tentative),
        _ => Some(BusyKind::Busy),
    }
}

/// Answers a case minute by minute.
pub fn plain_answer(case: &AvailabilityCase) -> PlainAnswer {
    let question = &case.question;
    let (before, after) = (question.buffer_before.num_minutes(), question.buffer_after.num_minutes());
    let reach = question.busy_window();
    let minutes = |at: DateTime<Utc>| (at - reach.start).num_minutes();
    let total = minutes(reach.end);
    let mut busy: Vec<Option<BusyKind>> = vec![None; usize::try_from(total).unwrap_or(0)];
    for calendar in &case.calendars {
        for event in &calendar.events {
            for (from, to, body) in plain_instances(event, calendar.zone) {
                let Some(kind) = plain_kind(body) else { continue };
                for minute in minutes(from).max(0)..minutes(to).min(total) {
                    let cell = &mut busy[usize::try_from(minute).unwrap_or(0)];
                    *cell = (*cell).max(Some(kind));
                }
            }
        }
    }
    let reader = question.zone.iana().unwrap_or(Tz::UTC);
    for person in &question.availability {
        for (minute, kind) in plain_unavailable(person, reader, &reach) {
            let cell = &mut busy[minute];
            *cell = (*cell).max(Some(kind));
        }
    }
    let counts = |kind: &Option<BusyKind>| {
        kind.is_some_and(|kind| kind != BusyKind::Tentative || question.tentative == TentativePolicy::Busy)
    };
    // How many minutes before each are taken.
    let mut taken = vec![0_usize];
    for kind in &busy {
        taken.push(taken.last().copied().unwrap_or(0) + usize::from(counts(kind)));
    }
    let up_to = |minute: i64| taken[usize::try_from(minute.clamp(0, total)).unwrap_or(0)];
    let any_taken = |first: i64, last: i64| up_to(last + 1) > up_to(first);
    let length = (question.window.end - question.window.start).num_minutes();
    let offset_of = minutes(question.window.start);
    let mut clocks: Vec<Clock> = question.hours.iter().map(|hours| Clock::of(&hours.zone)).collect();
    let mut open = Vec::new();
    for minute in 0..length {
        let at = question.window.start + TimeDelta::minutes(minute);
        let here = minute + offset_of;
        let mut is_open = at >= question.now + question.minimum_notice;
        is_open = is_open && !any_taken(here - before, here + after);
        for (hours, clock) in question.hours.iter().zip(&mut clocks) {
            is_open = is_open && works(hours, clock.local(at));
        }
        for calendar in &case.calendars {
            let is_known = calendar.state != CalendarState::Unknown
                && calendar.covered.as_ref().is_none_or(|covered| {
                    covered.contains(&(at - question.buffer_before))
                        && covered.contains(&(at + question.buffer_after))
                });
            is_open = is_open && (is_known || question.uncovered == UncoveredPolicy::Offer);
        }
        open.push(is_open);
    }
    let mut clock = Clock::of(&question.zone);
    let slot = question.slot.num_minutes();
    let starts_slot = |minute: &i64| {
        let local = clock.local(question.window.start + TimeDelta::minutes(*minute));
        let of_day = i64::from(local.hour() * 60 + local.minute());
        let all = usize::try_from(*minute).unwrap_or(0)..usize::try_from(*minute + slot).unwrap_or(0);
        of_day % question.granularity.num_minutes() == 0
            && open.get(all).is_some_and(|slot| slot.iter().all(|minute| *minute))
    };
    let slots = (0..length).filter(starts_slot).collect::<Vec<_>>();
    let first = usize::try_from(offset_of).unwrap_or(0);
    let last = first + usize::try_from(length).unwrap_or(0);
    PlainAnswer {
        busy: busy[first..last].to_vec(),
        open,
        slots: slots.into_iter().map(|minute| question.window.start + TimeDelta::minutes(minute)).collect(),
    }
}

/// The minutes of a window a person's components take: of those whose period holds a minute the most important one says
/// whether there is time (RFC 7953 section 4).
fn plain_unavailable(
    person: &[VAvailability],
    reader: Tz,
    window: &std::ops::Range<DateTime<Utc>>,
) -> Vec<(usize, BusyKind)> {
    type Read = (DateTime<Utc>, DateTime<Utc>, u8, BusyKind, Vec<(DateTime<Utc>, DateTime<Utc>)>);
    let read = |component: &VAvailability| -> Read {
        let free = component.available.iter().flat_map(|available| {
            plain_instances(available, reader).into_iter().map(|(from, to, _)| (from, to)).collect::<Vec<_>>()
        });
        (
            component.start.as_ref().map_or(window.start, |start| instant(start, reader)),
            component.end.as_ref().map_or(window.end, |end| instant(end, reader)),
            if component.priority == 0 { 10 } else { component.priority },
            component.busy_type,
            free.collect(),
        )
    };
    let components: Vec<Read> = person.iter().map(read).collect();
    let mut found = Vec::new();
    for minute in 0..usize::try_from((window.end - window.start).num_minutes()).unwrap_or(0) {
        let at = window.start + TimeDelta::minutes(i64::try_from(minute).unwrap_or(0));
        let first = components.iter().filter(|(from, to, ..)| *from <= at && at < *to);
        if let Some((.., kind, free)) = first.min_by_key(|(_, _, priority, ..)| *priority)
            && !free.iter().any(|(from, to)| *from <= at && at < *to)
        {
            found.push((minute, *kind));
        }
    }
    found
}

fn works(hours: &WorkingHours, local: NaiveDateTime) -> bool {
    let minute = u16::try_from(local.hour() * 60 + local.minute()).unwrap_or(0);
    hours.hours.iter().any(|hours| {
        let holds = |day: chrono::Weekday, minute: u16| {
            let end = hours.to.minutes() + if hours.to <= hours.from { 24 * 60 } else { 0 };
            hours.days.contains(&Weekday::from(day)) && (hours.from.minutes()..end).contains(&minute)
        };
        holds(local.weekday(), minute) || holds(local.weekday().pred(), minute + 24 * 60)
    })
}

/// A clock in a zone. Its offset is looked up once in 15 minutes: since 1972 no zone changes at another minute.
struct Clock {
    zone: Tz,
    quarter: i64,
    offset: i64,
}

impl Clock {
    fn of(zone: &Zone) -> Self {
        Self { zone: zone.iana().unwrap_or(Tz::UTC), quarter: i64::MIN, offset: 0 }
    }

    fn local(&mut self, at: DateTime<Utc>) -> NaiveDateTime {
        let quarter = at.timestamp().div_euclid(15 * 60);
        if quarter != self.quarter {
            self.quarter = quarter;
            let offset = self.zone.offset_from_utc_datetime(&at.naive_utc());
            self.offset = i64::from(offset.fix().local_minus_utc());
        }
        at.naive_utc() + TimeDelta::seconds(self.offset)
    }
}
