//! Every developer command of the workspace: `cargo xtask <command>`.
//!
//! `test` and `lint` are what CI runs, word for word (`.ci/run`). The rest are the parts of them one wants alone.
#![allow(clippy::print_stdout, reason = "a developer command talks to the terminal")]
#![allow(clippy::print_stderr, reason = "a developer command talks to the terminal")]
#![allow(
    clippy::disallowed_methods,
    reason = "steps are timed and servers are waited for; nothing here syncs"
)]

mod apart;
mod bindings;
mod board;
mod built;
mod conformance;
mod feeds;
mod fixtures;
mod fuzz;
mod lane;
mod laws;
mod lint;
mod mobile;
mod node;
mod package;
mod process;
mod python;
mod ratios;
mod rust;
mod servers;
mod simulation;
mod soak;
mod test;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::board::Outcome;
use crate::servers::{Choice, hand};

/// Developer commands of calsync.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Every check there is, from Rust tests to real CalDAV servers. Installs what it needs under `target/xtask`.
    Test(test::Options),
    /// Format, clippy, docs, licences and the rules of the house.
    Lint,
    /// Compile the workspaces of their own (`benches`, `examples/observability`, `fuzz`), and run their tests: CI has no time to.
    Apart,
    /// Start CalDAV servers for tests by hand, or stop them.
    #[command(subcommand)]
    Servers(ServersCommand),
    /// Run the benchmarks in `benches/`; arguments are passed on. `bindings` alone: the packages for Python and Node beside theirs.
    Bench(BenchArgs),
    /// Run the fuzz targets in `fuzz/`. Installs `cargo-fuzz` when it is missing.
    Fuzz(fuzz::Options),
    /// Try the laws of merge and series on a million cases, in an optimised build.
    Laws(laws::Options),
    /// Play seeds of the simulation, or one again; arguments are passed on.
    #[command(disable_help_flag = true)]
    Simulate(simulation::Simulate),
    /// Plant bugs around the engine and count those the simulation finds; `--code` mutates the planner's code instead.
    Mutants(simulation::Mutants),
    /// Kill workers at random under load, and look whether anything was lost or doubled; `--help` lists the options.
    #[command(disable_help_flag = true)]
    Soak(soak::Options),
    /// Run the conformance suite of the store trait on every store, and print the table of cases and stores.
    Conformance(conformance::Options),
    /// Run short scripts in Python, Node and Kotlin that sync and end at once: none may crash, none may hang.
    Exits(ExitsArgs),
    /// Build the library for phones as its README says, and fail when it is larger than it may be.
    Size(SizeArgs),
    /// Build the wheel, the npm packages and the jar, look into them, and run the READMEs' examples where nothing else is installed.
    Package(package::Options),
    /// Generate the parts of the Kotlin and Swift packages that call the native library. Builds uniffi's generator first.
    Bindgen,
    /// Download the third-party calendar files the parser tests read.
    Fixtures,
}

#[derive(Subcommand)]
enum ServersCommand {
    /// Start servers and leave them running; prints URL, user and password.
    Start {
        /// Which server.
        #[arg(value_enum, default_value = "all")]
        which: Choice,
    },
    /// Stop servers that `start` left running, and remove their data.
    Stop {
        /// Which server.
        #[arg(value_enum, default_value = "all")]
        which: Choice,
    },
}

#[derive(Args)]
struct ExitsArgs {
    /// How many in each language.
    #[arg(long, default_value_t = 1000)]
    scripts: u32,
}

#[derive(Args)]
struct SizeArgs {
    /// For what; its linker is named as Cargo has it, such as by `CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER`. Default: this machine.
    #[arg(long)]
    target: Option<String>,
}

#[derive(Args)]
struct BenchArgs {
    /// Passed to the benchmark program.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Test(options) => test::run(&options),
        Command::Lint => lint::run(),
        Command::Apart => apart::run(),
        Command::Servers(ServersCommand::Start { which }) => hand::start(which),
        Command::Servers(ServersCommand::Stop { which }) => hand::stop(which),
        Command::Bench(bench) => run_benches(&bench),
        Command::Fuzz(options) => fuzz::run(&options),
        Command::Laws(options) => laws::run(&options),
        Command::Simulate(options) => simulation::simulate(&options),
        Command::Mutants(options) => simulation::mutants(&options),
        Command::Soak(options) => soak::run(&options),
        Command::Conformance(options) => conformance::run(&options),
        Command::Exits(exits) => {
            let mut board = board::Board::default();
            bindings::exits(&mut board, exits.scripts);
            board.finish()
        }
        Command::Size(size) => mobile::size(size.target.as_deref()),
        Command::Package(options) => package::run(&options),
        Command::Bindgen => mobile::bindgen(),
        Command::Fixtures => python::Python::ready()
            .and_then(|python| fixtures::download(&python))
            .map(|dir| println!("fixtures are in {}", dir.display())),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => {
            eprintln!("cargo xtask: {stop}");
            ExitCode::FAILURE
        }
    }
}

/// Benchmarks are their own workspace: they pull in peers nobody else should build.
fn run_benches(bench: &BenchArgs) -> Outcome {
    if bench.args == ["bindings"] {
        return ratios::run();
    }
    let mut command = process::cargo();
    command.args(["run", "--release", "--manifest-path", "benches/Cargo.toml", "--"]).args(&bench.args);
    process::run(&mut command, process::NO_LIMIT)
}
