//! What every binding of calsync is made of.
//!
//! In: the name of a method and its arguments as JSON. Out: its result as JSON, or a [`Failure`]. [`pure()`] works without
//! engine, store and network; [`Engine`] is the rest. A language crate passes text through and nothing else; the classes its
//! users see are written in that language, and a test holds them against [`surface`](surface::surface), so that nothing is
//! missing in one of them. `docs/adr/0015-bindings.md` says why.
//!
//! Arguments and results are owned values without lifetimes; the shapes are the structs of [`args`] and [`model`].

pub mod args;
mod asking;
mod connect;
mod dispatch;
mod engine;
mod failure;
mod host;
mod host_store;
pub mod model;
mod parts;
mod rows;
mod runtime;
pub mod surface;
pub mod testing;

pub use dispatch::pure;
pub use engine::Engine;
pub use failure::{Code, Failure};
pub use host::{Host, HostFailure};
pub use runtime::{Job, Runtime};
