//! The neutral model of a calendar: what every provider is read into and written from.
//!
//! In: nothing, these are plain values. Out: [`Event`] (one calendar object, a single event or a whole series), its
//! parts, and the identifiers of rows. The words are those of JSCalendar (RFC 8984) where it has one.
//!
//! Two rules hold everywhere:
//!
//! - **Time is what the user said**, never a guess: a date, a floating time, a wall-clock time in a zone, or an
//!   instant ([`EventTime`]). Instants are derived from it, not the other way round.
//! - **Event text is private**: `Debug` of these types shows structure, never titles, addresses or identifiers.

mod alarm;
mod calendar;
mod color;
mod event;
mod ids;
mod people;
mod recurrence_id;
mod text;
mod time;

pub use crate::recurrence::RuleEntry;
pub use alarm::{Alarm, AlarmAction, AlarmTrigger, RelativeTo};
pub use calendar::Calendar;
pub use color::Color;
pub use event::{
    Descent, Event, EventBody, FreeBusyStatus, Lineage, Override, OverrideScope, Privacy, Status, UidOrigin,
    VirtualLocation,
};
pub use ids::{CalendarId, ConnectionId, EventId, LinkId, RemoteCalendarId, RemoteId, RunId, Version};
pub use people::{Participant, ParticipationStatus, Person, Role};
pub use recurrence_id::{RecurrenceId, RecurrenceIdError};
pub use time::{EventTime, Fold, TimeSpan};
