//! The workspaces of their own: they bring crates that nobody else should have to build, so nothing of the rest builds them.
//!
//! CI has no time to compile them. It looks whether they still can be: whether manifests, features and lock files fit what they use of
//! the rest, and whether every file is Rust. `cargo xtask apart` does the whole of it.

use std::time::Duration;

use crate::board::{Board, Outcome};
use crate::process;
use crate::workspace;

const ALL: [&str; 3] = ["benches", "examples/observability", "fuzz"];

/// Resolving and reading, with the crates still to be downloaded.
const READ: Duration = Duration::from_secs(300);
/// Compiling everything anew.
const BUILD: Duration = Duration::from_secs(1800);

fn manifest(folder: &str) -> String {
    format!("{folder}/Cargo.toml")
}

/// What `cargo xtask lint` looks at: a lock file that is behind its manifest, a feature or a path that is gone, a file that is no Rust.
pub(crate) fn hold_together() -> Outcome {
    for folder in ALL {
        let manifest = manifest(folder);
        process::run(process::cargo().args(["fmt", "--check", "--manifest-path", &manifest]), READ)?;
        let metadata = ["metadata", "--locked", "--format-version", "1", "--manifest-path", &manifest];
        process::output(process::cargo().args(metadata), READ)?;
    }
    Ok(())
}

/// Compiles all of them without warnings, and runs the tests there are. In the folder of the rest: what they have in common is built once.
pub(crate) fn run() -> Outcome {
    let mut board = Board::default();
    let build = |arguments: &[&str]| {
        process::run(process::cargo().args(arguments).env("CARGO_TARGET_DIR", workspace::target()), BUILD)
    };
    for folder in ALL {
        board.step(&format!("{folder} compiles"), || {
            let manifest = manifest(folder);
            let all =
                ["clippy", "--locked", "--all-targets", "--manifest-path", &manifest, "--", "-D", "warnings"];
            build(&all)
        });
    }
    board.step("examples/observability is tested", || {
        build(&["test", "--locked", "--manifest-path", &manifest("examples/observability")])
    });
    board.finish()
}
