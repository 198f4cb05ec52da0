//! A feed taken apart: calendars, zone definitions and events as slices of the downloaded bytes.
//!
//! In: bytes nobody vouches for. Out: a [`Feed`] whose [`Component`]s borrow them, or a [`FeedError`] when the bytes are
//! no complete calendar. One pass over the lines, no recursion; what is wrong with one event is noted on that event.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use calsync_core::ical::{ContentLine, Line, Lines};

use super::config::IcsLimits;
use super::error::{FeedError, Found};

/// Components that stand directly below `VCALENDAR`: one that starts inside another shows that an `END` is missing.
const SIBLINGS: [&[u8]; 5] = [b"VEVENT", b"VTODO", b"VJOURNAL", b"VFREEBUSY", b"VTIMEZONE"];
/// Lines that generators rewrite at every fetch, or that are bookkeeping no merge compares: no part of a version.
const VOLATILE: [&[u8]; 6] =
    [b"DTSTAMP", b"CREATED", b"LAST-MODIFIED", b"SEQUENCE", b"UID", b"X-WR-ALARMUID"];
/// How deep components may nest; an honest alarm is at depth 3.
const MAX_DEPTH: usize = 8;

/// Why an event cannot be handed on as it is. Its siblings are not touched by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    LineTooLong,
    TooDeep,
}

impl Flaw {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::LineTooLong => "LINE-TOO-LONG",
            Self::TooDeep => "NESTED-TOO-DEEPLY",
        }
    }
}

/// One `VEVENT`, as its lines stand in the feed.
#[derive(Clone)]
pub(super) struct Component<'a> {
    /// From its `BEGIN` line to its `END` line, line ends included.
    pub(super) bytes: &'a [u8],
    /// The `VCALENDAR` it stands in, as an index.
    pub(super) calendar: usize,
    /// `UID`, when there is one that is not blank.
    pub(super) uid: Option<String>,
    /// `RECURRENCE-ID` with its parameters.
    pub(super) recurrence_id: Option<String>,
    /// `DTSTART` with its parameters.
    pub(super) start: Option<String>,
    pub(super) summary: Option<String>,
    pub(super) sequence: u64,
    pub(super) last_modified: Option<String>,
    /// Whether it has a rule or added dates.
    pub(super) repeats: bool,
    /// Zone names its times use.
    pub(super) zones: BTreeSet<String>,
    /// Where its `UID` lines are, within `bytes`.
    pub(super) uid_lines: Vec<Range<usize>>,
    /// Where its `STATUS` lines are, within `bytes`.
    pub(super) status_lines: Vec<Range<usize>>,
    pub(super) flaw: Option<Flaw>,
    /// Hash of its lines without the volatile ones.
    pub(super) content: blake3::Hash,
}

/// What a `VCALENDAR` says about everything in it.
#[derive(Clone, Default)]
pub(super) struct Head<'a> {
    /// The lines that change what its events mean, or tell which program wrote them.
    pub(super) kept: Vec<&'a [u8]>,
    pub(super) has_version: bool,
    /// `X-WR-TIMEZONE`, as written.
    pub(super) zone: Option<String>,
    /// `METHOD:CANCEL`: every event in it is called off (RFC 5546 section 3.2.5).
    pub(super) cancels: bool,
    pub(super) name: Option<String>,
    pub(super) wr_name: Option<String>,
    pub(super) color: Option<String>,
    pub(super) refresh: Option<String>,
    zones: BTreeMap<String, Zone<'a>>,
}

/// A zone definition (`VTIMEZONE`).
#[derive(Clone, Copy)]
pub(super) struct Zone<'a> {
    pub(super) bytes: &'a [u8],
    /// Hash of the bytes, made once: many events may use one large definition.
    pub(super) hash: blake3::Hash,
}

/// A feed that could be listed.
#[derive(Clone, Default)]
pub(super) struct Feed<'a> {
    pub(super) calendars: Vec<Head<'a>>,
    pub(super) components: Vec<Component<'a>>,
    /// Something is known to be missing: a calendar without `END`, or events outside of any.
    pub(super) has_gaps: bool,
    /// The first definition of each zone name.
    zones: BTreeMap<String, Zone<'a>>,
}

impl<'a> Feed<'a> {
    /// The definition of a zone as a component of the calendar sees it: its own, else that of another calendar of the
    /// feed, else one whose name goes on where an unquoted `:` cut the parameter (`TZID=GMT+01:00:`).
    pub(super) fn zone(&self, calendar: usize, tzid: &str) -> Option<Zone<'a>> {
        let own = self.calendars.get(calendar).map(|head| &head.zones);
        own.and_then(|zones| zones.get(tzid))
            .or_else(|| self.zones.get(tzid))
            .or_else(|| {
                let (name, zone) = own?.range(tzid.to_owned()..).next()?;
                name.starts_with(tzid).then_some(zone)
            })
            .copied()
    }
}

/// Takes a feed apart.
///
/// # Errors
///
/// When the bytes are no calendar, end before the calendar does, or hold more than the limits allow.
pub(super) fn split<'a>(bytes: &'a [u8], limits: &IcsLimits) -> Result<Feed<'a>, FeedError> {
    if bytes.len() > limits.max_bytes {
        return Err(FeedError::TooLarge { limit: limits.max_bytes });
    }
    check_is_calendar(bytes)?;
    let mut splitter = Splitter { bytes, limits, feed: Feed::default(), inside: Inside::Nothing };
    for line in Lines::new(bytes) {
        splitter.line(line)?;
    }
    if !matches!(splitter.inside, Inside::Nothing) {
        return Err(FeedError::Truncated);
    }
    Ok(splitter.feed)
}

fn check_is_calendar(bytes: &[u8]) -> Result<(), FeedError> {
    let first = Lines::new(bytes).find(|line| !line.is_blank());
    match first.map(|line| kind(&line)) {
        None => Err(FeedError::Empty),
        Some(Kind::Begin(name)) if name.eq_ignore_ascii_case(b"VCALENDAR") => Ok(()),
        Some(_) => Err(FeedError::NotCalendar { found: Found::of(bytes) }),
    }
}

enum Inside<'a> {
    /// Between calendars.
    Nothing,
    /// Directly in a `VCALENDAR`.
    Calendar,
    /// In one of its components.
    Component(Box<Open<'a>>),
}

/// A component whose end has not come yet.
struct Open<'a> {
    is_event: bool,
    is_zone: bool,
    start: usize,
    tzid: Option<String>,
    /// The names of the open components, the outermost first.
    names: Vec<Cow<'a, [u8]>>,
    last: Field,
    hash: blake3::Hasher,
    component: Component<'a>,
}

/// The field that a loose line, one that lost its fold, goes on with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Uid,
    Start,
    RecurrenceId,
    Summary,
    Volatile,
    Other,
}

struct Splitter<'a, 'l> {
    bytes: &'a [u8],
    limits: &'l IcsLimits,
    feed: Feed<'a>,
    inside: Inside<'a>,
}

impl<'a> Splitter<'a, '_> {
    fn line(&mut self, line: Line<'a>) -> Result<(), FeedError> {
        match kind(&line) {
            Kind::Begin(name) if name.eq_ignore_ascii_case(b"VCALENDAR") => {
                if !matches!(self.inside, Inside::Nothing) {
                    self.feed.has_gaps = true;
                    self.close_component(line.offset())?;
                }
                // No more calendars than events: each costs memory, however empty it is.
                if self.feed.calendars.len() >= self.limits.max_events {
                    return Err(FeedError::TooManyEvents { limit: self.limits.max_events });
                }
                self.feed.calendars.push(Head::default());
                self.inside = Inside::Calendar;
            }
            Kind::End(name) if name.eq_ignore_ascii_case(b"VCALENDAR") => {
                self.close_component(line.offset())?;
                self.inside = Inside::Nothing;
            }
            Kind::Begin(name) => self.begin(name, line)?,
            Kind::End(name) => self.end(&name, line)?,
            Kind::Property(name) => self.property(&name, line),
            Kind::Loose => self.loose(line),
        }
        Ok(())
    }

    fn begin(&mut self, name: Cow<'a, [u8]>, line: Line<'a>) -> Result<(), FeedError> {
        let is_sibling = SIBLINGS.iter().any(|sibling| sibling.eq_ignore_ascii_case(&name));
        if is_sibling {
            self.close_component(line.offset())?;
        }
        match &mut self.inside {
            Inside::Nothing => self.feed.has_gaps |= is_sibling,
            Inside::Calendar => {
                let calendar = self.feed.calendars.len().saturating_sub(1);
                self.inside = Inside::Component(Box::new(Open::new(name, line.offset(), calendar)));
                self.take_line(line);
            }
            Inside::Component(open) => {
                if open.names.len() + 1 < MAX_DEPTH {
                    open.names.push(name);
                } else {
                    open.component.flaw.get_or_insert(Flaw::TooDeep);
                }
                open.last = Field::Other;
                self.take_line(line);
            }
        }
        Ok(())
    }

    fn end(&mut self, name: &[u8], line: Line<'a>) -> Result<(), FeedError> {
        self.take_line(line);
        if let Inside::Component(open) = &mut self.inside
            && let Some(at) = open.names.iter().rposition(|open| open.eq_ignore_ascii_case(name))
        {
            open.names.truncate(at);
            open.last = Field::Other;
            if at == 0 {
                self.close_component(line.end())?;
            }
        }
        Ok(())
    }

    /// Ends the open component, when there is one, where `end` is.
    fn close_component(&mut self, end: usize) -> Result<(), FeedError> {
        if !matches!(self.inside, Inside::Component(_)) {
            return Ok(());
        }
        let Inside::Component(open) = std::mem::replace(&mut self.inside, Inside::Calendar) else {
            return Ok(());
        };
        let bytes = self.bytes.get(open.start..end).unwrap_or_default();
        if open.is_event {
            if self.feed.components.len() >= self.limits.max_events {
                return Err(FeedError::TooManyEvents { limit: self.limits.max_events });
            }
            let content = open.hash.finalize();
            let uid = open.component.uid.filter(|uid| !uid.is_empty());
            self.feed.components.push(Component { bytes, content, uid, ..open.component });
        } else if let (true, Some(tzid), None) = (open.is_zone, open.tzid, open.component.flaw)
            && let Some(head) = self.feed.calendars.last_mut()
        {
            let zone = Zone { bytes, hash: blake3::hash(bytes) };
            head.zones.entry(tzid.clone()).or_insert(zone);
            self.feed.zones.entry(tzid).or_insert(zone);
        }
        Ok(())
    }

    /// Counts a line into the open component: its length, and its content unless it is volatile.
    fn take_line(&mut self, line: Line<'a>) {
        if let Inside::Component(open) = &mut self.inside {
            if line.raw().len() > self.limits.max_line_bytes {
                open.component.flaw.get_or_insert(Flaw::LineTooLong);
            }
            if open.is_event && open.last != Field::Volatile && open.last != Field::Uid {
                open.hash.update(line.raw().trim_ascii_end());
                open.hash.update(b"\n");
            }
        }
    }

    fn property(&mut self, name: &[u8], line: Line<'a>) {
        match &mut self.inside {
            Inside::Nothing => {}
            Inside::Calendar => {
                if let (true, Some(head)) =
                    (line.raw().len() <= self.limits.max_line_bytes, self.feed.calendars.last_mut())
                {
                    head.property(name, line);
                }
            }
            Inside::Component(open) => {
                open.last = if VOLATILE.iter().any(|volatile| volatile.eq_ignore_ascii_case(name)) {
                    Field::Volatile
                } else {
                    Field::Other
                };
                if line.raw().len() <= self.limits.max_line_bytes {
                    open.property(name, line);
                }
                self.take_line(line);
            }
        }
    }

    fn loose(&mut self, line: Line<'a>) {
        self.take_line(line);
        let Inside::Component(open) = &mut self.inside else { return };
        if line.is_blank() || line.raw().len() > self.limits.max_line_bytes {
            return;
        }
        let (field, spans) = match open.last {
            Field::Uid => (&mut open.component.uid, Some(&mut open.component.uid_lines)),
            Field::Start => (&mut open.component.start, None),
            Field::RecurrenceId => (&mut open.component.recurrence_id, None),
            Field::Summary => (&mut open.component.summary, None),
            Field::Volatile | Field::Other => return,
        };
        if let Some(text) = field {
            text.push_str(&line.text());
        }
        if let Some(span) = spans.and_then(|spans| spans.last_mut()) {
            span.end = line.end() - open.start;
        }
    }
}

impl<'a> Open<'a> {
    fn new(name: Cow<'a, [u8]>, start: usize, calendar: usize) -> Self {
        Self {
            is_event: name.eq_ignore_ascii_case(b"VEVENT"),
            is_zone: name.eq_ignore_ascii_case(b"VTIMEZONE"),
            start,
            tzid: None,
            names: vec![name],
            last: Field::Other,
            hash: blake3::Hasher::new(),
            component: Component {
                bytes: &[],
                calendar,
                uid: None,
                recurrence_id: None,
                start: None,
                summary: None,
                sequence: 0,
                last_modified: None,
                repeats: false,
                zones: BTreeSet::new(),
                uid_lines: Vec::new(),
                status_lines: Vec::new(),
                flaw: None,
                content: blake3::Hash::from([0; 32]),
            },
        }
    }

    fn property(&mut self, name: &[u8], line: Line<'a>) {
        if self.names.len() > 1 {
            return;
        }
        let is = |expected: &str| name.eq_ignore_ascii_case(expected.as_bytes());
        if self.is_zone {
            if is("TZID") && self.tzid.is_none() {
                self.tzid = value(&line);
            }
            return;
        }
        if !self.is_event {
            return;
        }
        let component = &mut self.component;
        let span = || line.offset() - self.start..line.end() - self.start;
        if is("UID") {
            self.last = Field::Uid;
            component.uid_lines.push(span());
            // The first one counts; a second is no reason to become another item.
            if component.uid.is_none() {
                component.uid = Some(value(&line).unwrap_or_default());
            } else {
                self.last = Field::Volatile;
            }
        } else if is("DTSTART") {
            self.last = Field::Start;
            component.start = tail(&line);
            component.zones.extend(tzid(&line));
        } else if is("RECURRENCE-ID") {
            self.last = Field::RecurrenceId;
            component.recurrence_id = tail(&line);
            component.zones.extend(tzid(&line));
        } else if is("SUMMARY") {
            self.last = Field::Summary;
            component.summary = value(&line);
        } else if is("DTEND") || is("EXDATE") {
            component.zones.extend(tzid(&line));
        } else if is("RDATE") {
            component.repeats = true;
            component.zones.extend(tzid(&line));
        } else if is("RRULE") {
            component.repeats = true;
        } else if is("STATUS") {
            component.status_lines.push(span());
        } else if is("SEQUENCE") {
            component.sequence = value(&line).and_then(|text| text.parse().ok()).unwrap_or(0);
        } else if is("LAST-MODIFIED") {
            component.last_modified = value(&line);
        }
    }
}

impl<'a> Head<'a> {
    fn property(&mut self, name: &[u8], line: Line<'a>) {
        let is = |expected: &str| name.eq_ignore_ascii_case(expected.as_bytes());
        if is("X-WR-TIMEZONE") {
            self.zone = value(&line);
            self.kept.push(line.raw());
        } else if is("VERSION") {
            self.has_version = true;
            self.kept.push(line.raw());
        } else if is("PRODID") || is("CALSCALE") {
            self.kept.push(line.raw());
        } else if is("METHOD") {
            self.cancels = value(&line).is_some_and(|method| method.eq_ignore_ascii_case("CANCEL"));
        } else if is("NAME") {
            self.name = value(&line);
        } else if is("X-WR-CALNAME") {
            self.wr_name = value(&line);
        } else if is("COLOR") {
            self.color = value(&line);
        } else if is("X-APPLE-CALENDAR-COLOR") || is("X-OUTLOOK-COLOR") {
            self.color = self.color.take().or_else(|| value(&line));
        } else if is("REFRESH-INTERVAL") {
            self.refresh = value(&line);
        } else if is("X-PUBLISHED-TTL") {
            self.refresh = self.refresh.take().or_else(|| value(&line));
        }
    }
}

fn value(line: &Line<'_>) -> Option<String> {
    Some(ContentLine::parse(&line.text())?.value().trim().to_owned())
}

/// The line without its name: parameters and value.
fn tail(line: &Line<'_>) -> Option<String> {
    let text = line.text();
    let line = ContentLine::parse(&text)?;
    Some(format!("{}:{}", line.raw_params(), line.value().trim()))
}

fn tzid(line: &Line<'_>) -> Option<String> {
    Some(ContentLine::parse(&line.text())?.param("TZID")?.trim().to_owned())
}

/// What a line is, told from its first bytes.
enum Kind<'a> {
    Begin(Cow<'a, [u8]>),
    End(Cow<'a, [u8]>),
    Property(Cow<'a, [u8]>),
    /// Blank, or the rest of the line before it.
    Loose,
}

fn kind<'a>(line: &Line<'a>) -> Kind<'a> {
    let raw = line.raw();
    let raw = raw.strip_prefix(b"\xEF\xBB\xBF").filter(|_| line.offset() == 0).unwrap_or(raw);
    if !line.is_folded() {
        return kind_of(raw);
    }
    let first = &raw[..memchr::memchr2(b'\r', b'\n', raw).unwrap_or(raw.len())];
    match kind_of(first) {
        // Components' names are short and nobody folds them, unless to see what happens.
        Kind::Property(name) => Kind::Property(name),
        Kind::Loose | Kind::Begin(_) | Kind::End(_) => match kind_of(&line.content()) {
            Kind::Begin(name) => Kind::Begin(Cow::Owned(name.into_owned())),
            Kind::End(name) => Kind::End(Cow::Owned(name.into_owned())),
            Kind::Property(name) => Kind::Property(Cow::Owned(name.into_owned())),
            Kind::Loose => Kind::Loose,
        },
    }
}

fn kind_of(bytes: &[u8]) -> Kind<'_> {
    let bytes = bytes.trim_ascii();
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/');
    let length = bytes.iter().position(|byte| !is_name(byte)).unwrap_or(bytes.len());
    let name = &bytes[..length];
    let rest = bytes[length..].trim_ascii_start();
    if name.is_empty() || !matches!(rest.first(), Some(b':' | b';')) {
        return Kind::Loose;
    }
    let component = || Cow::Borrowed(rest[1..].trim_ascii());
    if name.eq_ignore_ascii_case(b"BEGIN") {
        Kind::Begin(component())
    } else if name.eq_ignore_ascii_case(b"END") {
        Kind::End(component())
    } else {
        Kind::Property(Cow::Borrowed(name))
    }
}
