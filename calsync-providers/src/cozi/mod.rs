//! Cozi family calendars, over the interface its own web application uses. **Nobody documents that interface or promises
//! that it stays; using it may be against Cozi's terms.** It is off until [`UnofficialApi::Accepted`] is set.
//!
//! The supported way needs nothing of this: Cozi publishes feeds, which [`crate::ics`] reads, and subscribes to feeds,
//! which `calsync_core::publish` writes. `docs/providers/cozi.md` shows both, and lists what of this module wants a check
//! against the live service.
//!
//! In: a user name, a password, an opt-in. Out: a [`Provider`](calsync_core::provider::Provider) with one calendar, the
//! household's. Cozi has no change feed: months are read one by one and compared with what was there before. No people are
//! ever notified by what is written.
//!
//! | file | subject |
//! |---|---|
//! | `session` | signing in, and the token |
//! | `calls` | addresses of requests |
//! | `pull`, `fetch`, `push` | the requests put together: changes, payloads, writes |
//! | `item` | the payload and its version |
//! | `map/` | the payload to the neutral event and back: pure |
//! | `wire`, `error` | what answers look like, what a status and a refusal mean |
//! | `cursor` | what was seen, and in which months |

mod calls;
mod capability;
mod config;
mod cursor;
mod error;
mod fetch;
mod item;
mod map;
mod provider;
mod pull;
mod push;
mod session;
mod wire;

pub use config::{ApiVersions, CoziConfig, Reminders, Subscribed, UnofficialApi, Window};
pub use provider::CoziProvider;
