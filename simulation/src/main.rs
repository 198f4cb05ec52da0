//! Runs the simulator: what `cargo xtask simulate` and `cargo xtask mutants` start.
#![allow(clippy::print_stdout, reason = "a command line talks to the terminal")]
#![allow(clippy::print_stderr, reason = "a command line talks to the terminal")]
#![allow(clippy::disallowed_methods, reason = "runs are timed; nothing here syncs")]

#[cfg(feature = "emulators")]
mod connect;
mod crashes;
mod mutants;
mod replay;
mod seeds;
mod stores;
mod table;
mod tokens;

use std::{path::PathBuf, process::ExitCode};

use calsync_testkit::sim::{Deaths, Dialect, Profile, Remotes};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::stores::StoreKind;

/// A play makes and forgets many small things.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The simulator.
#[derive(Parser)]
#[command(name = "calsync-simulation")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs seeds and the exhaustive crashes, or replays one seed or one file.
    Simulate(Simulate),
    /// Counts the planted bugs that are found.
    Mutants(Mutants),
}

/// What to simulate.
#[derive(Args, Clone)]
pub(crate) struct Simulate {
    /// How many seeds.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Only this one, with its trace.
    #[arg(long, conflicts_with_all = ["seeds", "from", "hours", "script"])]
    seed: Option<u64>,
    /// Which store.
    #[arg(long, value_enum, default_value_t = StoreKind::Memory)]
    store: StoreKind,
    /// Goes on for so long instead of for a number of seeds.
    #[arg(long, conflicts_with = "seeds", value_parser = hours)]
    hours: Option<f64>,
    /// Replays an action list that was written for a failing seed.
    #[arg(long, conflicts_with_all = ["seeds", "from", "hours"])]
    script: Option<PathBuf>,
    /// Only links to this provider.
    #[arg(long, value_parser = dialect)]
    dialect: Option<Dialect>,
    /// What is at the other ends: models of providers, or emulators with the real providers before them.
    #[arg(long, value_enum, default_value_t = RemoteKind::Model)]
    remote: RemoteKind,
    /// Threads; as many as there are cores when it is not given.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1024))]
    threads: Option<u64>,
    /// No seeds, and only the core scenarios whose names contain this.
    #[arg(long, conflicts_with_all = ["seeds", "from", "seed", "hours", "script"])]
    scenario: Option<String>,
    /// Only the play of this seed in which workers renew the tokens of an account.
    #[arg(long, conflicts_with_all = ["seeds", "from", "seed", "hours", "script", "scenario"])]
    tokens: Option<u64>,
    /// How often the workers of the core scenarios die: at every await, at every pair of awaits, or not at all.
    #[arg(long, value_enum, default_value_t = Crash::Singles)]
    crashes: Crash,
    /// Ends after so many seeds that broke something.
    #[arg(long, default_value_t = 1)]
    failures: usize,
    /// Where action lists of failing seeds are written.
    #[arg(long, default_value = "target/simulation")]
    out: PathBuf,
}

/// What to plant.
#[derive(Args, Clone)]
pub(crate) struct Mutants {
    /// Seeds that may be spent on each.
    #[arg(long, default_value_t = 20_000)]
    seeds: u64,
    /// Only those whose name contains this.
    #[arg(long)]
    only: Option<String>,
}

/// Where the workers of the core scenarios die.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Crash {
    /// Nowhere.
    None,
    /// At every await, once.
    Singles,
    /// At every pair of awaits.
    Pairs,
}

impl Crash {
    /// How often they die, when they do.
    pub(crate) fn deaths(self) -> Option<Deaths> {
        match self {
            Self::None => None,
            Self::Singles => Some(Deaths::Singles),
            Self::Pairs => Some(Deaths::Pairs),
        }
    }
}

/// What is at the other ends of the links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RemoteKind {
    /// Models, the fastest.
    Model,
    /// Google's emulator.
    #[cfg(feature = "emulators")]
    Google,
    /// Microsoft's emulator.
    #[cfg(feature = "emulators")]
    Microsoft,
    /// Either emulator, link by link.
    #[cfg(feature = "emulators")]
    Emulators,
}

impl RemoteKind {
    fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            #[cfg(feature = "emulators")]
            Self::Google => "google",
            #[cfg(feature = "emulators")]
            Self::Microsoft => "microsoft",
            #[cfg(feature = "emulators")]
            Self::Emulators => "emulators",
        }
    }
}

impl Simulate {
    /// Which simulations are drawn.
    pub(crate) fn profile(&self) -> Profile {
        let remotes = match self.remote {
            RemoteKind::Model => Remotes::Model,
            #[cfg(feature = "emulators")]
            RemoteKind::Google => Remotes::Google,
            #[cfg(feature = "emulators")]
            RemoteKind::Microsoft => Remotes::Microsoft,
            #[cfg(feature = "emulators")]
            RemoteKind::Emulators => Remotes::Emulators,
        };
        Profile { dialect: self.dialect, remotes }
    }
}

fn hours(text: &str) -> Result<f64, String> {
    let hours = text.parse::<f64>().ok().filter(|hours| hours.is_finite() && *hours > 0.0);
    hours.filter(|hours| *hours < 10_000.0).ok_or_else(|| "more than 0 and less than 10000".to_owned())
}

fn dialect(name: &str) -> Result<Dialect, String> {
    serde_json::from_value(name.into()).map_err(|_| "one of caldav, google, graph, feed".to_owned())
}

fn main() -> ExitCode {
    let clean = match Cli::parse().command {
        Command::Simulate(options) if options.seed.is_some() || options.script.is_some() => {
            replay::run(&options)
        }
        Command::Simulate(Simulate { tokens: Some(seed), .. }) => {
            let looks = tokens::run(seed, 1, 1);
            println!("{} looks at what is kept", looks.count);
            looks.broken.is_none()
        }
        Command::Simulate(options) => seeds::run(&options),
        Command::Mutants(options) => mutants::run(&options),
    };
    if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
