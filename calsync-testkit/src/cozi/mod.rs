//! Cozi in memory: the part of its web application's interface that a calendar needs, with a switch for each way it is
//! said to differ. Nothing here was compared with the live service; it does what the public descriptions say.
//!
//! [`CoziServer::start`] serves `api/ext/` on a free port of 127.0.0.1. [`CoziQuirks`] holds the switches;
//! [`Fault`](crate::dav::Fault) scripts what networks do to single requests. The methods of [`CoziServer`] act behind the
//! client's back, as members of the household do, and tell what it sent.
//!
//! ```
//! use calsync_testkit::cozi::{CoziOptions, CoziServer};
//! use serde_json::json;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let server = CoziServer::start(CoziOptions::default())?;
//! server.put(json!({"day": "2026-03-01", "description": "Lunch", "startTime": "12:00:00", "endTime": "13:00:00"}));
//! // A client with `server.url()` as root, `ann@example.com` and `secret` goes here.
//! assert_eq!(server.notified(), 0);
//! # Ok(())
//! # }
//! ```
//!
//! Not served: lists, recipes, search, shared calendars, series of a calendar the household
//! [subscribes](CoziServer::subscribe) to, edits of single instances (members of the household
//! make them with [`CoziServer::change_instance`]).

mod control;
mod page;
mod quirks;
mod route;
mod server;
mod state;
mod subscribed;
mod write;

pub use quirks::CoziQuirks;
pub use server::{CoziOptions, CoziServer};
