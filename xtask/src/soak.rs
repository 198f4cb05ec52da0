//! `cargo xtask soak`: workers are killed, and nothing may be lost.

use std::ffi::OsString;
use std::process::Command;
use std::time::Duration;

use clap::Args;

use crate::board::Outcome;
use crate::built;
use crate::process;

/// A minute of work, and what comes before and after it.
const LIMIT: Duration = Duration::from_secs(900);

/// Passed on: `--minutes M --workers N --store sqlite|postgres --seed S`.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// Options of the soak.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// The program, as it is tested.
pub(crate) fn program() -> Command {
    let mut cargo = process::cargo();
    cargo.args(["run", "--quiet", "--package", "calsync-soak", "--", "run"]);
    cargo
}

/// The same, from what the tests have built.
pub(crate) fn run_built(args: &[&str]) -> Outcome {
    let mut soak = Command::new(built::program("calsync-soak")?);
    process::run(soak.arg("run").args(args), LIMIT)
}

pub(crate) fn run(options: &Options) -> Outcome {
    process::run(program().args(&options.args), process::NO_LIMIT)
}
