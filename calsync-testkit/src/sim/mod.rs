//! The whole engine in a world where everything goes wrong, from one seed.
//!
//! In: a [`Script`], drawn from a seed or read from a file, and an empty store. Out: an [`Outcome`] with what was checked and
//! what was broken.
//!
//! Every call of store and provider is a point where anything may happen: somebody edits any side, a worker dies, the call
//! fails before or after its effect, another worker goes first, time passes. Then everything calms down, and within three
//! cycles all sides hold the same, nothing anybody wrote is lost, and the next cycle does nothing. What is checked never looks
//! into the engine: only at what people did, at the sides, and at what crosses the two traits.

mod book;
mod control;
mod crash;
mod emulated;
mod executor;
mod fault;
mod google;
mod graph;
mod guard;
mod law;
mod oracle;
mod people;
mod plant;
mod play;
mod provider;
mod rng;
mod scenario;
mod script;
mod server;
mod shrink;
mod store;
mod wire;
mod world;

pub use control::{Outcome, Stats, Violation};
pub use crash::{Crashes, Deaths, crash_everywhere, pause_everywhere, slow_everywhere};
pub use executor::wait;
pub use fault::Fault;
pub use law::Law;
pub use plant::Plant;
pub use play::{Connect, Options, play};
pub use scenario::{Scenario, scenarios};
pub use script::{Dialect, Edit, LinkSetup, Profile, Quirk, RemoteKind, Remotes, Script, Setup, Step};
pub use shrink::shrink;
pub use wire::{NoAnswer, Wire, WireReply, WireRequest};
