//! Kills workers under load, and looks whether anything was lost, doubled or came back: what `cargo xtask soak` starts.
//!
//! One process plays the server and the people who make, change and delete events on both sides, and kills a worker every few
//! seconds; the workers are processes of their own, and of three one has a fast clock and one a slow one. In between a worker
//! is stopped for longer than its lease lasts; on PostgreSQL also every connection is cut, and the server crashes and recovers. At the end
//! nothing goes wrong any more, and soon both sides must hold every event once, as it was edited last, and none that was
//! deleted; then nothing waits, the journal tells of each event, and another run writes nothing.
#![allow(clippy::print_stdout, reason = "a command line talks to the terminal")]
#![allow(clippy::print_stderr, reason = "a command line talks to the terminal")]
#![allow(clippy::disallowed_methods, reason = "the run is timed; nothing here decides by a clock")]

mod crew;
mod database;
mod place;
mod play;
mod proof;
mod side;
mod worker;

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

/// What can go wrong here: it is told, and the soak ends.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Kills workers under load.
#[derive(Parser)]
#[command(name = "calsync-soak")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Edits, kills, and looks.
    Run(play::Options),
    /// One of the workers that are killed.
    Work(worker::Options),
}

/// Where the calendars are kept.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StoreKind {
    /// One file, shared by all workers.
    Sqlite,
    /// A server of its own.
    Postgres,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let done = runtime.map_err(Failure::from).and_then(|runtime| match cli.command {
        Command::Run(options) => runtime.block_on(play::run(options)),
        Command::Work(options) => runtime.block_on(worker::run(options)),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::FAILURE
        }
    }
}
