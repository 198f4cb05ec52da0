//! Microsoft 365 and Outlook.com calendars (Microsoft Graph v1.0).
//!
//! In: a source of access tokens ([`MicrosoftConfig`]). Out: a [`Provider`](calsync_core::provider::Provider).
//!
//! Graph keeps the master of a series, its exceptions and its cancelled dates apart. Here they are one item: its payload
//! is the master's JSON as sent, with `exceptionOccurrences` and `cancelledOccurrences` in it, and its name is the
//! master's immutable id.
//!
//! | file | subject |
//! |---|---|
//! | `calls` | addresses, parameters and headers of requests |
//! | `pull`, `fetch`, `push` | the requests put together: changes, payloads, writes |
//! | `occurrences` | writes to single instances of a series, in an order that can be interrupted |
//! | `batch` | up to 20 requests in one (`$batch`) |
//! | `watch`, `schedule` | subscriptions, busy times |
//! | `item` | the payload: its version, its parts, what is marked on it |
//! | `map/` | the payload to the neutral event and back: pure |
//! | `wire`, `error` | what answers look like, what a status and a code mean |
//! | `cursor` | where a pull stopped |
//!
//! `docs/providers/microsoft.md` lists what was taken from documentation and wants a check against the live service.

mod batch;
mod calls;
mod capability;
mod config;
mod cursor;
mod error;
mod fetch;
mod item;
mod map;
mod occurrences;
mod provider;
mod pull;
mod push;
mod schedule;
mod watch;
mod wire;

pub use config::{DeltaSource, Listing, MicrosoftConfig, MonthEnd, Window};
pub use provider::MicrosoftProvider;
