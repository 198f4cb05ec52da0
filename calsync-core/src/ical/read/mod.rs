//! iCalendar text to neutral events.
//!
//! In: bytes from a server, a feed or a file. Out: one [`ReadItem`] or [`QuarantinedItem`] per calendar object. An item
//! that cannot be read never stops its neighbours, and a text that was cut off says so ([`CalendarReader::is_complete`]).
//!
//! Reading runs twice over the text: once to find the components of each UID (they may be anywhere), once to read them.
//! [`CalendarReader`] does the second step one event at a time, so a large file costs its own bytes, an index and the
//! event in hand; [`read_calendar`] keeps all.

mod alarm;
mod calendar;
mod identity;
mod index;
mod options;
mod people;
mod series;
mod vevent;
mod zones;

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;

use crate::model::{Event, Override, Status, UidOrigin};
use crate::zone::zone_by_name;

use super::error::{IcalError, Issue, IssueKind, QuarantineReason};

pub use calendar::CalendarInfo;
pub use options::{CalendarZoneUse, ItemIdentity, ReadOptions};

pub(crate) use alarm::{AlarmLines, DEFAULT_DESCRIPTION};
pub(crate) use identity::Identities;
pub(crate) use index::Index;
pub(crate) use people::{participant, person};
pub(crate) use series::{Assembled, instance_key};
pub(crate) use vevent::{
    CLASS, MEETING_LINKS, STATUS, TRANSP, categories, effective_end, read_rdate, read_rule, read_vevent,
};
pub(crate) use zones::{Zones, is_utc};

/// One event and where it stands in the text.
#[derive(Clone, Debug)]
pub struct ReadItem {
    /// The event.
    pub event: Event,
    /// The bytes of its components, in the order of the text: the master, overrides, and versions not used.
    pub spans: Vec<Range<usize>>,
    /// What was odd about it, at most one of each kind per component.
    pub issues: Vec<Issue>,
}

/// One item that could not be read. Not the same as an absent one.
#[derive(Clone)]
pub struct QuarantinedItem {
    /// Its UID, if it has one.
    pub uid: Option<String>,
    /// The bytes of its components.
    pub spans: Vec<Range<usize>>,
    /// Why.
    pub reason: QuarantineReason,
}

impl fmt::Debug for QuarantinedItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuarantinedItem")
            .field("reason", &self.reason)
            .field("spans", &self.spans)
            .finish_non_exhaustive()
    }
}

/// A whole text, read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CalendarDocument {
    /// What it says about its calendar.
    pub info: CalendarInfo,
    /// The events, in the order of their first components.
    pub items: Vec<ReadItem>,
    /// The items set aside.
    pub quarantined: Vec<QuarantinedItem>,
    /// Whether the text has its end. If not, it was cut off, and nothing may be concluded from what it lacks.
    pub is_complete: bool,
    /// How many tasks, journals and other components stand beside the events.
    pub other_components: usize,
    /// What was odd about the text outside its events.
    pub issues: Vec<Issue>,
}

/// Reads a whole text and keeps all of it.
///
/// # Errors
/// When the text is no calendar or passes a limit as a whole: see [`IcalError`]. Faults of single items are in
/// [`CalendarDocument::quarantined`].
pub fn read_calendar(input: impl AsRef<[u8]>, options: &ReadOptions) -> Result<CalendarDocument, IcalError> {
    let mut reader = CalendarReader::new(input.as_ref(), options)?;
    let mut items = Vec::with_capacity(reader.index.groups.len());
    let mut quarantined = Vec::new();
    for item in &mut reader {
        match item {
            Ok(item) => items.push(item),
            Err(item) => quarantined.push(item),
        }
    }
    Ok(CalendarDocument {
        is_complete: reader.index.is_complete,
        other_components: reader.index.other_components,
        info: reader.index.info,
        issues: reader.index.issues,
        items,
        quarantined,
    })
}

/// Reads a text one event at a time.
pub struct CalendarReader<'a> {
    input: &'a [u8],
    options: ReadOptions,
    index: Index<'a>,
    zones: Zones<'a>,
    identities: Identities,
    next_group: usize,
    ready: VecDeque<Result<ReadItem, QuarantinedItem>>,
}

impl<'a> CalendarReader<'a> {
    /// Finds the components of a text.
    ///
    /// # Errors
    /// As [`read_calendar`].
    pub fn new(input: &'a [u8], options: &ReadOptions) -> Result<Self, IcalError> {
        let index = Index::of(input, &options.limits)?;
        let zones = zones_of(input, &index, options);
        Ok(Self {
            input,
            options: options.clone(),
            index,
            zones,
            identities: Identities::default(),
            next_group: 0,
            ready: VecDeque::new(),
        })
    }

    /// What the text says about its calendar.
    pub fn info(&self) -> &CalendarInfo {
        &self.index.info
    }

    /// Whether the text has its end: see [`CalendarDocument::is_complete`].
    pub fn is_complete(&self) -> bool {
        self.index.is_complete
    }

    /// What was odd about the text outside its events.
    pub fn issues(&self) -> &[Issue] {
        &self.index.issues
    }

    /// The number of calendar objects, give or take those that share a UID.
    pub fn len_hint(&self) -> usize {
        self.index.groups.len()
    }

    fn read_group(&mut self, group: usize) {
        let assembled = assemble_group(self.input, &self.index, group, &mut self.zones, &self.options);
        match assembled {
            Ok(events) => {
                for assembled in events {
                    let item = finish(assembled, &self.index.info, &mut self.identities, &self.options);
                    self.ready.push_back(Ok(item));
                }
            }
            Err(reason) => {
                let spans = self.index.members(group).map(|place| place.span.clone()).collect();
                let uid =
                    self.index.groups.get(group).and_then(|group| group.uid.as_deref().map(str::to_owned));
                self.ready.push_back(Err(QuarantinedItem { uid, spans, reason }));
            }
        }
    }
}

impl Iterator for CalendarReader<'_> {
    type Item = Result<ReadItem, QuarantinedItem>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() && self.next_group < self.index.groups.len() {
            let group = self.next_group;
            self.next_group += 1;
            self.read_group(group);
        }
        self.ready.pop_front()
    }
}

impl fmt::Debug for CalendarReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CalendarReader")
            .field("objects", &self.index.groups.len())
            .field("read", &self.next_group)
            .finish_non_exhaustive()
    }
}

/// The zones of a document.
pub(crate) fn zones_of<'a>(input: &'a [u8], index: &Index<'a>, options: &ReadOptions) -> Zones<'a> {
    let definitions: Vec<&str> = index
        .zones
        .iter()
        .filter_map(|span| std::str::from_utf8(input.get(span.clone())?).ok())
        .map(str::trim_start)
        .collect();
    let named = index.info.zone_name.as_deref().and_then(zone_by_name).map(|(zone, _)| zone);
    let default_zone = named.clone().or_else(|| options.default_zone.clone());
    let floating = match options.calendar_zone {
        CalendarZoneUse::Unknown => None,
        CalendarZoneUse::Apply => named.filter(|zone| !is_utc(zone)),
    };
    Zones::new(&definitions, default_zone, floating)
}

/// Reads and joins the components of one UID. One that cannot be read sets all of them aside: half a series is not the
/// series.
pub(crate) fn assemble_group(
    input: &[u8],
    index: &Index<'_>,
    group: usize,
    zones: &mut Zones<'_>,
    options: &ReadOptions,
) -> Result<Vec<Assembled>, QuarantineReason> {
    let mut members = Vec::new();
    for place in index.members(group) {
        if let Some(reason) = place.fault {
            return Err(reason);
        }
        members.push(read_vevent(input, place.span.clone(), zones, &options.limits)?);
    }
    series::assemble(members, options.limits.max_overrides_per_event)
}

fn finish(
    assembled: Assembled,
    info: &CalendarInfo,
    identities: &mut Identities,
    options: &ReadOptions,
) -> ReadItem {
    let Assembled { mut event, master, overrides, dropped, mut issues } = assembled;
    let mut spans: Vec<Range<usize>> =
        master.into_iter().chain(overrides.into_iter().map(|(_, span)| span)).chain(dropped).collect();
    spans.shrink_to_fit();
    spans.sort_by_key(|span| span.start);
    if event.uid.is_empty() {
        issues.push(Issue { kind: IssueKind::UidDerived, span: spans.first().cloned().unwrap_or_default() });
    }
    settle(&mut event, info, identities, options);
    ReadItem { event, spans, issues }
}

/// Gives an assembled event its identity, and what the calendar as a whole says about it.
pub(crate) fn settle(
    event: &mut Event,
    info: &CalendarInfo,
    identities: &mut Identities,
    options: &ReadOptions,
) {
    if event.uid.is_empty() || options.identity == ItemIdentity::Content {
        event.uid = identities.derive(&options.feed_key, event);
        event.uid_origin = UidOrigin::Derived;
    }
    if info.method.as_deref() == Some("CANCEL") {
        cancel(event);
    }
}

/// A text with `METHOD:CANCEL` (RFC 5546 section 3.2.5) says that its events do not take place.
fn cancel(event: &mut Event) {
    let bodies = event.overrides.values_mut().filter_map(|instance| match instance {
        Override::Changed { body, .. } => Some(&mut **body),
        Override::Excluded | Override::Added { .. } => None,
    });
    for body in event.master.iter_mut().chain(bodies) {
        body.status = Some(Status::Cancelled);
    }
}
