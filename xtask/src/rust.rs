//! The Rust tests: cargo builds their programs and all others of the workspace, then two run at a time. Cargo would run them one after another, and many wait for a
//! server, or have one long test.
//!
//! Otherwise as by `cargo test`: every program once, in the folder of its package, and the tests of the documentation, all of them also
//! when one fails.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::board::{Outcome, Stop, failed};
use crate::built;
use crate::conformance::Table;
use crate::process;
use crate::workspace::WHOLE;

/// Building the whole workspace, from nothing.
const BUILD: Duration = Duration::from_secs(1800);
/// One program, or the tests of the documentation of all libraries.
const RUN: Duration = Duration::from_secs(900);

/// Its tests wait for database servers more than they compute.
const WAITS: &str = "calsync-stores";

/// Builds and runs all but those with one of these words in their names, and prints the table of conformance.
pub(crate) fn tests(skipped: &[&str]) -> Outcome {
    let mut build = process::cargo();
    build.arg("build").args(WHOLE).args(["--all-targets", "--message-format=json-render-diagnostics"]);
    let mut programs = programs(&process::output(&mut build, BUILD)?);
    if programs.is_empty() {
        return failed("cargo built no tests");
    }
    built::all(named(&programs));
    // What waits at one end, what computes at the other: two of one kind gain less.
    programs.sort_by_key(|program| (program.package != WAITS, program.package.clone(), program.file.clone()));
    let mut documentation = process::cargo();
    documentation.arg("test").args(WHOLE).args(["--doc", "--no-fail-fast", "--"]);
    programs.push(Program {
        package: "all packages".into(),
        file: "documentation".into(),
        command: documentation,
    });
    for program in &mut programs {
        for word in skipped {
            program.command.args(["--skip", word]);
        }
    }
    let (outcome, printed) = two_at_a_time(programs.into());
    println!("\n{}", Table::read(&printed));
    outcome
}

/// Tests that run in one process.
struct Program {
    package: String,
    /// As cargo names it.
    file: String,
    command: Command,
}

/// The programs of tests in what cargo printed, one message a line.
fn programs(built: &str) -> Vec<Program> {
    built.lines().filter_map(|line| program(&serde_json::from_str(line).ok()?)).collect()
}

fn program(message: &Value) -> Option<Program> {
    if message["profile"]["test"] != true {
        return None;
    }
    let executable = message["executable"].as_str()?;
    let folder = Path::new(message["manifest_path"].as_str()?).parent()?;
    let source = Path::new(message["target"]["src_path"].as_str()?);
    let source = source.strip_prefix(folder).unwrap_or(source).display();
    let file = if message["target"]["kind"][0] == "test" {
        source.to_string()
    } else {
        format!("unittests {source}")
    };
    let command = built::in_package(executable.as_ref(), folder);
    Some(Program { package: folder.file_name()?.to_string_lossy().into_owned(), file, command })
}

/// The executables of tests that are the only ones with their file's name, and the folders they run in.
fn named(programs: &[Program]) -> built::Tests {
    let mut named = HashMap::new();
    for Program { file, command, .. } in programs {
        let name = file.strip_prefix("tests/").and_then(|file| file.strip_suffix(".rs"));
        if let (Some(name), Some(folder)) = (name, command.get_current_dir()) {
            let test = (PathBuf::from(command.get_program()), folder.to_owned());
            named.entry(name.to_owned()).and_modify(|test| *test = None).or_insert(Some(test));
        }
    }
    named.into_iter().filter_map(|(name, test)| Some((name, test?))).collect()
}

/// What has ended.
#[derive(Default)]
struct Ended {
    printed: String,
    count: usize,
    failures: Vec<String>,
    /// What each of those that failed printed last.
    reasons: Vec<String>,
}

/// Runs all of them, one from the front and one from the back at a time. What each prints is returned; of what passed, the counts are shown.
fn two_at_a_time(programs: VecDeque<Program>) -> (Outcome, String) {
    let waiting = Mutex::new(programs);
    let ended = Mutex::new(Ended::default());
    let work = |next: fn(&mut VecDeque<Program>) -> Option<Program>| {
        loop {
            let Some(program) = next(&mut held(&waiting)) else { break };
            let begun = Instant::now();
            let (outcome, printed) = process::keep(&program.command, RUN, |_| ());
            let Program { package, file, .. } = program;
            let took = begun.elapsed().as_secs_f64();
            // The table knows the stores by such lines.
            let running = format!("     Running {file} ({package}, {took:.1} s)");
            let mut ended = held(&ended);
            println!("{running}");
            ended.count += 1;
            if let Err(Stop::Failed(why) | Stop::Skipped(why)) = outcome {
                println!("{printed}{why}");
                ended.reasons.push(format!("\n{package} {file}: {why}\n{}", process::last_lines(&printed)));
                ended.failures.push(format!("{package} {file}"));
            } else {
                printed
                    .lines()
                    .filter(|line| line.starts_with("test result: "))
                    .for_each(|line| println!("{line}"));
            }
            ended.printed.push_str(&format!("{running}\n{printed}"));
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| work(VecDeque::pop_front));
        work(VecDeque::pop_back);
    });
    let Ended { printed, count, failures, reasons } =
        ended.into_inner().unwrap_or_else(PoisonError::into_inner);
    if failures.is_empty() {
        println!("\n{count} programs of tests passed");
        return (Ok(()), printed);
    }
    let outcome = failed(format!(
        "{} of {count} programs of tests failed: {}\n{}",
        failures.len(),
        failures.join(", "),
        reasons.join("\n")
    ));
    (outcome, printed)
}

fn held<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILT: &str = r#"
{"reason":"compiler-artifact","manifest_path":"/w/core/Cargo.toml","target":{"kind":["lib"],"name":"core","src_path":"/w/core/src/lib.rs"},"profile":{"test":false},"executable":null,"fresh":true}
{"reason":"compiler-artifact","manifest_path":"/w/core/Cargo.toml","target":{"kind":["bin"],"name":"core","src_path":"/w/core/src/main.rs"},"profile":{"test":false},"executable":"/w/target/debug/core","fresh":true}
{"reason":"compiler-artifact","manifest_path":"/w/core/Cargo.toml","target":{"kind":["lib"],"name":"core","src_path":"/w/core/src/lib.rs"},"profile":{"test":true},"executable":"/w/target/debug/deps/core-1","fresh":true}
{"reason":"compiler-artifact","manifest_path":"/w/stores/Cargo.toml","target":{"kind":["test"],"name":"postgres","src_path":"/w/stores/tests/postgres/main.rs"},"profile":{"test":true},"executable":"/w/target/debug/deps/postgres-2","fresh":false}
{"reason":"build-finished","success":true}
"#;

    #[test]
    fn programs_of_tests_are_told_from_what_else_is_built() {
        let found = programs(BUILT);
        let shown: Vec<_> = found
            .iter()
            .map(|program| {
                let folder = program.command.get_current_dir().unwrap().to_str().unwrap();
                let executable = program.command.get_program().to_str().unwrap();
                [&program.package, &program.file, folder, executable].map(str::to_owned)
            })
            .collect();
        assert_eq!(
            shown,
            [
                ["core", "unittests src/lib.rs", "/w/core", "/w/target/debug/deps/core-1"],
                ["stores", "tests/postgres/main.rs", "/w/stores", "/w/target/debug/deps/postgres-2"],
            ]
        );
    }

    #[test]
    fn a_name_that_two_files_have_is_no_tests_name() {
        let program = |package: &str, file: &str| Program {
            package: package.into(),
            file: file.into(),
            command: built::in_package(Path::new("/w/test-1"), &Path::new("/w").join(package)),
        };
        let found = named(&[
            program("core", "tests/laws.rs"),
            program("core", "tests/privacy.rs"),
            program("cli", "tests/privacy.rs"),
            program("core", "unittests src/lib.rs"),
        ]);
        assert_eq!(found, [("laws".into(), ("/w/test-1".into(), "/w/core".into()))].into());
    }

    fn script(file: &str, script: &str) -> Program {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Program { package: "calsync-stores".into(), file: file.into(), command }
    }

    #[test]
    fn a_failing_program_fails_the_whole_and_all_run_once() {
        let programs = [
            script("tests/memory_store.rs", "echo 'test case ... FAILED'; exit 101"),
            script("tests/sqlite_conformance.rs", "sleep 0.2; echo 'test case ... ok' >&2"),
            script("tests/engine.rs", "echo 'test case ... ok'; exit 1"),
            script("tests/postgres/main.rs", "echo 'test postgres::case ... ok'"),
        ];
        let (outcome, printed) = two_at_a_time(programs.into());
        let why = outcome.unwrap_err().to_string();
        assert!(why.starts_with("2 of 4"), "{why}");
        assert!(why.contains("tests/memory_store.rs") && why.contains("tests/engine.rs"), "{why}");
        assert!(why.contains("case ... FAILED") && !why.contains("postgres"), "{why}");
        assert_eq!(printed.lines().filter(|line| line.starts_with("test ")).count(), 4, "{printed}");
        let table = Table::read(&printed).to_string();
        let row: Vec<_> = table.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(row, ["case", "1", "FAILED", "1", "1", "-", "-"]);
    }

    #[test]
    fn two_run_at_a_time_and_their_lines_do_not_mix() {
        // Each waits until the other has begun.
        let folder = crate::workspace::scratch("tests").unwrap().join(format!("two-{}", std::process::id()));
        let folder = crate::workspace::Folder::make(folder).unwrap();
        let meet = |mine: &str, other: &str| {
            let (mine, other) = (folder.path().join(mine), folder.path().join(other));
            let (mine, other) = (mine.display(), other.display());
            script(
                "tests/a.rs",
                &format!("echo 1; touch '{mine}'; while [ ! -e '{other}' ]; do sleep 0.05; done; echo 2"),
            )
        };
        let (outcome, printed) = two_at_a_time([meet("a", "b"), meet("b", "a")].into());
        assert!(outcome.is_ok());
        let lines: Vec<_> = printed.lines().filter(|line| !line.contains("Running")).collect();
        assert_eq!(lines, ["1", "2", "1", "2"]);
    }
}
