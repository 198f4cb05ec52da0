//! What every binding of calsync is made of.
//!
//! In: the name of a method and its arguments as JSON. Out: its result as JSON, or a [`Failure`]. [`pure()`] works without
//! engine, store and network; [`Engine`] is the rest. A language crate passes text through and nothing else; the classes its
//! users see are written in that language, and a test holds them against [`surface`](surface::surface), so that nothing is
//! missing in one of them. `docs/adr/0015-bindings.md` says why.
//!
//! Arguments and results are owned values without lifetimes; the shapes are the structs of [`args`] and [`model`], and of
//! [`planned`], [`available`], [`copied`] and [`told`] for what they are about.

pub mod args;
mod asking;
pub mod available;
mod booking;
mod connect;
pub mod copied;
mod dispatch;
#[cfg(feature = "testing")]
mod emulator;
mod engine;
mod failure;
mod guarded;
mod host;
mod host_rules;
mod host_store;
pub mod host_transport;
pub mod model;
mod names;
#[cfg(feature = "oauth")]
mod oauth;
/// Accounts are not connected by OAuth here: this library was built without the feature `oauth`.
#[cfg(not(feature = "oauth"))]
#[path = "without_oauth.rs"]
mod oauth;
pub mod parts;
pub mod planned;
mod rows;
mod runtime;
#[cfg(feature = "testing")]
pub mod surface;
#[cfg(feature = "testing")]
pub mod testing;
/// What hosts test with is not in this library: it was built without the feature `testing`.
#[cfg(not(feature = "testing"))]
#[path = "untested.rs"]
pub mod testing;
pub mod told;

pub use dispatch::{caught, pure, pure_in, read};
pub use engine::Engine;
pub use failure::{Code, Failure};
pub use host::{Host, HostFailure};
pub use names::Names;
pub use runtime::{Job, Runtime};
