//! The instances of an event of the model: its rules expanded, its overrides laid over them.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    ExpansionLimits, ExpansionReport, Instance, RecurrenceDate, RecurrenceKey, RecurrenceSet, RuleEntry,
    SeriesStart, Window,
};
use crate::{
    model::{Event, EventBody, EventTime, Fold, Override, OverrideScope, RecurrenceId, TimeSpan},
    zone::Zone,
};

/// One time an event takes place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventInstance<'e> {
    /// Which instance of the series; for a single event its start.
    pub id: RecurrenceId,
    /// When it takes place.
    pub time: TimeSpan,
    /// What it is: the instance's own content, or that of the series. Its `time` is not the instance's: see
    /// [`EventInstance::time`].
    pub body: &'e EventBody,
}

impl Event {
    /// When this event takes place in a window of instants, in the order of the starts. Dates and floating times are
    /// read in `reader`, the zone of whoever asks.
    ///
    /// An instance that was moved counts where it was moved to, not where it came from (REC-19). A rule that cannot be
    /// expanded leaves the start of the series, and is named in the report.
    pub fn instances(
        &self,
        window: std::ops::Range<DateTime<Utc>>,
        reader: &Zone,
        limits: &ExpansionLimits,
    ) -> (Vec<EventInstance<'_>>, ExpansionReport) {
        let mut found = Vec::new();
        let mut report = ExpansionReport::default();
        if let Some(master) = &self.master {
            report = self.expand(master, &window, reader, limits, &mut found);
        }
        for (id, instance) in &self.overrides {
            if let Override::Changed { body, .. } = instance {
                found.push(EventInstance { id: *id, time: body.time.clone(), body });
            }
        }
        found.retain(|instance| overlaps(&instance.time, &window, reader));
        found.sort_by_cached_key(|instance| (instance.time.start.instant(reader), instance.id));
        (found, report)
    }

    /// From when to when a series without overrides takes place: what [`Event::instances`] says, without making the
    /// instances, for whoever looks at very many.
    pub(crate) fn plain_spans(
        &self,
        master: &EventBody,
        window: &std::ops::Range<DateTime<Utc>>,
        reader: &Zone,
        limits: &ExpansionLimits,
    ) -> (Vec<std::ops::Range<DateTime<Utc>>>, ExpansionReport) {
        let length = master.time.duration();
        let margin = length + TimeDelta::days(1);
        let from = window.start.checked_sub_signed(margin).unwrap_or(DateTime::<Utc>::MIN_UTC);
        let to = window.end.checked_add_signed(margin).unwrap_or(DateTime::<Utc>::MAX_UTC);
        let set = self.rule_set(master);
        let mut expansion = set.instances(Window::Utc(from..to), limits);
        let mut spans = Vec::new();
        for instance in expansion.by_ref() {
            let span = match instance.utc {
                Some(start) => start.checked_add_signed(length).map(|end| start..end),
                None => instance
                    .local
                    .checked_add_signed(length)
                    .map(|end| reader.resolve(instance.local)..reader.resolve(end)),
            };
            spans.extend(span.filter(|span| span.start < window.end && span.end > window.start));
        }
        (spans, expansion.into_report())
    }

    /// What the rules say, less what the overrides replace or take away.
    fn expand<'e>(
        &'e self,
        master: &'e EventBody,
        window: &std::ops::Range<DateTime<Utc>>,
        reader: &Zone,
        limits: &ExpansionLimits,
        found: &mut Vec<EventInstance<'e>>,
    ) -> ExpansionReport {
        let mut set = self.rule_set(master);
        let mut ends: BTreeMap<RecurrenceId, &EventTime> = BTreeMap::new();
        for (id, instance) in &self.overrides {
            match instance {
                // A changed instance is shown with its own content; what the rule says there is taken away.
                Override::Excluded | Override::Changed { .. } => set.exdates.push(date(*id)),
                Override::Added { end } => {
                    set.rdates.push(date(*id));
                    ends.extend(end.as_ref().map(|end| (*id, end)));
                }
            }
        }
        let length = master.time.duration();
        let shifts = self.shifts(master);
        // An instance that began before the window may last into it, or be moved into it by a shift.
        let reach = shifts.iter().map(|shift| shift.by.abs()).max().unwrap_or_default() + length;
        let margin = TimeDelta::days(1);
        let from = window.start.checked_sub_signed(reach + margin).unwrap_or(DateTime::<Utc>::MIN_UTC);
        let to = window.end.checked_add_signed(reach + margin).unwrap_or(DateTime::<Utc>::MAX_UTC);
        let mut expansion = set.instances(Window::Utc(from..to), limits);
        for instance in expansion.by_ref() {
            let id = id_of(&instance);
            let start = start_of(&instance, master);
            let shift = shifts.iter().rev().find(|shift| shift.from <= id);
            let (time, body) = match shift {
                Some(shift) => (moved(&start, shift.by, shift.body.time.duration()), shift.body),
                None => (
                    TimeSpan {
                        end: match ends.get(&id) {
                            Some(end) => (*end).clone(),
                            None if start == master.time.start => master.time.end.clone(),
                            None => later(&start, length),
                        },
                        start,
                    },
                    master,
                ),
            };
            if overlaps(&time, window, reader) {
                found.push(EventInstance { id, time, body });
            }
        }
        expansion.into_report()
    }

    /// What repeats and what is left out by rule, without a look at the overrides.
    pub(super) fn rule_set(&self, master: &EventBody) -> RecurrenceSet<Zone> {
        let mut set = RecurrenceSet::new(series_start(master));
        if let EventTime::Zoned { fold, .. } = &master.time.start {
            set.start_fold = *fold;
        }
        set.rules.extend(self.rules.iter().cloned());
        set.exrules.extend(self.excluded_rules.iter().cloned());
        set
    }

    /// Whether what repeats is the same, however it is spelled: `MONTHLY;INTERVAL=12` is `YEARLY` on the same day (REC-14).
    pub(crate) fn repeats_as(&self, other: &Self) -> bool {
        if self.rules == other.rules && self.excluded_rules == other.excluded_rules {
            return true;
        }
        // What a rule takes from its start is another thing where the start is.
        let (Some(one), Some(two)) = (&self.master, &other.master) else { return false };
        if one.time.start != two.time.start {
            return false;
        }
        let start = series_start(one);
        let form = |entry: &RuleEntry| match entry {
            RuleEntry::Rule(rule) => RuleEntry::Rule(rule.canonical(&start)),
            opaque => opaque.clone(),
        };
        let same = |a: &[RuleEntry], b: &[RuleEntry]| {
            a.len() == b.len() && a.iter().map(form).eq(b.iter().map(form))
        };
        same(&self.rules, &other.rules) && same(&self.excluded_rules, &other.excluded_rules)
    }

    /// Overrides that reach over all later instances, by the instance they begin with.
    fn shifts(&self, master: &EventBody) -> Vec<Shift<'_>> {
        let all = self.overrides.iter().filter_map(|(id, instance)| match instance {
            Override::Changed { body, scope: OverrideScope::ThisAndFuture } => {
                let original = id.to_time(&master.time.start);
                let by = match (body.time.start.absolute(), original.absolute()) {
                    (Some(now), Some(before)) => now - before,
                    _ => body.time.start.local() - original.local(),
                };
                Some(Shift { from: *id, by, body })
            }
            _ => None,
        });
        all.collect()
    }
}

fn series_start(master: &EventBody) -> SeriesStart<Zone> {
    match &master.time.start {
        EventTime::Date(date) => SeriesStart::Date(*date),
        EventTime::Floating(local) => SeriesStart::Floating(*local),
        EventTime::Zoned { local, zone, .. } => SeriesStart::Zoned(*local, zone.clone()),
        EventTime::Utc(instant) => SeriesStart::Zoned(instant.naive_utc(), Zone::UTC),
    }
}

/// All instances from one on are moved by as much, and have its content.
struct Shift<'e> {
    from: RecurrenceId,
    by: TimeDelta,
    body: &'e EventBody,
}

pub(super) fn date(id: RecurrenceId) -> RecurrenceDate {
    match id {
        RecurrenceId::Date(date) => RecurrenceDate::Date(date),
        RecurrenceId::Floating(local) => RecurrenceDate::Local(local),
        RecurrenceId::Instant(instant) => RecurrenceDate::Utc(instant),
    }
}

pub(super) fn id_of(instance: &Instance) -> RecurrenceId {
    match instance.key {
        RecurrenceKey::Date(date) => RecurrenceId::Date(date),
        RecurrenceKey::Floating(local) => RecurrenceId::Floating(local),
        RecurrenceKey::Utc(instant) => RecurrenceId::Instant(instant),
    }
}

/// The start of an instance, written the way the series is.
fn start_of(instance: &Instance, master: &EventBody) -> EventTime {
    match (&master.time.start, instance.utc) {
        (EventTime::Date(_), _) => EventTime::Date(instance.local.date()),
        (EventTime::Floating(_), _) => EventTime::Floating(instance.local),
        (own, Some(instant)) if own.absolute() == Some(instant) => own.clone(),
        (like, Some(instant)) => RecurrenceId::Instant(instant).to_time(like),
        (like, None) => like.clone(),
    }
}

fn moved(start: &EventTime, by: TimeDelta, length: TimeDelta) -> TimeSpan {
    let start = later(start, by);
    TimeSpan { end: later(&start, length), start }
}

/// A time so much later: exact where the time is one (RFC 5545 section 3.6.1 gives every instance the same exact
/// length), on the calendar for dates.
pub(crate) fn later(time: &EventTime, by: TimeDelta) -> EventTime {
    match time {
        EventTime::Date(date) => EventTime::Date(date.checked_add_signed(by).unwrap_or(*date)),
        EventTime::Floating(local) => EventTime::Floating(local.checked_add_signed(by).unwrap_or(*local)),
        EventTime::Zoned { .. } | EventTime::Utc(_) => {
            if let Some(local) = steadily_later(time, by) {
                return local;
            }
            match time.absolute().and_then(|at| at.checked_add_signed(by)) {
                Some(instant) => RecurrenceId::Instant(instant).to_time(time),
                None => time.clone(),
            }
        }
    }
}

/// The same where the clock is not changed in between, as is nearly always so: two looks at the zone instead of three.
fn steadily_later(time: &EventTime, by: TimeDelta) -> Option<EventTime> {
    let EventTime::Zoned { local, zone, fold: Fold::First } = time else { return None };
    let moved = local.checked_add_signed(by)?;
    (zone.offset_of(*local)? == zone.offset_of(moved)?).then(|| EventTime::zoned(moved, zone.clone()))
}

/// Whether a time has any part in a window. One without length belongs where it starts.
fn overlaps(time: &TimeSpan, window: &std::ops::Range<DateTime<Utc>>, reader: &Zone) -> bool {
    let (start, end) = (time.start.instant(reader), time.end.instant(reader));
    start < window.end && (end > window.start || start >= window.start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone::{CustomZone, Observance, ObservanceKind};
    use chrono::{Datelike, NaiveDate, TimeZone};

    /// Around every change of a year, on zones with ordinary changes, changes of half an hour, none, one of a whole day, and one a
    /// file defines: the short way gives what the long one gives.
    #[test]
    fn a_time_so_much_later_is_the_same_either_way() {
        let names = [
            "Europe/Berlin",
            "America/New_York",
            "Australia/Lord_Howe",
            "Asia/Kathmandu",
            "Pacific/Apia",
            "Europe/Dublin",
        ];
        let observance = |kind, month, offset_from, offset_to| Observance {
            kind,
            start: NaiveDate::from_ymd_opt(2011, month, 1)
                .expect("a day")
                .and_hms_opt(2, 0, 0)
                .expect("a time"),
            offset_from,
            offset_to,
            rule: None,
            rdates: Vec::new(),
            name: None,
        };
        let observances = vec![
            observance(ObservanceKind::Standard, 1, 3600, 3600),
            observance(ObservanceKind::Daylight, 4, 3600, 7200),
            observance(ObservanceKind::Standard, 10, 7200, 3600),
        ];
        let custom = CustomZone::new("x".to_owned(), observances).expect("a zone");
        let zones =
            names.map(|name| Zone::from_iana(name).expect("a zone")).into_iter().chain([custom.into()]);
        for (zone, year) in zones.flat_map(|zone| [2011, 2026, 2101].map(|year| (zone.clone(), year))) {
            let first =
                NaiveDate::from_ymd_opt(year, 1, 1).expect("a day").and_hms_opt(0, 0, 0).expect("a time");
            for day in 0..366 {
                let noon = first + TimeDelta::hours(day * 24 + 12);
                let around = [-3, 3].map(|days| zone.offset_at((noon + TimeDelta::days(days)).and_utc()));
                // Every quarter of an hour where the clock is changed, noon where it is not.
                let quarters = if around[0] == around[1] { 48..49 } else { 0..96 };
                for (quarter, minutes) in
                    quarters.flat_map(|quarter| [15, -15, 45, -90, 2880].map(|by| (quarter, by)))
                {
                    let local = first + TimeDelta::minutes(day * 24 * 60 + quarter * 15);
                    let (time, by) = (EventTime::zoned(local, zone.clone()), TimeDelta::minutes(minutes));
                    let instant =
                        time.absolute().and_then(|at| at.checked_add_signed(by)).expect("an instant");
                    let long = RecurrenceId::Instant(instant).to_time(&time);
                    assert_eq!(later(&time, by), long, "{time:?} by {minutes}");
                }
            }
        }
    }

    fn berlin(day: u32, hour: u32) -> EventTime {
        let local =
            NaiveDate::from_ymd_opt(2026, 3, day).and_then(|d| d.and_hms_opt(hour, 0, 0)).expect("a time");
        EventTime::zoned(local, Zone::from_iana("Europe/Berlin").expect("a zone"))
    }

    fn daily() -> Event {
        let body = EventBody::new(TimeSpan { start: berlin(1, 18), end: berlin(1, 19) });
        let mut event = Event::single("u", body);
        event.rules.push(RuleEntry::read("FREQ=DAILY;COUNT=31"));
        event
    }

    fn key(day: u32, hour: u32) -> RecurrenceId {
        RecurrenceId::of(&berlin(day, hour))
    }

    fn march() -> std::ops::Range<DateTime<Utc>> {
        Utc.with_ymd_and_hms(2026, 3, 1, 0, 0, 0).unwrap()..Utc.with_ymd_and_hms(2026, 4, 1, 0, 0, 0).unwrap()
    }

    fn starts(event: &Event, window: std::ops::Range<DateTime<Utc>>) -> Vec<String> {
        let (instances, report) = event.instances(window, &Zone::UTC, &ExpansionLimits::default());
        assert!(report.is_complete());
        instances.iter().map(|i| i.time.start.local().format("%d %H").to_string()).collect()
    }

    /// TIME-03: the wall clock stays through the change to summer time.
    #[test]
    fn time_03_wall_clock_is_kept() {
        let all = starts(&daily(), march());
        assert_eq!(all.len(), 31);
        assert!(all.iter().all(|start| start.ends_with("18")));
    }

    /// REC-19: a moved instance is where it was moved to, and leaves no ghost.
    #[test]
    fn rec_19_moved_in_and_out_of_the_window() {
        let mut event = daily();
        let body = EventBody::new(TimeSpan { start: berlin(30, 9), end: berlin(30, 10) });
        event
            .overrides
            .insert(key(5, 18), Override::Changed { body: Box::new(body), scope: OverrideScope::This });
        event.overrides.insert(key(6, 18), Override::Excluded);
        let week = Utc.with_ymd_and_hms(2026, 3, 4, 0, 0, 0).unwrap()
            ..Utc.with_ymd_and_hms(2026, 3, 8, 0, 0, 0).unwrap();
        assert_eq!(starts(&event, week), ["04 18", "07 18"]);
        let late = Utc.with_ymd_and_hms(2026, 3, 30, 0, 0, 0).unwrap()
            ..Utc.with_ymd_and_hms(2026, 3, 31, 0, 0, 0).unwrap();
        assert_eq!(starts(&event, late), ["30 09", "30 18"]);
    }

    #[test]
    fn this_and_future_moves_all_later_instances() {
        let mut event = daily();
        let body = EventBody::new(TimeSpan { start: berlin(29, 20), end: berlin(29, 22) });
        let scope = OverrideScope::ThisAndFuture;
        event.overrides.insert(key(29, 18), Override::Changed { body: Box::new(body), scope });
        let end = Utc.with_ymd_and_hms(2026, 3, 28, 0, 0, 0).unwrap()
            ..Utc.with_ymd_and_hms(2026, 4, 1, 0, 0, 0).unwrap();
        assert_eq!(starts(&event, end), ["28 18", "29 20", "30 20", "31 20"]);
    }

    /// REC-07, REC-16: a rule that means nothing leaves the start, and is reported.
    #[test]
    fn rec_16_an_opaque_rule_leaves_the_start() {
        let mut event = daily();
        event.rules = vec![RuleEntry::read("FREQ=DAILY;INTERVAL=0")];
        let (instances, report) = event.instances(march(), &Zone::UTC, &ExpansionLimits::default());
        assert_eq!((instances.len(), report.opaque.len()), (1, 1));
    }

    /// LOOP-18: half past two at the end of October, before and after the clocks went back, as an event and as a series.
    #[test]
    fn loop_18_each_reading_of_a_repeated_time_is_an_instant() {
        let zone = Zone::from_iana("Europe/Berlin").expect("a zone");
        let local =
            NaiveDate::from_ymd_opt(2026, 10, 25).and_then(|d| d.and_hms_opt(2, 30, 0)).expect("a time");
        let october = Utc.with_ymd_and_hms(2026, 10, 1, 0, 0, 0).unwrap()
            ..Utc.with_ymd_and_hms(2026, 11, 1, 0, 0, 0).unwrap();
        for (fold, hour) in [(Fold::First, 0), (Fold::Second, 1)] {
            for rule in [None, Some("FREQ=DAILY;COUNT=3")] {
                let at = |minutes| EventTime::Zoned {
                    local: local + TimeDelta::minutes(minutes),
                    zone: zone.clone(),
                    fold,
                };
                let mut event = Event::single("u", EventBody::new(TimeSpan { start: at(0), end: at(15) }));
                event.rules.extend(rule.map(RuleEntry::read));
                let (found, _) = event.instances(october.clone(), &Zone::UTC, &ExpansionLimits::default());
                let start = Utc.with_ymd_and_hms(2026, 10, 25, hour, 30, 0).unwrap();
                assert_eq!(found.len(), if rule.is_some() { 3 } else { 1 });
                assert_eq!(found[0].id, RecurrenceId::Instant(start));
                assert_eq!(found[0].time, TimeSpan { start: at(0), end: at(15) }, "{fold:?}");
                let master = event.master.clone().expect("a master");
                let (spans, _) =
                    event.plain_spans(&master, &october, &Zone::UTC, &ExpansionLimits::default());
                assert_eq!(spans[0], start..start + TimeDelta::minutes(15), "{fold:?}");
                event.overrides.insert(RecurrenceId::Instant(start), Override::Excluded);
                let (found, _) = event.instances(october.clone(), &Zone::UTC, &ExpansionLimits::default());
                assert_eq!(found.len(), if rule.is_some() { 2 } else { 0 }, "{fold:?}");
            }
        }
    }

    /// LOOP-18: what repeats by the hour or less has nothing before its start, and its start once.
    #[test]
    fn loop_18_a_series_within_the_repeated_hour_starts_once() {
        let zone = Zone::from_iana("Europe/Berlin").expect("a zone");
        let local =
            NaiveDate::from_ymd_opt(2026, 10, 25).and_then(|d| d.and_hms_opt(2, 30, 0)).expect("a time");
        let at = |minutes| EventTime::Zoned {
            local: local + TimeDelta::minutes(minutes),
            zone: zone.clone(),
            fold: Fold::Second,
        };
        let start = Utc.with_ymd_and_hms(2026, 10, 25, 1, 30, 0).unwrap();
        let window = start - TimeDelta::hours(5)..start + TimeDelta::hours(3);
        for (rule, step, count) in [
            ("FREQ=HOURLY", 60, 3),
            ("FREQ=MINUTELY;INTERVAL=20", 20, 9),
            ("FREQ=HOURLY;COUNT=2", 60, 2),
            ("FREQ=MINUTELY;INTERVAL=20;COUNT=4", 20, 4),
        ] {
            let mut event = Event::single("u", EventBody::new(TimeSpan { start: at(0), end: at(15) }));
            event.rules.push(RuleEntry::read(rule));
            let expected: Vec<DateTime<Utc>> =
                (0..count).map(|n| start + TimeDelta::minutes(n * step)).collect();
            let (found, _) = event.instances(window.clone(), &Zone::UTC, &ExpansionLimits::default());
            let found: Vec<_> =
                found.iter().map(|instance| instance.time.start.instant(&Zone::UTC)).collect();
            assert_eq!(found, expected, "{rule}");
            let master = event.master.clone().expect("a master");
            let (spans, _) = event.plain_spans(&master, &window, &Zone::UTC, &ExpansionLimits::default());
            assert_eq!(spans.iter().map(|span| span.start).collect::<Vec<_>>(), expected, "{rule}");
        }
    }

    /// LOOP-18: a rule may take away the start, whichever of two equal times it is.
    #[test]
    fn loop_18_an_excluded_rule_takes_the_later_start_away() {
        let zone = Zone::from_iana("Europe/Berlin").expect("a zone");
        let local =
            NaiveDate::from_ymd_opt(2026, 10, 25).and_then(|d| d.and_hms_opt(2, 30, 0)).expect("a time");
        for fold in [Fold::First, Fold::Second] {
            let at = |local| EventTime::Zoned { local, zone: zone.clone(), fold };
            let time = TimeSpan { start: at(local), end: at(local + TimeDelta::minutes(15)) };
            let mut event = Event::single("u", EventBody::new(time));
            event.rules.push(RuleEntry::read("FREQ=DAILY;COUNT=4"));
            event.excluded_rules.push(RuleEntry::read("FREQ=DAILY;INTERVAL=2"));
            let window = Utc.with_ymd_and_hms(2026, 10, 1, 0, 0, 0).unwrap()
                ..Utc.with_ymd_and_hms(2026, 11, 10, 0, 0, 0).unwrap();
            let (found, _) = event.instances(window, &Zone::UTC, &ExpansionLimits::default());
            let days: Vec<u32> = found.iter().map(|one| one.time.start.local().day()).collect();
            assert_eq!(days, [26, 28], "{fold:?}");
        }
    }

    #[test]
    fn added_dates_and_their_own_ends() {
        let mut event = daily();
        event.rules.clear();
        event.overrides.insert(key(9, 8), Override::Added { end: Some(berlin(9, 12)) });
        let (instances, _) = event.instances(march(), &Zone::UTC, &ExpansionLimits::default());
        assert_eq!(instances.len(), 2);
        assert_eq!(instances[1].time.end, berlin(9, 12));
    }
}
