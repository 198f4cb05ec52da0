//! Why a text is refused as a whole, why one of its items is set aside, and what was odd about those that were read.

use std::ops::Range;

/// The text as a whole cannot be read. Nothing in it may be taken as evidence that an event is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IcalError {
    /// The text is empty, HTML, JSON or anything else that does not start with `BEGIN:VCALENDAR`.
    #[error("not an iCalendar text: it does not start with BEGIN:VCALENDAR")]
    NotICalendar,
    /// The text is larger than [`IcalLimits::max_bytes`](super::IcalLimits::max_bytes).
    #[error("iCalendar text of {bytes} bytes passes the limit of {limit}")]
    TooLarge {
        /// Its size in bytes.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// Components nest deeper than [`IcalLimits::max_depth`](super::IcalLimits::max_depth).
    #[error("iCalendar components nest deeper than {limit} at byte {offset}")]
    TooDeep {
        /// Where the component starts that is too deep.
        offset: usize,
        /// The limit.
        limit: usize,
    },
    /// More components than [`IcalLimits::max_components`](super::IcalLimits::max_components).
    #[error("iCalendar text has more than {limit} components")]
    TooManyComponents {
        /// The limit.
        limit: usize,
    },
    /// `CALSCALE` names a calendar other than `GREGORIAN`.
    #[error("the calendar scale is not GREGORIAN")]
    CalendarScale,
}

/// Why one item is set aside. It is kept, reported, and never taken as deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum QuarantineReason {
    /// There is no `DTSTART`.
    #[error("it has no DTSTART")]
    NoStart,
    /// A date or time cannot be read.
    #[error("{property} has no valid date or time")]
    BadTime {
        /// The property.
        property: &'static str,
    },
    /// No zone could be found for the `TZID` of a time, and no default zone is known.
    #[error("the time zone of {property} is unknown")]
    UnknownZone {
        /// The property.
        property: &'static str,
    },
    /// The text ends inside the component.
    #[error("the text ends in the middle of it")]
    Truncated,
    /// A content line is longer than [`IcalLimits::max_line_bytes`](super::IcalLimits::max_line_bytes).
    #[error("one of its lines passes the length limit")]
    LineTooLong,
    /// More lines than [`IcalLimits::max_lines_per_component`](super::IcalLimits::max_lines_per_component).
    #[error("it has more lines than the limit allows")]
    TooManyLines,
    /// More dates than [`IcalLimits::max_dates_per_event`](super::IcalLimits::max_dates_per_event).
    #[error("it has more RDATE and EXDATE values than the limit allows")]
    TooManyDates,
    /// More overrides than [`IcalLimits::max_overrides_per_event`](super::IcalLimits::max_overrides_per_event).
    #[error("it has more overrides than the limit allows")]
    TooManyOverrides,
}

/// Something odd that was read past. Never a reason to refuse anything; kept for reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// What was odd.
    pub kind: IssueKind,
    /// The bytes of the text it is about.
    pub span: Range<usize>,
}

/// What was odd about something that could be read all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IssueKind {
    /// A component's `END` was missing; it was closed where its parent or the text ends or a sibling starts.
    MissingEnd,
    /// Lines that are no content lines: joined to the property before them, or kept as junk.
    LooseLine,
    /// There was no `UID`: one was derived from the content.
    UidDerived,
    /// Several items share the `UID` without being instances of one series: each is an item of its own. The series among
    /// them, else the earliest, keeps the UID; the others have derived ones.
    UidShared,
    /// A second version of the same item or instance, older or identical: not read.
    DuplicateDropped,
    /// `DTEND` lies before `DTSTART`, or `DURATION` is negative: read as no length.
    NegativeLength,
    /// `DTEND` or `DURATION` cannot be read: ignored.
    BadEnd,
    /// `RRULE`, `RDATE` or `EXDATE` inside an override: ignored.
    RuleInOverride,
    /// An override with a rule of its own and no master: read as a series.
    OverrideIsSeries,
    /// Overrides without a master: read as single instances.
    MasterMissing,
    /// A value of `EXDATE` or `RDATE` cannot be read: ignored.
    BadDate,
    /// A recurrence rule cannot be understood: kept as text.
    OpaqueRule,
    /// An alarm cannot be understood: ignored.
    BadAlarm,
}
