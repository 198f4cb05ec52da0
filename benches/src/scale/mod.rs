//! How calsync grows: with the calendar, with the distance, with the number of connections.
//!
//! Not part of a plain `cargo xtask bench`: with a million events and ten thousand connections it takes twenty minutes.

mod database;
mod day;
mod far;
pub(crate) mod first;
mod growth;
mod remote;
mod targets;

use crate::report::Report;
use crate::{Options, Outcome};

pub(crate) fn run(options: &Options) -> Outcome<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    // The emulators serve on it.
    let _inside = runtime.enter();
    let mut report = Report::told();
    first::run(options, &runtime, &mut report)?;
    day::run(options, &runtime, &mut report)?;
    growth::run(options, &runtime, &mut report)?;
    Ok(report)
}
