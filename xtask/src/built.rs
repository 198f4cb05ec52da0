//! What the Rust tests have built, for the steps after them.
//!
//! Cargo would say that it is fresh, but only when no other lane builds: it builds one thing at a time in one folder.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::board::Outcome;
use crate::process;
use crate::workspace::{self, WHOLE};

/// The executables of tests by the names of their files, and the folders they run in.
pub(crate) type Tests = HashMap<String, (PathBuf, PathBuf)>;

/// Set when all is built; empty in a lane, which is only told so.
static TESTS: OnceLock<Tests> = OnceLock::new();

/// Says that every program of the workspace is built from what is there now, and which tests there are.
pub(crate) fn all(tests: Tests) {
    // Who says so first is right.
    let _ = TESTS.set(tests);
}

/// Whether all is built.
pub(crate) fn is_all() -> bool {
    TESTS.get().is_some()
}

/// A program of the workspace, built as the tests are.
pub(crate) fn program(name: &str) -> Outcome<PathBuf> {
    if !is_all() {
        workspace::build(name)?;
    }
    Ok(workspace::target().join("debug").join(name))
}

/// The tests in the file of this name. What is added are arguments for them.
pub(crate) fn test(name: &str) -> Command {
    if let Some((executable, folder)) = TESTS.get().and_then(|tests| tests.get(name)) {
        return in_package(executable, folder);
    }
    let mut test = process::cargo();
    test.arg("test").args(WHOLE).args(["--test", name, "--"]);
    test
}

/// A program of tests in the folder of its package, as cargo runs it.
pub(crate) fn in_package(executable: &Path, folder: &Path) -> Command {
    let mut command = Command::new(executable);
    command.current_dir(folder).env("CARGO_MANIFEST_DIR", folder);
    command.env("CARGO_MANIFEST_PATH", folder.join("Cargo.toml"));
    command
}
