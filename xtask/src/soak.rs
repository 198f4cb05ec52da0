//! `cargo xtask soak`: workers are killed, and nothing may be lost.

use std::ffi::OsString;

use clap::Args;

use crate::board::Outcome;
use crate::process;

/// Passed on: `--minutes M --workers N --store sqlite|postgres --seed S`.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// Options of the soak.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// The program, as it is tested.
pub(crate) fn program() -> std::process::Command {
    let mut cargo = process::cargo();
    cargo.args(["run", "--quiet", "--package", "calsync-soak", "--", "run"]);
    cargo
}

pub(crate) fn run(options: &Options) -> Outcome {
    process::run(program().args(&options.args), process::NO_LIMIT)
}
