//! The table of conformance: which case of the store trait passed on which store, out of what `cargo test` printed.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use clap::Args;

use crate::board::{Outcome, failed};
use crate::process;
use crate::servers::{dynamodb, postgres};
use crate::workspace::WHOLE;

/// The stores, with the files of tests that hold their suites, as cargo names them.
const STORES: &[(&str, &[&str])] = &[
    ("memory", &["tests/memory_store.rs", "tests/store_claims.rs"]),
    ("sqlite", &["tests/sqlite_conformance.rs"]),
    ("postgres", &["tests/postgres/main.rs"]),
    ("dynamodb", &["tests/dynamodb/main.rs"]),
    ("sqlx example", &["tests/sqlx_store.rs"]),
];

/// What the command needs to know.
#[derive(Args)]
pub(crate) struct Options {
    /// Install nothing: a store whose server is not there is left out.
    #[arg(long)]
    no_root: bool,
}

/// Runs the suites of all stores, and prints the table.
pub(crate) fn run(options: &Options) -> Outcome {
    let install = if options.no_root { postgres::Install::Forbidden } else { postgres::Install::Allowed };
    let mut test = process::cargo();
    test.arg("test").args(WHOLE).arg("--no-fail-fast");
    for file in ["memory_store", "store_claims", "sqlite_conformance", "postgres", "dynamodb", "sqlx_store"] {
        test.args(["--test", file]);
    }
    test.arg("--");
    for (there, name) in [(postgres::install(install), "postgres"), (dynamodb::install(install), "dynamodb")]
    {
        if let Err(stop) = there {
            println!("{name}: {stop}");
            test.args(["--skip", name]);
        }
    }
    let (outcome, printed) = process::run_and_keep(&mut test, process::NO_LIMIT);
    let table = Table::read(&printed);
    println!("\n{table}");
    outcome?;
    if table.cases.is_empty() { failed("no case ran") } else { Ok(()) }
}

/// How often a case passed and failed on a store: a store may run the suite in several ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cell {
    passed: u32,
    failed: u32,
}

/// Cases by stores.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    cases: BTreeMap<String, Vec<Cell>>,
}

impl Table {
    /// Reads what `cargo test` printed, both its outputs in one.
    pub(crate) fn read(printed: &str) -> Self {
        let mut cases: BTreeMap<String, Vec<Cell>> = BTreeMap::new();
        let mut store = None;
        for line in printed.lines() {
            let line = line.trim();
            if let Some(running) = line.strip_prefix("Running ") {
                let file = running.split(" (").next().unwrap_or_default();
                store = STORES.iter().position(|(_, files)| files.contains(&file));
            } else if line.starts_with("Doc-tests ") {
                store = None;
            }
            let result = line.strip_prefix("test ").and_then(|test| test.split_once(" ... "));
            let (Some(store), Some((test, result))) = (store, result) else { continue };
            let case = test.rsplit("::").next().unwrap_or(test);
            let cells = cases.entry(case.to_owned()).or_insert_with(|| vec![Cell::default(); STORES.len()]);
            match result {
                "ok" => cells[store].passed += 1,
                "FAILED" => cells[store].failed += 1,
                _ => {}
            }
        }
        // What only one store has is a test of that store, and no case of the suite.
        let ran = |cell: &Cell| *cell != Cell::default();
        cases.retain(|_, cells| cells.iter().filter(|cell| ran(cell)).count() > 1);
        Self { cases }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.cases.keys().map(String::len).max().unwrap_or_default();
        write!(f, "{:width$}", "case of the store trait")?;
        for (store, _) in STORES {
            write!(f, "  {store:>12}")?;
        }
        writeln!(f)?;
        let mut sums = vec![Cell::default(); STORES.len()];
        for (case, cells) in &self.cases {
            write!(f, "{case:width$}")?;
            for (cell, sum) in cells.iter().zip(&mut sums) {
                sum.passed += cell.passed;
                sum.failed += cell.failed;
                write!(f, "  {:>12}", cell.to_string())?;
            }
            writeln!(f)?;
        }
        write!(f, "{:width$}", format!("{} cases", self.cases.len()))?;
        for sum in sums {
            write!(f, "  {:>12}", sum.to_string())?;
        }
        writeln!(f)?;
        f.write_str("a number: how many ways of opening the store passed the case; -: not run\n")
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { passed: 0, failed: 0 } => f.write_char('-'),
            Self { passed, failed: 0 } => write!(f, "{passed}"),
            Self { failed, .. } => write!(f, "{failed} FAILED"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "\
     Running unittests src/lib.rs (target/debug/deps/calsync_stores-1)
test commit_is_atomic ... ok
     Running tests/memory_store.rs (target/debug/deps/memory_store-1)
test commit_is_atomic ... ok
test readers_see_no_gaps ... ok
     Running tests/sqlite_conformance.rs (target/debug/deps/sqlite_conformance-1)
test in_a_file::commit_is_atomic ... ok
test in_memory::commit_is_atomic ... ok
test in_memory::readers_see_no_gaps ... FAILED
test in_memory::of_sqlite_alone ... ok
   Doc-tests calsync_stores
test calsync-stores/src/lib.rs - (line 3) ... ok
";

    #[test]
    fn cases_are_counted_by_store() {
        let shown = Table::read(PRINTED).to_string();
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let lines: Vec<_> = shown.lines().map(words).collect();
        assert_eq!(lines[1], ["commit_is_atomic", "1", "2", "-", "-", "-"]);
        assert_eq!(lines[2], ["readers_see_no_gaps", "1", "1", "FAILED", "-", "-", "-"]);
        assert_eq!(lines[3], ["2", "cases", "2", "1", "FAILED", "-", "-", "-"]);
        assert_eq!(lines.len(), 5, "what one store has alone is no case: {shown}");
    }
}
