//! ICS subscriptions: a calendar somebody publishes as one text, read over and over.
//!
//! In: the address of a feed. Out: its items, one per UID, with payloads of their own and versions that only change
//! when the content does; or a typed error, never an empty listing for what could not be read.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use calsync_core::{context::SystemClock, provider::{ChangesRequest, Provider}};
//! use calsync_providers::{http::{ReqwestOptions, ReqwestTransport}, ics::{IcsConfig, IcsProvider}};
//!
//! # async fn pull() -> Result<(), Box<dyn std::error::Error>> {
//! let transport = Arc::new(ReqwestTransport::new(&ReqwestOptions::default())?);
//! let config = IcsConfig::new("webcal://example.com/holidays.ics");
//! let provider = IcsProvider::new(config, transport, Arc::new(SystemClock))?;
//! let page = provider.changes(provider.calendar(), ChangesRequest::default()).await?;
//! println!("{} events; ask again in {:?}", page.changes.len(), provider.refresh_after(page.cursor.as_ref()));
//! # Ok(())
//! # }
//! ```
//!
//! | step | module |
//! |---|---|
//! | the forms of an address | `source` |
//! | conditional GET, redirects, statuses, files | `fetch`, `inflate` |
//! | bytes to events, as slices | `split` |
//! | events to items: duplicates, names, versions | `items` |
//! | an item as a text of its own | `payload` |
//! | what changed, what to believe | `listing`, `cursor` |
//!
//! The items of a feed are known by their UIDs, or by start and title where the feed has no UIDs or invents them anew.

mod capability;
mod config;
mod cursor;
mod error;
mod fetch;
mod inflate;
mod items;
mod listing;
mod payload;
mod provider;
mod read;
mod refresh;
mod source;
mod split;

pub use config::{FeedAlarms, IcsConfig, IcsLimits, UidCheck};
pub use error::{FeedError, Found};
pub use provider::IcsProvider;
