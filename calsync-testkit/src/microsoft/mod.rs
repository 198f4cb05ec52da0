//! An emulator of the calendar of Microsoft Graph: well-behaved by default, with switches for what differs between
//! accounts, years and bad days.
//!
//! [`GraphServer::start`] serves `/v1.0` on a free local port: calendars, events, series with occurrences and exceptions,
//! `calendarView`, delta queries, `$batch`, extended properties, subscriptions with the validation handshake, and
//! `getSchedule`. [`Quirks`] holds the switches, [`Fault`] scripts what happens to single requests, and
//! [`GraphServer::mails`] counts the mails that the real service would have sent to people.
//!
//! ```
//! use calsync_testkit::microsoft::{Fault, GraphOptions, GraphServer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let server = GraphServer::start(GraphOptions::default())?;
//! server.inject(Fault::status(429).header("Retry-After", "2.128").on_method("POST"));
//! // A client with `server.url()` and the bearer token `secret` goes here.
//! assert_eq!(server.mails(), 0);
//! # Ok(())
//! # }
//! ```
//!
//! Not served: `accept`, `decline`, `tentativelyAccept`, `cancel`, `forward` and the other actions of an event, writes of calendars,
//! `calendarPermissions`, `translateExchangeIds`, `supportedTimeZones`, attachments, contacts, mail, calendar groups, open and schema extensions, permissions, `$search`, and
//! notifications with resource data. It knows the documentation and reports of practitioners, not the service: where those
//! disagree there is a switch.

mod batch;
mod calendars;
mod control;
mod delta;
mod dispatch;
mod events;
mod expand;
mod instances;
mod notify;
mod quirks;
mod render;
mod request;
mod schedule;
mod server;
mod state;
mod subscriptions;

pub use control::{Seen, StoredEvent};
pub use expand::pattern_days;
pub use quirks::{DeletedInstance, Fault, Quirks};
pub(crate) use request::{decode, encode};
pub use server::{GraphOptions, GraphServer};
