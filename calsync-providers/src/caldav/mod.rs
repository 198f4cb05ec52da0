//! CalDAV (RFC 4791): iCloud, Fastmail, Nextcloud, Radicale and the rest.
//!
//! In: an address and a password ([`CalDavConfig`]). Out: a [`Provider`](calsync_core::provider::Provider).
//!
//! | file | subject |
//! |---|---|
//! | `address` | what was typed: the places to ask, the user names to try |
//! | `records`, `system_records` | the DNS records that say where the service of a domain is |
//! | `discovery` | from those places to the homes of the calendars |
//! | `calls/` | one file per request: what is sent, and how the answer is read |
//! | `pull`, `fetch`, `push` | the requests put together: changes, payloads, writes |
//! | `wire`, `xml` | `multistatus` and errors |
//! | `href`, `spelling`, `etag`, `cursor` | names, versions and where a pull stopped |
//! | `error` | what a status and a precondition mean |
//! | `profile` | what is known of server software, as data |
//!
//! The provider keeps no state a later process would miss: what discovery found can be taken out
//! ([`CalDavProvider::account`]) and given back ([`CalDavProvider::with_account`]), and the rest is in the cursor. How the server
//! spells the names of its items is learned again.

mod address;
mod calls;
mod capability;
mod config;
mod cursor;
mod discovery;
mod error;
mod etag;
mod fetch;
mod freebusy;
mod href;
mod map;
mod profile;
mod provider;
mod pull;
mod push;
mod records;
mod spelling;
#[cfg(all(feature = "dns", not(target_os = "android")))]
mod system_records;
mod wire;
mod xml;

pub use config::CalDavConfig;
pub use discovery::{CalendarList, DiscoveredAccount, FailedHome};
pub use href::same_calendar;
pub use profile::ServerKind;
pub use provider::CalDavProvider;
pub use records::{LookupError, ServiceRecords, SrvRecord};
#[cfg(all(feature = "dns", not(target_os = "android")))]
pub use system_records::SystemRecords;
