//! A scripted CalDAV server: well-behaved by default, with one switch for each way real servers are not.
//!
//! [`DavServer::start`] serves WebDAV and CalDAV (RFC 4918, 4791, 5397, 6578, 6764, 5689) on a free local port. [`Quirks`] holds the
//! switches and the list of what they reproduce. [`Fault`] scripts what networks and front ends do to single requests.
//! `Quirks::radicale()` and its neighbours set the switches as known products have them.
//! The methods of [`DavServer`] act behind the client's back and tell what it sent.
//!
//! ```
//! use calsync_testkit::dav::{DavOptions, DavServer, Fault, IfNoneMatch, Quirks};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let quirks = Quirks { if_none_match: IfNoneMatch::Ignored, ..Quirks::default() };
//! let server = DavServer::start(DavOptions::with_quirks(quirks))?;
//! server.inject(Fault::status(503).retry_after_seconds(30).on_method("REPORT"));
//! // A client with `server.url()`, user name `user` and password `secret` goes here.
//! assert!(server.requests().iter().all(|request| request.method != "POST"));
//! # Ok(())
//! # }
//! ```
//!
//! Not served: scheduling, ACL changes, locks, COPY and MOVE, expansion of series in reports.

mod body;
mod collection;
mod control;
mod dispatch;
mod fault;
mod gzip;
mod href;
mod ical;
mod object;
mod presets;
mod propfind;
mod quirks;
mod record;
mod reply;
mod report;
mod server;
mod state;
mod switch;
mod sync;
mod xml;

pub use fault::{Edit, Fault, FaultAction};
pub use quirks::Quirks;
pub use record::RecordedRequest;
pub use server::{DavOptions, DavServer};
pub use state::Access;
pub use switch::*;
