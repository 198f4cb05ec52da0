//! Google Calendar (API v3) in memory: the part of it that synchronisation touches, with one switch for each way the
//! service is known, or said, to be difficult.
//!
//! [`GoogleServer::start`] serves `calendar/v3/`, `batch/calendar/v3` and an [authorization server](crate::oauth) on a free
//! port of 127.0.0.1. [`GoogleQuirks`]
//! holds the switches; [`Fault`](crate::dav::Fault) scripts what networks and front ends do to single requests, also to
//! the parts of a batch. The methods of [`GoogleServer`] act behind the client's back and tell what it sent: how many
//! people would have been mailed, how much quota was used.
//!
//! ```
//! use calsync_testkit::google::{GoogleOptions, GoogleServer};
//! use serde_json::json;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let server = GoogleServer::start(GoogleOptions::default())?;
//! server.put("primary", json!({"summary": "Lunch", "start": {"date": "2026-03-01"}, "end": {"date": "2026-03-02"}}));
//! // A client with `server.url()` as root and the bearer token `secret` goes here.
//! assert_eq!(server.mails(), 0);
//! # Ok(())
//! # }
//! ```
//!
//! Channels call whoever watches, at `http` addresses of this machine; all other calls are recorded and not made. What
//! [`GoogleServer::follow`] is told, clients in other languages send to `/emulator`.
//!
//! Not served: access control lists (a change of access rights is `do expire-sync-tokens`), settings, `quickAdd`, `move`,
//! transfer of ownership; of calendars `PATCH`, `PUT`, `DELETE` and `clear`; writes of the calendar list, and channels for it.

mod batch;
mod check;
mod control;
mod events;
mod list;
mod other;
mod quirks;
mod reply;
mod route;
mod series;
mod server;
mod state;

pub use control::Notification;
pub use quirks::GoogleQuirks;
pub use server::{GoogleOptions, GoogleServer};
