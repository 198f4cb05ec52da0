//! The first pass: where the components of a text are, which belong together, and whether the text is whole.
//!
//! In: the bytes. Out: spans and UIDs, some 60 bytes per event. No value is read but the UIDs and the calendar's own
//! properties, so the pass runs at the speed of the line layer.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use crate::ical::error::{IcalError, Issue, IssueKind, QuarantineReason};
use crate::ical::text::unescape;
use crate::ical::walk::{Closed, Property, Token, TooDeep, Walker, is_icalendar};
use crate::ical::{ContentLine, IcalLimits};

use super::calendar::{CalendarInfo, InfoLines};

/// One `VEVENT`.
#[derive(Clone, Debug)]
pub(crate) struct EventPlace {
    pub(crate) span: Range<usize>,
    pub(crate) fault: Option<QuarantineReason>,
    /// The next `VEVENT` with the same UID.
    next: Option<u32>,
}

/// The `VEVENT`s of one UID, or a single one without.
#[derive(Clone)]
pub(crate) struct Group<'a> {
    pub(crate) uid: Option<Cow<'a, str>>,
    first: u32,
    last: u32,
}

/// Where everything is.
pub(crate) struct Index<'a> {
    pub(crate) info: CalendarInfo,
    pub(crate) events: Vec<EventPlace>,
    pub(crate) groups: Vec<Group<'a>>,
    pub(crate) zones: Vec<Range<usize>>,
    pub(crate) other_components: usize,
    pub(crate) is_complete: bool,
    pub(crate) issues: Vec<Issue>,
}

impl<'a> Index<'a> {
    /// Finds the components of a text.
    pub(crate) fn of(input: &'a [u8], limits: &IcalLimits) -> Result<Self, IcalError> {
        if input.len() > limits.max_bytes {
            return Err(IcalError::TooLarge { bytes: input.len(), limit: limits.max_bytes });
        }
        if !is_icalendar(input) {
            return Err(IcalError::NotICalendar);
        }
        let mut builder = Builder::new(input, limits);
        let mut walker = Walker::new(input, 0..input.len(), limits.max_depth);
        loop {
            match walker.next_token() {
                Ok(None) => return builder.finish(),
                Ok(Some(token)) => builder.take(token, &walker)?,
                Err(TooDeep { offset }) => {
                    return Err(IcalError::TooDeep { offset, limit: limits.max_depth });
                }
            }
        }
    }

    /// The places of the `VEVENT`s of a group, in the order of the text.
    pub(crate) fn members(&self, group: usize) -> impl Iterator<Item = &EventPlace> {
        let mut next = self.groups.get(group).map(|group| group.first);
        std::iter::from_fn(move || {
            let place = self.events.get(next? as usize)?;
            next = place.next;
            Some(place)
        })
    }
}

/// What is open directly below the calendar.
struct Open<'a> {
    kind: Kind,
    start: usize,
    lines: usize,
    uid: Option<Cow<'a, str>>,
    fault: Option<QuarantineReason>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Event,
    Zone,
    Other,
}

struct Builder<'a, 'l> {
    limits: &'l IcalLimits,
    info: InfoLines,
    events: Vec<EventPlace>,
    groups: Vec<Group<'a>>,
    by_uid: HashMap<Cow<'a, str>, u32>,
    zones: Vec<Range<usize>>,
    components: usize,
    other_components: usize,
    open: Option<Open<'a>>,
    is_complete: bool,
    issues: Vec<Issue>,
    input: &'a [u8],
}

impl<'a, 'l> Builder<'a, 'l> {
    fn new(input: &'a [u8], limits: &'l IcalLimits) -> Self {
        Self {
            limits,
            info: InfoLines::default(),
            events: Vec::new(),
            groups: Vec::new(),
            by_uid: HashMap::new(),
            zones: Vec::new(),
            components: 0,
            other_components: 0,
            open: None,
            is_complete: true,
            issues: Vec::new(),
            input,
        }
    }

    fn issue(&mut self, kind: IssueKind, span: Range<usize>) {
        if !self.issues.iter().any(|issue| issue.kind == kind) {
            self.issues.push(Issue { kind, span });
        }
    }

    fn take(&mut self, token: Token<'a>, walker: &Walker<'a>) -> Result<(), IcalError> {
        match token {
            Token::Property(property) => self.property(&property, walker.depth())?,
            Token::Begin { name, line } if walker.depth() == 2 => {
                self.components += 1;
                if self.components > self.limits.max_components {
                    return Err(IcalError::TooManyComponents { limit: self.limits.max_components });
                }
                let kind = match &*name {
                    name if name.eq_ignore_ascii_case(b"VEVENT") => Kind::Event,
                    name if name.eq_ignore_ascii_case(b"VTIMEZONE") => Kind::Zone,
                    _ => Kind::Other,
                };
                self.open = Some(Open { kind, start: line.offset(), lines: 0, uid: None, fault: None });
            }
            Token::Begin { .. } => self.count(0),
            Token::End { closed, line } => {
                let end = line.map_or(walker.offset(), |line| line.end());
                match walker.depth() {
                    0 => {
                        self.is_complete &= closed == Closed::Explicitly;
                        if closed == Closed::ByOther {
                            self.issue(IssueKind::MissingEnd, end..end);
                        }
                    }
                    1 => self.close(closed, end),
                    _ => {}
                }
            }
            Token::Junk(line) => {
                self.count(line.raw().len());
                if walker.depth() < 2 && !line.is_blank() {
                    self.issue(IssueKind::LooseLine, line.offset()..line.end());
                }
            }
        }
        Ok(())
    }

    fn count(&mut self, bytes: usize) {
        if let Some(open) = &mut self.open {
            open.lines += 1;
            if bytes > self.limits.max_line_bytes {
                open.fault = Some(QuarantineReason::LineTooLong);
            } else if open.lines > self.limits.max_lines_per_component {
                open.fault = open.fault.or(Some(QuarantineReason::TooManyLines));
            }
        }
    }

    fn property(&mut self, property: &Property<'a>, depth: usize) -> Result<(), IcalError> {
        let bytes = property.span().len();
        self.count(bytes);
        match (depth, &mut self.open) {
            (1, _) if bytes <= self.limits.max_line_bytes => {
                if property.has_loose_lines() {
                    self.issue(IssueKind::LooseLine, property.span());
                }
                self.info.take(property)?;
            }
            (2, Some(open)) if open.kind == Kind::Event && open.uid.is_none() && property.is("UID") => {
                open.uid = uid_of(property);
            }
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, closed: Closed, end: usize) {
        let Some(open) = self.open.take() else {
            return;
        };
        let span = open.start..end;
        if closed != Closed::Explicitly {
            self.issue(IssueKind::MissingEnd, span.clone());
        }
        match open.kind {
            Kind::Zone => self.zones.push(span),
            Kind::Other => self.other_components += 1,
            Kind::Event => {
                let fault = if closed == Closed::ByEndOfText {
                    Some(QuarantineReason::Truncated)
                } else {
                    open.fault
                };
                self.event(span, open.uid, fault);
            }
        }
    }

    fn event(&mut self, span: Range<usize>, uid: Option<Cow<'a, str>>, fault: Option<QuarantineReason>) {
        // The count of components bounds both well below 2^32.
        let place = u32::try_from(self.events.len()).unwrap_or(u32::MAX);
        self.events.push(EventPlace { span, fault, next: None });
        let new_group = u32::try_from(self.groups.len()).unwrap_or(u32::MAX);
        if let Some(uid) = &uid {
            let group = *self.by_uid.entry(uid.clone()).or_insert(new_group);
            if let Some(group) = self.groups.get_mut(group as usize) {
                if let Some(last) = self.events.get_mut(group.last as usize) {
                    last.next = Some(place);
                }
                group.last = place;
                return;
            }
        }
        self.groups.push(Group { uid, first: place, last: place });
    }

    fn finish(mut self) -> Result<Index<'a>, IcalError> {
        if !self.is_complete {
            self.issue(IssueKind::MissingEnd, self.input.len()..self.input.len());
        }
        Ok(Index {
            info: self.info.finish(),
            events: self.events,
            groups: self.groups,
            zones: self.zones,
            other_components: self.other_components,
            is_complete: self.is_complete,
            issues: self.issues,
        })
    }
}

/// The UID of a `UID` line; `None` when it is empty. UIDs compare byte by byte: no case folding, no normalisation.
fn uid_of<'a>(property: &Property<'a>) -> Option<Cow<'a, str>> {
    let text = property.text();
    let uid = match &text {
        Cow::Borrowed(text) => unescape(ContentLine::parse(text)?.value().trim()),
        Cow::Owned(text) => Cow::Owned(unescape(ContentLine::parse(text)?.value().trim()).into_owned()),
    };
    (!uid.is_empty()).then_some(uid)
}
