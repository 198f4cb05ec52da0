//! `cargo xtask fuzz`: the targets of `fuzz/`, one after another.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use clap::Args;

use crate::board::{Board, Doing, Outcome, failed};
use crate::process;
use crate::workspace;

/// Compiling everything anew, with coverage.
const BUILD_LIMIT: Duration = Duration::from_secs(1800);
/// What a run may take past its own limit of time: libFuzzer looks at the clock between two inputs only.
const GRACE: Duration = Duration::from_secs(60);

#[derive(Args)]
pub(crate) struct Options {
    /// The target to run. Default: all.
    target: Option<String>,
    /// How long each target runs, in seconds.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// The longest input tried, in bytes. Default: what libFuzzer makes of the corpus.
    #[arg(long)]
    max_len: Option<u32>,
}

/// Runs the targets. Each failure leaves its input under `fuzz/target/crash/<target>`.
pub(crate) fn run(options: &Options) -> Outcome {
    let all = targets()?;
    let chosen = match &options.target {
        None => all,
        Some(name) if all.contains(name) => vec![name.clone()],
        Some(name) => return failed(format!("no target {name:?}; there are {}", all.join(", "))),
    };
    if process::output(process::cargo().args(["fuzz", "--version"]), GRACE).is_err() {
        process::run(process::cargo().args(["install", "--locked", "cargo-fuzz"]), BUILD_LIMIT)?;
    }
    let mut board = Board::default();
    for target in chosen {
        board.step(&format!("fuzz {target}"), || fuzz(&target, options));
    }
    board.finish()
}

/// The names of the files in `fuzz/fuzz_targets`.
fn targets() -> Outcome<Vec<String>> {
    let dir = workspace::root().join("fuzz").join("fuzz_targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&dir).doing(dir.display())? {
        let path = entry.doing(dir.display())?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

fn fuzz(target: &str, options: &Options) -> Outcome {
    let here = workspace::root().join("fuzz");
    process::run(cargo_fuzz("build").arg(target), BUILD_LIMIT)?;
    // What is found goes first: that is the folder libFuzzer writes to.
    let found = folder(&here, "found", target)?;
    let crashes = folder(&here, "crash", target)?;
    let mut command = cargo_fuzz("run");
    command.arg(target).arg(&found).arg(here.join("corpus").join(target)).arg("--").args([
        format!("-max_total_time={}", options.seconds),
        format!("-artifact_prefix={}/", crashes.display()),
        format!("-dict={}", here.join("words.dict").display()),
        // An input that takes seconds is a finding too.
        "-timeout=5".to_owned(),
        "-rss_limit_mb=2048".to_owned(),
        "-print_final_stats=1".to_owned(),
        "-verbosity=0".to_owned(),
    ]);
    if let Some(max_len) = options.max_len {
        command.arg(format!("-max_len={max_len}"));
    }
    process::run(&mut command, Duration::from_secs(options.seconds.into()) + GRACE)
}

fn folder(here: &Path, kind: &str, target: &str) -> Outcome<PathBuf> {
    let dir = here.join("target").join(kind).join(target);
    fs::create_dir_all(&dir).doing(dir.display())?;
    Ok(dir)
}

/// The sanitizers and the coverage are flags of nightly; a stable compiler takes them when told to.
fn cargo_fuzz(verb: &str) -> Command {
    let mut command = process::cargo();
    command.args(["fuzz", verb, "--sanitizer", "none"]).env("RUSTC_BOOTSTRAP", "1");
    command
}
