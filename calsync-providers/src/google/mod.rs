//! Google Calendar (API v3).
//!
//! In: a source of access tokens ([`GoogleConfig`]). Out: a [`Provider`](calsync_core::provider::Provider).
//!
//! Google keeps the master of a series and its exceptions as events of their own. Here they are one item: its payload is
//! a JSON document with the master and every exception exactly as sent, and its name is the master's id.
//!
//! | file | subject |
//! |---|---|
//! | `calls` | the requests: paths, parameters, bodies |
//! | `calendars`, `channel`, `freebusy` | the calendar list, push channels, busy times |
//! | `pull`, `round`, `fetch`, `push` | the requests put together: changes, payloads, writes |
//! | `batch` | many requests in one (`multipart/mixed`), and writes that happen to be due together |
//! | `item` | the payload: folded, read, its version |
//! | `map/` | the payload to the neutral event and back: pure |
//! | `wire`, `error` | what answers look like, what a status and a reason mean |
//! | `cursor` | where a pull stopped |
//!
//! `docs/providers/google.md` lists what was taken from documentation and wants a check against the live service.

mod batch;
mod calendars;
mod calls;
mod capability;
mod channel;
mod config;
mod cursor;
mod error;
mod fetch;
mod freebusy;
mod item;
mod map;
mod plain;
mod provider;
mod pull;
mod push;
mod round;
mod wire;

pub use config::{EventColors, GoogleConfig, HiddenCalendars, NoAlarms, UpdateMethod};
pub use provider::GoogleProvider;
