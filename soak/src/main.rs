//! Kills workers under load, and looks whether anything was lost or doubled: what `cargo xtask soak` starts.
//!
//! One process plays the server and the people who edit on both sides, and kills a worker every few seconds; the workers
//! are processes of their own. At the end nobody is killed any more, and soon both sides must hold every event once, as it
//! was edited last.
#![allow(clippy::print_stdout, reason = "a command line talks to the terminal")]
#![allow(clippy::print_stderr, reason = "a command line talks to the terminal")]
#![allow(clippy::disallowed_methods, reason = "the run is timed; nothing here decides by a clock")]

mod place;
mod play;
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
