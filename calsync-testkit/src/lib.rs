//! Conformance suites, emulators and builders for everything that plugs into calsync.

pub mod availability_oracle;
pub mod bookings;
pub mod canary;
pub mod cozi;
pub mod dav;
mod deliver;
#[cfg(unix)]
pub mod dynamodb;
pub mod events;
pub mod feed;
pub mod google;
pub mod hooked_store;
mod listen;
pub mod microsoft;
pub mod oauth;
pub mod older;
#[cfg(unix)]
pub mod postgres;
pub mod provider_conformance;
pub mod recurrence_cases;
pub mod recurrence_oracle;
pub mod remote;
pub mod restored;
pub mod sim;
pub mod slow;
pub mod store_conformance;
mod switch;
pub mod world;

pub use switch::{Switch, SwitchError};
