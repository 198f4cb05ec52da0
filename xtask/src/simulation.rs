//! `cargo xtask simulate` and `cargo xtask mutants`: the simulator, and whether it can see.

use std::{ffi::OsString, process::Command};

use clap::Args;

use crate::board::Outcome;
use crate::{process, workspace};

/// Passed on to the simulator; `cargo xtask simulate --help` lists them.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Simulate {
    /// Options of the simulator.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// What to mutate.
#[derive(Args)]
pub(crate) struct Mutants {
    /// Mutate the code of the planner and the merge instead, with `cargo-mutants`, which is installed when absent.
    #[arg(long)]
    code: bool,
    /// Options of the simulator, or of `cargo mutants`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// The simulator, optimised.
pub(crate) fn program(command: &str) -> Command {
    let mut cargo = process::cargo();
    cargo.args(["run", "--quiet", "--profile", "sim", "--package", "calsync-simulation", "--", command]);
    cargo
}

pub(crate) fn simulate(options: &Simulate) -> Outcome {
    // What needs the real providers or a database server is built as the tests are: it is bounded by what those do.
    let is_bounded = |arg: &OsString| {
        let arg = arg.to_string_lossy();
        arg.starts_with("--remote") || arg.ends_with("postgres")
    };
    if options.args.iter().any(is_bounded) {
        let mut program = Command::new(workspace::program("calsync-simulation")?);
        return process::run(program.arg("simulate").args(&options.args), process::NO_LIMIT);
    }
    process::run(program("simulate").args(&options.args), process::NO_LIMIT)
}

pub(crate) fn mutants(options: &Mutants) -> Outcome {
    if !options.code {
        return process::run(program("mutants").args(&options.args), process::NO_LIMIT);
    }
    if !process::exists("cargo-mutants") {
        process::run(process::cargo().args(["install", "--locked", "cargo-mutants"]), process::NO_LIMIT)?;
    }
    // Which files, and which tests judge them, is in `.cargo/mutants.toml`.
    let mut mutants = process::cargo();
    mutants.args(["mutants", "--package", "calsync-core", "--timeout", "60"]).args(&options.args);
    mutants
        .env("PROPTEST_MAX_SHRINK_ITERS", "0")
        .env("CALSYNC_CASES", "100")
        .env("CARGO_PROFILE_DEV_DEBUG", "0");
    process::run(&mut mutants, process::NO_LIMIT)
}
