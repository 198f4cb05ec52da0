//! A scripted CalDAV server: well-behaved by default, with one switch for each way real servers are not.
//!
//! [`DavServer::start`] serves WebDAV and CalDAV (RFC 4918, 4791, 5397, 6578, 6764, 5689) on a free local port. [`Quirks`] holds the
//! switches and the list of what they reproduce. [`Fault`] scripts what networks and front ends do to single requests.
//! The methods of [`DavServer`] act behind the client's back and tell what it sent.
//!
//! Not served: scheduling, ACL changes, locks, COPY and MOVE, free-busy, expansion of series in reports.

mod body;
mod collection;
mod control;
mod dispatch;
mod fault;
mod gzip;
mod href;
mod ical;
mod object;
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

pub use fault::{Fault, FaultAction};
pub use quirks::Quirks;
pub use record::RecordedRequest;
pub use server::{DavOptions, DavServer};
pub use state::Access;
pub use switch::*;
