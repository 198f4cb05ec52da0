//! `cargo xtask bench bindings`: the packages for Python and Node beside what their users have now, optimised builds on both sides.

use std::fs;
use std::time::Duration;

use crate::bindings;
use crate::board::{Board, Outcome};
use crate::node::Node;
use crate::package::{self, Profile};
use crate::process;
use crate::python::{self, Python};
use crate::workspace;

/// Both packages are built from nothing, optimised.
const BUILD: Duration = Duration::from_secs(3600);

/// Prints the ratios, and fails where one is less than wanted.
pub(crate) fn run() -> Outcome {
    let mut board = Board::default();
    board.step("python", python_package);
    board.step("node", node_package);
    board.finish()
}

fn python_package() -> Outcome {
    let python = Python::environment("bench-venv", "bench.txt")?;
    let wheel = package::python::wheel(&python, &package::emptied("bench-wheel")?, Profile::Release)?;
    package::python::install(&python, &wheel)?;
    process::run(&mut python.script(&python::script("bindings_bench.py")), BUILD)
}

fn node_package() -> Outcome {
    let node = Node::ready()?;
    let package = workspace::scratch("bench-node")?;
    bindings::npm_package(&package, Profile::Release)?;
    let mut script = node.script("bindings_bench.mjs");
    process::run(script.arg(fs::canonicalize(&package).unwrap_or(package).join("index.cjs")), BUILD)
}
