//! `cargo xtask simulate` and `cargo xtask mutants`: the simulator, and whether it can see.

use std::{ffi::OsString, process::Command};

use clap::Args;

use crate::board::{Doing as _, Outcome, failed};
use crate::built;
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

/// How many of a hundred mutants of the planner and the merge have to be caught.
const CAUGHT: usize = 90;

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
        let mut program = Command::new(built::program("calsync-simulation")?);
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
    let folder = workspace::root().join("target/mutants");
    // What is counted is of this run.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).doing(folder.display())?;
    mutants.args(["mutants", "--package", "calsync-core", "--timeout", "60", "--output"]).arg(&folder);
    mutants.args(&options.args);
    mutants
        .env("PROPTEST_MAX_SHRINK_ITERS", "0")
        .env("CALSYNC_CASES", "100")
        .env("CARGO_PROFILE_DEV_DEBUG", "0");
    // A mutant that nobody caught is a failure to it; how many may be is ours to say.
    let ran = process::run(&mut mutants, process::NO_LIMIT);
    let count = |kind: &str| {
        let names = std::fs::read_to_string(folder.join("mutants.out").join(kind)).unwrap_or_default();
        names.lines().count()
    };
    // What does not end is noticed, too.
    let (caught, missed) = (count("caught.txt") + count("timeout.txt"), count("missed.txt"));
    let all = caught + missed;
    // A run that was cut off says nothing of the mutants it never came to.
    let planned = std::fs::read_to_string(folder.join("mutants.out/mutants.json")).unwrap_or_default();
    let planned = serde_json::from_str::<Vec<serde_json::Value>>(&planned).map_or(0, |planned| planned.len());
    let tried = all + count("unviable.txt");
    if all == 0 || tried < planned {
        return ran.and_then(|()| failed(format!("{tried} of {planned} mutants were tried")));
    }
    println!("{caught} of {all} mutants were caught: {}.{} %", caught * 100 / all, caught * 1000 / all % 10);
    if caught * 100 < all * CAUGHT { failed(format!("fewer than {CAUGHT} % were caught")) } else { Ok(()) }
}
