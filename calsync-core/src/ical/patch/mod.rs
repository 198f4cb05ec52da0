//! An existing text changed to say what an event says, and nothing else changed.
//!
//! In: the original text and the event it should read as. Out: the text with the lines of those properties replaced
//! that differ *by value* from what the original reads as; every other byte stays. `PT90M` and `PT1H30M` are one value,
//! so neither is a change; what nobody here understands is never touched.

mod body;
mod component;
mod edits;
mod instances;
mod people;
mod time;

use std::collections::BTreeSet;
use std::ops::Range;

use chrono::{DateTime, Utc};

use crate::model::{Event, EventBody, Override, OverrideScope, RecurrenceId};
use crate::zone::plain_tzid;

use super::error::{IcalError, IssueKind, QuarantineReason};
use super::lines::Document;
use super::read::{
    Assembled, Identities, Index, ReadOptions, Zones, assemble_group, instance_key, settle, zones_of,
};
use super::walk::{Closed, Token, Walker};
use super::write::line::LineStyle;
use super::write::zones::ZoneNames;
use super::write::{self, Head, People, PeoplePolicy};

use component::ComponentLines;
use edits::Edits;
use instances::Series;

/// What becomes of `SEQUENCE` (RFC 5545 section 3.8.7.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SequenceChange {
    /// It stays: right for a copy, and for an attendee.
    #[default]
    Keep,
    /// It goes up by one when time, repetition, instances or status changed: right for the organizer.
    Increment,
}

/// How to patch. The default changes what the event says and no bookkeeping.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PatchOptions {
    /// How the original is read: the same as when the event was read from it.
    pub read: ReadOptions,
    /// Whether people are changed. Default: their lines stay as they are.
    pub people: PeoplePolicy,
    /// `DTSTAMP` and `LAST-MODIFIED` of the components that change. Default: they stay.
    pub stamp: Option<DateTime<Utc>>,
    /// What becomes of `SEQUENCE`.
    pub sequence: SequenceChange,
}

/// Why a text cannot be patched. The original is unharmed; the caller may write afresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatchError {
    /// The original cannot be read.
    #[error("the original text cannot be read")]
    Unreadable(#[from] IcalError),
    /// The original's version of the event cannot be read.
    #[error("the original item cannot be read")]
    Quarantined(#[from] QuarantineReason),
    /// The original holds several items and none has the UID of the event.
    #[error("the original text has no item with this UID")]
    NoSuchItem,
    /// The result would not be UTF-8. Never so for an original that is.
    #[error("the patched text is not valid UTF-8")]
    Encoding,
}

/// Changes `original` so that it reads as `target`.
///
/// The item is the one with the UID of `target`, or the only one there is; the UID itself is never changed. Fields that
/// iCalendar cannot hold, `SEQUENCE`, `CREATED` and `LAST-MODIFIED` are not taken from `target`.
///
/// # Errors
/// See [`PatchError`].
pub fn patch(original: &str, target: &Event, options: &PatchOptions) -> Result<String, PatchError> {
    let bytes = patch_bytes(original.as_bytes(), target, options)?;
    String::from_utf8(bytes).map_err(|_| PatchError::Encoding)
}

/// [`patch()`] for an original that may not be UTF-8: its lines keep their bytes, new lines are UTF-8.
///
/// # Errors
/// See [`PatchError`].
pub fn patch_bytes(original: &[u8], target: &Event, options: &PatchOptions) -> Result<Vec<u8>, PatchError> {
    let target = &*write::repeatable(target);
    let index = Index::of(original, &options.read.limits)?;
    let mut zones = zones_of(original, &index, &options.read);
    let item = find_item(original, &index, &mut zones, target, &options.read)?;
    let style = LineStyle::of(&Document::new(original));
    let mut patcher = Patcher {
        input: original,
        options,
        max_depth: options.read.limits.max_depth,
        names: ZoneNames::default(),
        edits: Edits::new(original, style),
        zones,
        uid: item.uid,
        current: item.assembled.event,
        target,
    };
    patcher.names = patcher.known_zones(&index, &item.assembled.spans);
    patcher.run(item.assembled.master, &item.assembled.overrides, &item.assembled.dropped);
    if index.issues.iter().any(|issue| issue.kind == IssueKind::MissingEnd) {
        patcher.close_what_stays(&item.assembled.spans);
    }
    let first = item.assembled.spans.first().map_or(0, |span| span.start);
    Ok(patcher.finish(first))
}

/// The item to patch.
struct Item {
    /// The UID its components carry, if any.
    uid: Option<String>,
    assembled: Placed,
}

/// An assembled event with all its spans in order.
struct Placed {
    event: Event,
    master: Option<Range<usize>>,
    overrides: Vec<(RecurrenceId, Range<usize>)>,
    dropped: Vec<Range<usize>>,
    spans: Vec<Range<usize>>,
}

fn find_item(
    input: &[u8],
    index: &Index<'_>,
    zones: &mut Zones<'_>,
    target: &Event,
    options: &ReadOptions,
) -> Result<Item, PatchError> {
    let mut identities = Identities::default();
    let mut only = None;
    let mut count = 0;
    let mut fault = None;
    for group in 0..index.groups.len() {
        let uid = index.groups.get(group).and_then(|group| group.uid.as_deref());
        match assemble_group(input, index, group, zones, options) {
            Err(reason) if uid == Some(target.uid.as_str()) => return Err(reason.into()),
            Err(reason) => fault = fault.or(Some(reason)),
            Ok(events) => {
                for assembled in events {
                    let Assembled { mut event, master, overrides, dropped, .. } = assembled;
                    settle(&mut event, &index.info, &mut identities, options);
                    let mut spans: Vec<_> = master
                        .iter()
                        .chain(overrides.iter().map(|(_, span)| span))
                        .chain(&dropped)
                        .cloned()
                        .collect();
                    spans.sort_by_key(|span| span.start);
                    let is_it = event.uid == target.uid;
                    let item = Item {
                        uid: uid.map(str::to_owned),
                        assembled: Placed { event, master, overrides, dropped, spans },
                    };
                    if is_it {
                        return Ok(item);
                    }
                    count += 1;
                    only = Some(item);
                }
            }
        }
    }
    match (only, fault) {
        (Some(item), None) if count == 1 => Ok(item),
        (None, Some(reason)) => Err(reason.into()),
        _ => Err(PatchError::NoSuchItem),
    }
}

struct Patcher<'a, 't> {
    input: &'a [u8],
    options: &'t PatchOptions,
    max_depth: usize,
    zones: Zones<'a>,
    names: ZoneNames,
    edits: Edits<'a>,
    uid: Option<String>,
    current: Event,
    target: &'t Event,
}

impl<'a> Patcher<'a, '_> {
    fn lines(&self, span: Range<usize>) -> ComponentLines<'a> {
        ComponentLines::of(self.input, span, self.max_depth)
    }

    /// The `TZID`s that new lines may use: those the text defines, and proper names it uses without a definition.
    fn known_zones(&mut self, index: &Index<'_>, spans: &[Range<usize>]) -> ZoneNames {
        let mut known = Vec::new();
        for span in &index.zones {
            let lines = self.lines(span.clone());
            let tzid = lines
                .named("TZID")
                .find_map(|property| Some(plain_tzid(property.line()?.value()).into_owned()));
            if let Some(tzid) = tzid
                && let Some(zone) = self.zones.resolve(&tzid)
            {
                known.push((zone, tzid));
            }
        }
        for span in spans {
            let lines = self.lines(span.clone());
            for property in &lines.properties {
                if let Some(line) = property.line()
                    && let Some(tzid) = line.param("TZID")
                    && let Some(zone) = self.zones.resolve(tzid)
                    && zone.name() == tzid
                    && !known.iter().any(|(known, _)| *known == zone)
                {
                    known.push((zone, tzid.to_owned()));
                }
            }
        }
        ZoneNames::with(known)
    }

    fn run(
        &mut self,
        master: Option<Range<usize>>,
        overrides: &[(RecurrenceId, Range<usize>)],
        dropped: &[Range<usize>],
    ) {
        if self.current == *self.target {
            return;
        }
        let target = self.target;
        let places = master.iter().chain(overrides.iter().map(|(_, span)| span)).chain(dropped);
        let last = places.clone().map(|span| span.end).max().unwrap_or(0);
        let people = self.people_lines(master.as_ref().or(overrides.first().map(|(_, span)| span)));
        match (&master, &target.master) {
            (Some(span), Some(body)) => self.patch_master(span, body),
            (Some(span), None) => self.edits.delete(span.clone()),
            (None, Some(body)) => {
                let first = places.map(|span| span.start).min().unwrap_or(last);
                let repetition = write::repetition(target, &body.time.start, &mut self.names);
                let lines = self.new_component(None, body, repetition, &people);
                self.edits.insert(first, &lines);
            }
            (None, None) => {}
        }
        let kept = self.patch_overrides(overrides, dropped);
        for (id, body) in write::changed(target) {
            if !kept.contains(id) {
                let lines = self.new_component(Some(id), body, Vec::new(), &people);
                self.edits.insert(last, &lines);
            }
        }
    }

    fn patch_master(&mut self, span: &Range<usize>, body: &EventBody) {
        let Some(current) = self.current.master.clone() else {
            return;
        };
        let lines = self.lines(span.clone());
        let before = self.edits.len();
        let series = Series::of(&self.current, self.target);
        if let Some(series) = &series {
            let (rules, excluded) = (&self.target.rules, &self.target.excluded_rules);
            instances::patch_rules(&lines, "RRULE", rules, series, &mut self.edits);
            instances::patch_rules(&lines, "EXRULE", excluded, series, &mut self.edits);
        }
        time::patch_time(
            &lines,
            &current.time,
            &body.time,
            &mut self.zones,
            &mut self.names,
            &mut self.edits,
        );
        if let Some(series) = series {
            instances::patch_dates(&lines, &series, &mut self.zones, &mut self.names, &mut self.edits);
        }
        let reschedules = self.edits.len() > before || current.status != body.status;
        body::patch_body(&lines, &current, body, self.options.people, &mut self.edits);
        if self.uid.is_none() && self.adds_component() {
            let uid = write::property::text("UID", &self.target.uid);
            self.edits.insert(lines.property_end, [&uid]);
        }
        self.keep_books(&lines, &current, before, reschedules);
    }

    /// Whether the target has an instance the original has no component for: then all of them need a UID to belong
    /// together.
    fn adds_component(&self) -> bool {
        write::changed(self.target)
            .any(|(id, _)| !matches!(self.current.overrides.get(id), Some(Override::Changed { .. })))
    }

    /// The name an instance has after the start of its series moved, when the target has it as a changed instance.
    fn moved_key(&self, id: RecurrenceId) -> Option<RecurrenceId> {
        let (before, after) =
            (&self.current.master.as_ref()?.time.start, &self.target.master.as_ref()?.time.start);
        let key = id.moved(before, after)?;
        matches!(self.target.overrides.get(&key), Some(Override::Changed { .. })).then_some(key)
    }

    /// Changes the components of single instances; those that are in the target are given back.
    fn patch_overrides(
        &mut self,
        overrides: &[(RecurrenceId, Range<usize>)],
        dropped: &[Range<usize>],
    ) -> BTreeSet<RecurrenceId> {
        let target = self.target;
        let mut kept = BTreeSet::new();
        let mut removed = BTreeSet::new();
        for (id, span) in overrides {
            let lines = self.lines(span.clone());
            let recurrence_id = lines.named("RECURRENCE-ID").find_map(|property| {
                let line = property.line()?.split_at_last_colon();
                self.zones.time(&line, "RECURRENCE-ID").ok()
            });
            let series = Series::of(&self.current, target);
            let key = match (&series, &recurrence_id) {
                (Some(series), Some(value)) => series.target_key(value),
                _ => *id,
            };
            // A moved series names its instances anew; what they hold stays theirs.
            let moved = if target.overrides.contains_key(&key) { None } else { self.moved_key(*id) };
            let key = moved.unwrap_or(key);
            let (
                Some(Override::Changed { body: current, scope: was }),
                Some(Override::Changed { body, scope }),
            ) = (self.current.overrides.get(id).cloned(), target.overrides.get(&key))
            else {
                self.edits.delete(span.clone());
                removed.insert(*id);
                continue;
            };
            let before = self.edits.len();
            let changes_form = series.is_some_and(|series| series.changes_form());
            // RANGE is never written, only taken away.
            let narrows = was != *scope && *scope == OverrideScope::This;
            let new_id = match (&target.master, recurrence_id) {
                (Some(master), _) if changes_form || moved.is_some() => Some(key.to_time(&master.time.start)),
                (_, recurrence_id) => recurrence_id.filter(|_| narrows),
            };
            if let Some(new_id) = new_id {
                let stale: &[&str] = if narrows { &["TZID", "VALUE", "RANGE"] } else { &["TZID", "VALUE"] };
                let (params, value) = write::property::time_parts(&new_id, &mut self.names);
                lines.set("RECURRENCE-ID", Some((&params, &value)), stale, &mut self.edits);
            }
            time::patch_time(
                &lines,
                &current.time,
                &body.time,
                &mut self.zones,
                &mut self.names,
                &mut self.edits,
            );
            let reschedules = self.edits.len() > before || current.status != body.status;
            body::patch_body(&lines, &current, body, self.options.people, &mut self.edits);
            self.keep_books(&lines, &current, before, reschedules);
            kept.insert(key);
        }
        self.remove_older_versions(dropped, &removed);
        kept
    }

    /// An older version of an instance that goes would be read in its place, and one of a master that no longer shares
    /// its start or its repetition as an event of its own.
    fn remove_older_versions(&mut self, dropped: &[Range<usize>], removed: &BTreeSet<RecurrenceId>) {
        let start = self.current.master.as_ref().map(|body| body.time.start.clone());
        let master_parts = self.master_parts();
        for span in dropped {
            let lines = self.lines(span.clone());
            let mut ids = lines.named("RECURRENCE-ID").peekable();
            let goes = if ids.peek().is_none() {
                master_parts
            } else {
                let key = ids.find_map(|property| {
                    let line = property.line()?.split_at_last_colon();
                    let value = self.zones.time(&line, "RECURRENCE-ID").ok()?;
                    Some(instance_key(&value, start.as_ref(), &self.current.rules))
                });
                key.is_some_and(|key| removed.contains(&key))
            };
            if goes {
                self.edits.delete(span.clone());
            }
        }
    }

    /// A component without its `END` is closed by the one after it. Where that one goes, the `END` is written: what comes
    /// next would become a part of the component.
    fn close_what_stays(&mut self, own: &[Range<usize>]) {
        let deleted: Vec<Range<usize>> = self.edits.deleted().cloned().collect();
        if deleted.is_empty() {
            return;
        }
        let mut walker = Walker::new(self.input, 0..self.input.len(), self.max_depth);
        let mut open = None;
        while let Ok(Some(token)) = walker.next_token() {
            match token {
                Token::Begin { name, line } if walker.depth() == 2 => open = Some((name, line.offset())),
                Token::End { closed, .. } if walker.depth() == 1 => {
                    let (Some((name, start)), end) = (open.take(), walker.offset()) else { continue };
                    let starts_here = |span: &Range<usize>| span.start == end;
                    if closed != Closed::ByOther
                        || !deleted.iter().any(starts_here)
                        || deleted.iter().any(|span| span.start == start)
                    {
                        continue;
                    }
                    let line = format!("END:{}", String::from_utf8_lossy(&name));
                    if own.iter().any(|span| span.start == start) {
                        // After what is added to it.
                        self.edits.insert(end, [&line]);
                    } else {
                        self.edits.insert_first(end, &line);
                    }
                }
                _ => {}
            }
        }
    }

    /// Whether the target's master would not be taken for a version of the current one.
    fn master_parts(&self) -> bool {
        let key = |event: &Event| event.master.as_ref().map(|body| RecurrenceId::of(&body.time.start));
        key(&self.current) != key(self.target) || self.current.is_series() != self.target.is_series()
    }

    /// `DTSTAMP`, `LAST-MODIFIED` and `SEQUENCE` of a component that changed.
    fn keep_books(
        &mut self,
        lines: &ComponentLines<'a>,
        current: &EventBody,
        before: usize,
        reschedules: bool,
    ) {
        if self.edits.len() == before {
            return;
        }
        if let Some(stamp) = self.options.stamp {
            for name in ["DTSTAMP", "LAST-MODIFIED"] {
                let line = write::property::instant("", stamp);
                lines.set(name, Some(("", &line[1..])), &[], &mut self.edits);
            }
        }
        if reschedules && self.options.sequence == SequenceChange::Increment {
            let next = current.sequence.saturating_add(1).to_string();
            lines.set("SEQUENCE", Some(("", &next)), &[], &mut self.edits);
        }
    }

    /// The people lines of a component, for another one of the same event: an instance without its attendees would
    /// tell a server that they are uninvited.
    fn people_lines(&self, span: Option<&Range<usize>>) -> Vec<String> {
        let Some(span) = span else {
            return Vec::new();
        };
        let lines = self.lines(span.clone());
        let people = lines.named("ORGANIZER").chain(lines.named("ATTENDEE"));
        people.map(|property| property.text().chars().filter(|char| !char.is_control()).collect()).collect()
    }

    fn new_component(
        &mut self,
        id: Option<&RecurrenceId>,
        body: &EventBody,
        repetition: Vec<String>,
        people: &[String],
    ) -> Vec<String> {
        let target = self.target;
        let like = target.master.as_ref().map_or(&body.time.start, |master| &master.time.start);
        let recurrence_id = id.map(|id| id.to_time(like));
        let head = Head {
            uid: self.uid.as_deref().unwrap_or(&target.uid),
            recurrence_id: recurrence_id.as_ref(),
            stamp: Some(self.options.stamp.or(body.updated).unwrap_or(DateTime::UNIX_EPOCH)),
        };
        let people = match self.options.people {
            PeoplePolicy::Withhold => People::Copied(people),
            PeoplePolicy::Write => People::OfBody,
        };
        write::vevent(&head, body, repetition, people, &mut self.names)
    }

    fn finish(mut self, first: usize) -> Vec<u8> {
        if !self.edits.is_empty() {
            let (from_year, to_year) = write::years(self.target, self.options.stamp);
            let definitions = self.names.new_definitions(from_year, to_year);
            for definition in definitions {
                self.edits.insert_folded(first, &definition);
            }
        }
        self.edits.apply()
    }
}
