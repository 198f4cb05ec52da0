//! The text of a feed, chunk by chunk.

use std::{
    borrow::{Borrow, Cow},
    ops::Range,
};

use chrono::{DateTime, Datelike, TimeDelta, Utc};

use super::{
    Detail, FeedOptions, Validators, busy_only,
    plain::{Dealt, Plain},
};
use crate::{
    ical::{
        value::IcalDuration,
        write::{self, Head, People, line::LineStyle, property, zones::ZoneNames},
    },
    model::{Event, EventBody, FreeBusyStatus, Override, OverrideScope, Privacy, Status},
    recurrence::ExpansionLimits,
    zone,
};

/// Chunks are at least so long, but for the last.
const CHUNK: usize = 16 * 1024;

/// More than the clocks of any two zones differ by.
const ANY_ZONE: TimeDelta = TimeDelta::days(2);
/// Where an instance of a series is looked for first.
const SOON: TimeDelta = TimeDelta::days(40);

/// A feed as chunks of bytes: see [`feed`].
#[derive(Debug)]
pub struct Feed<I> {
    events: Option<I>,
    writer: FeedWriter,
    /// The header is written.
    begun: bool,
}

/// The text of a feed (RFC 5545, RFC 7986), in chunks of some kilobytes: what a response streams.
///
/// The same events give the same bytes all day, in the same order: the host's order decides. A zone is defined before the
/// first event that uses it. An event with nothing in the window is left out.
///
/// A series cut by an override for it and all later instances shows that one instance changed only: split the series
/// instead.
pub fn feed<E, I>(events: I, options: FeedOptions) -> Feed<I::IntoIter>
where
    E: Borrow<Event>,
    I: IntoIterator<Item = E>,
{
    Feed { events: Some(events.into_iter()), writer: FeedWriter::new(options), begun: false }
}

/// What a conditional request is compared with, from the text itself: the cost of writing the feed once, without keeping
/// it. A host that knows a revision of its calendar uses [`Validators::of_revision`] and writes nothing.
///
/// `changed` is when the calendar last changed, deletions included; without it there is no `Last-Modified`.
pub fn validators<E, I>(events: I, options: FeedOptions, changed: Option<DateTime<Utc>>) -> Validators
where
    E: Borrow<Event>,
    I: IntoIterator<Item = E>,
{
    let day = options.today();
    let mut hash = blake3::Hasher::new();
    for chunk in feed(events, options) {
        hash.update(&chunk);
    }
    Validators::new(&hash.finalize(), changed, day)
}

impl<E: Borrow<Event>, I: Iterator<Item = E>> Iterator for Feed<I> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let events = self.events.as_mut()?;
        let mut out = Vec::new();
        if !self.begun {
            self.begun = true;
            self.writer.begin(&mut out);
        }
        while out.len() < CHUNK {
            match events.next() {
                Some(event) => self.writer.event(event.borrow(), &mut out),
                None => {
                    self.writer.end(&mut out);
                    self.events = None;
                    break;
                }
            }
        }
        Some(out)
    }
}

/// Writes the text of a feed where events come a few at a time, as from a store: the beginning, every event, the end.
/// [`feed`] is the same over an iterator. It keeps which zones are defined, and nothing of the events.
#[derive(Debug)]
pub struct FeedWriter {
    options: FeedOptions,
    window: Range<DateTime<Utc>>,
    /// How events are written that have nothing of their own to show.
    plain: Option<Box<Plain>>,
    zones: ZoneNames,
    /// Something stands in the calendar.
    filled: bool,
}

impl FeedWriter {
    /// A writer of one feed.
    pub fn new(options: FeedOptions) -> Self {
        let (window, plain) = (options.window(), Plain::of(&options).map(Box::new));
        Self { options, window, plain, zones: ZoneNames::default(), filled: false }
    }

    /// Appends what stands before the events.
    pub fn begin(&self, out: &mut Vec<u8>) {
        let options = &self.options;
        let mut line = |line: &str| LineStyle::STANDARD.push(out, line);
        line("BEGIN:VCALENDAR");
        line("VERSION:2.0");
        line(&property::plain("PRODID", &options.product_id));
        line("CALSCALE:GREGORIAN");
        line("METHOD:PUBLISH");
        if let Some(name) = &options.name {
            line(&property::text("NAME", name));
            line(&property::text("X-WR-CALNAME", name));
        }
        if let Some(description) = &options.description {
            line(&property::text("DESCRIPTION", description));
            line(&property::text("X-WR-CALDESC", description));
        }
        if let Some(zone) = options.zone.iana() {
            line(&property::plain("X-WR-TIMEZONE", zone.name()));
        }
        if let Some(color) = options.color.as_deref().and_then(property::color) {
            line(&property::plain("COLOR", color));
        }
        let refresh = IcalDuration::from_seconds(options.refresh.num_seconds().max(60));
        line(&format!("REFRESH-INTERVAL;VALUE=DURATION:{refresh}"));
        line(&format!("X-PUBLISHED-TTL:{refresh}"));
    }

    /// Appends what stands after them.
    pub fn end(&self, out: &mut Vec<u8>) {
        if !self.filled {
            // A calendar holds at least one component (RFC 5545 section 3.6), and Outlook insists.
            let year = self.options.now.year();
            out.extend_from_slice(zone::write::vtimezone(&self.options.zone, year, year).as_bytes());
        }
        LineStyle::STANDARD.push(out, "END:VCALENDAR");
    }

    /// Appends an event as the feed shows it; nothing, where it has nothing in the window or shows nothing.
    pub fn event(&mut self, event: &Event, out: &mut Vec<u8>) {
        if !is_in_window(event, &self.window, &self.options) {
            return;
        }
        if let Some(plain) = &self.plain {
            let start = out.len();
            if plain.write(event, &self.options, &mut self.zones, out) == Dealt::Yes {
                if self.zones.has_new() {
                    let text = out.split_off(start);
                    self.define(out);
                    out.extend_from_slice(&text);
                }
                self.filled |= out.len() > start;
                return;
            }
        }
        let Some(shown) = shown(event, &self.options) else { return };
        let shown = write::repeatable(&shown);
        let day = self.options.today();
        // Made of the event alone: the same event gives the same text. Of what is hidden not even when it was edited.
        let stamp = match self.options.detail {
            Detail::BusyOnly => day,
            Detail::Details => {
                let created = shown.body().and_then(|body| body.created);
                shown.updated().or(created).unwrap_or(day)
            }
        };
        let mut lines = Vec::new();
        if let Some(body) = &shown.master {
            let head = Head { uid: &shown.uid, recurrence_id: None, stamp: Some(stamp) };
            let repetition = write::repetition(&shown, &body.time.start, &mut self.zones);
            component(&head, body, repetition, &mut self.zones, &mut lines);
        }
        for (id, body) in write::changed(&shown) {
            let like = shown.master.as_ref().map_or(&body.time.start, |master| &master.time.start);
            let recurrence_id = id.to_time(like);
            let head = Head { uid: &shown.uid, recurrence_id: Some(&recurrence_id), stamp: Some(stamp) };
            component(&head, body, Vec::new(), &mut self.zones, &mut lines);
        }
        self.define(out);
        for line in &lines {
            LineStyle::STANDARD.push(out, line);
        }
        self.filled = true;
    }

    /// Appends the zones that are used for the first time.
    fn define(&mut self, out: &mut Vec<u8>) {
        let (first, last) = (self.window.start.year(), self.window.end.year().saturating_add(1));
        for definition in self.zones.take_definitions(first, last) {
            out.extend_from_slice(definition.as_bytes());
        }
    }
}

pub(super) fn component(
    head: &Head<'_>,
    body: &EventBody,
    repetition: Vec<String>,
    zones: &mut ZoneNames,
    lines: &mut Vec<String>,
) {
    lines.extend(write::vevent(head, body, repetition, People::Copied(&[]), zones));
    let end = lines.pop();
    // What Outlook looks at instead of TRANSP and the form of DTSTART.
    let busy = match (body.free_busy, body.status) {
        (Some(FreeBusyStatus::Free), _) | (_, Some(Status::Cancelled)) => "FREE",
        (_, Some(Status::Tentative)) => "TENTATIVE",
        _ => "BUSY",
    };
    lines.push(format!("X-MICROSOFT-CDO-BUSYSTATUS:{busy}"));
    if body.time.is_all_day() {
        lines.push("X-MICROSOFT-CDO-ALLDAYEVENT:TRUE".to_owned());
    }
    lines.extend(end);
}

/// Whether anything of an event lies in the window, as far as can be told.
fn is_in_window(event: &Event, window: &Range<DateTime<Utc>>, options: &FeedOptions) -> bool {
    // The first instance of a series is always one of it. Where it is well inside, by any clock, no zone is asked.
    if event.overrides.is_empty()
        && event.excluded_rules.is_empty()
        && let Some(body) = &event.master
        && let Some(first) = window.start.naive_utc().checked_add_signed(ANY_ZONE)
        && let Some(last) = window.end.naive_utc().checked_sub_signed(ANY_ZONE)
        && (first..last).contains(&body.time.start.local())
    {
        return true;
    }
    if event.rules.is_empty()
        && event.overrides.is_empty()
        && let Some(body) = &event.master
    {
        let (start, end) = (body.time.start.instant(&options.zone), body.time.end.instant(&options.zone));
        return start < window.end && (end > window.start || start >= window.start);
    }
    // Most series have an instance in the first weeks, and need no more to be told.
    let soon = window.start.checked_add_signed(SOON).unwrap_or(window.end).min(window.end);
    let soon = window.start..soon;
    [soon, window.clone()].into_iter().any(|window| {
        let (instances, report) = event.instances(window, &options.zone, &options.limits);
        !instances.is_empty() || !report.is_complete()
    })
}

/// The event as the feed shows it.
fn shown<'e>(event: &'e Event, options: &FeedOptions) -> Option<Cow<'e, Event>> {
    let event = without_secret(event)?;
    let privacy = event.body().and_then(|body| body.privacy);
    match (options.detail, privacy) {
        (_, Some(Privacy::Secret)) => None,
        (Detail::BusyOnly, _) | (_, Some(Privacy::Private)) => {
            busy_only(&event, &options.busy_only()).map(Cow::Owned)
        }
        (Detail::Details, Some(Privacy::Public) | None) => Some(match event {
            Cow::Borrowed(event) => detailed(event, options),
            Cow::Owned(event) => Cow::Owned(detailed(&event, options).into_owned()),
        }),
    }
}

/// What of an event is not marked secret; `None`: nothing. Where an instance and all later ones are secret, the series ends
/// before it; where it cannot, nothing of it is shown.
pub(super) fn without_secret(event: &Event) -> Option<Cow<'_, Event>> {
    let is_secret = |body: &EventBody| body.privacy == Some(Privacy::Secret);
    if event.master.as_ref().is_some_and(is_secret) {
        return None;
    }
    let secret = |instance: &Override| matches!(instance, Override::Changed { body, .. } if is_secret(body));
    if !event.overrides.values().any(secret) {
        return Some(Cow::Borrowed(event));
    }
    let ends = |instance: &Override| {
        secret(instance) && matches!(instance, Override::Changed { scope: OverrideScope::ThisAndFuture, .. })
    };
    let end = event.overrides.iter().find(|(_, instance)| ends(instance)).map(|(id, _)| *id);
    let has_master = event.master.is_some();
    let mut event = match end.filter(|_| has_master) {
        // Where it cannot be cut, more of it is hidden than has to be.
        Some(end) => event.split_at(end, "", &ExpansionLimits::default()).ok()?.0,
        None => event.clone(),
    };
    event.overrides.retain(|_, instance| has_master || !secret(instance));
    for instance in event.overrides.values_mut().filter(|instance| secret(instance)) {
        *instance = Override::Excluded;
    }
    let shows = |instance: &Override| matches!(instance, Override::Changed { .. });
    (has_master || event.overrides.values().any(shows)).then_some(Cow::Owned(event))
}

fn detailed<'e>(event: &'e Event, options: &FeedOptions) -> Cow<'e, Event> {
    let has_alarms = event.master.as_ref().is_some_and(|body| !body.alarms.is_empty());
    let has_title = |body: &EventBody| body.title.as_ref().is_some_and(|title| !title.trim().is_empty());
    let is_titled = event.master.as_ref().is_none_or(has_title);
    if event.overrides.is_empty() && event.lineage.is_none() && !has_alarms && is_titled {
        return Cow::Borrowed(event);
    }
    let mut event = event.clone();
    event.lineage = None;
    let entitle = |body: &mut EventBody| {
        if !has_title(body) {
            body.title = Some(options.untitled.clone());
        }
    };
    if let Some(body) = &mut event.master {
        body.alarms.clear();
        entitle(body);
    }
    for instance in event.overrides.values_mut() {
        let Override::Changed { body, scope } = instance else { continue };
        body.alarms.clear();
        entitle(body);
        if body.privacy == Some(Privacy::Private) {
            let alone = Event::single("", (**body).clone());
            let hidden = busy_only(&alone, &options.busy_only()).and_then(|event| event.master);
            *instance = match hidden {
                Some(body) => Override::Changed { body: Box::new(body), scope: *scope },
                None => Override::Excluded,
            };
        }
    }
    Cow::Owned(event)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{
            EventTime, Fold, Override, Participant, ParticipationStatus, Person, RecurrenceId, Role, TimeSpan,
        },
        recurrence::RuleEntry,
        secret::Secret,
        zone::Zone,
    };

    /// What is written without being made first has the bytes it would have.
    #[test]
    fn plain_events_are_written_like_all_others() {
        let now: DateTime<Utc> = "2026-03-02T08:00:00Z".parse().unwrap();
        let local = now.naive_utc();
        let zoned = |name: &str, fold| EventTime::Zoned { local, zone: Zone::from_iana(name).unwrap(), fold };
        let times = [
            EventTime::Utc(now),
            EventTime::Floating(local),
            EventTime::Date(local.date()),
            zoned("Europe/Berlin", Fold::First),
            zoned("America/Argentina/ComodRivadavia", Fold::First),
            zoned("Etc/UTC", Fold::First),
            zoned("Europe/Berlin", Fold::Second),
        ];
        let rules: [&[&str]; 5] = [
            &[],
            &["FREQ=WEEKLY;COUNT=20"],
            &["FREQ=DAILY;UNTIL=20260401"],
            &["FREQ=SOMETIMES"],
            &["FREQ=WEEKLY", "FREQ=DAILY;X-A=b"],
        ];
        let mut events = Vec::new();
        for (number, time) in times.iter().cycle().take(7 * 5 * 8).enumerate() {
            let mut body = EventBody::new(TimeSpan { start: time.clone(), end: time.clone() });
            body.title = Some("Canary".to_owned());
            body.sequence = u32::try_from(number % 3).unwrap();
            body.status = [None, Some(Status::Tentative), Some(Status::Cancelled)][number % 11 % 3];
            body.free_busy = (number % 13 == 0).then_some(FreeBusyStatus::Free);
            body.privacy = [None, Some(Privacy::Secret), Some(Privacy::Private)][number % 17 % 3];
            let person = Person { address: "me@example.org".to_owned(), name: None };
            let status = [
                ParticipationStatus::Accepted,
                ParticipationStatus::Declined,
                ParticipationStatus::NeedsAction,
            ];
            let status = status[number % 19 % 3];
            body.participants.push(Participant { person, status, role: Role::Required, expect_reply: false });
            let mut event = Event::single(format!("canary-{number}@example.org"), body);
            event.rules = rules[number / 7 % 5].iter().map(|rule| RuleEntry::read(rule)).collect();
            if number % 23 == 0 {
                event.overrides.insert(RecurrenceId::of(time), Override::Excluded);
            }
            events.push(event);
        }
        for title in [
            "Busy",
            "A title that is much longer than what goes onto one line of seventy-five octets, größer",
        ] {
            let mut options = FeedOptions::new(now, Secret::new([7; 32]));
            options.owner = vec!["ME@example.org".to_owned()];
            options.busy_title = title.to_owned();
            let (mut quick, mut made) = (FeedWriter::new(options.clone()), FeedWriter::new(options));
            made.plain = None;
            let (mut one, mut other) = (Vec::new(), Vec::new());
            for (number, event) in events.iter().enumerate() {
                quick.event(event, &mut one);
                made.event(event, &mut other);
                assert_eq!(String::from_utf8_lossy(&one), String::from_utf8_lossy(&other), "{number}");
                assert_eq!(quick.filled, made.filled);
                one.clear();
                other.clear();
            }
            quick.end(&mut one);
            made.end(&mut other);
            assert_eq!(one, other);
        }
    }
}
