//! `cargo xtask lint`: everything that is judged without running the code.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::apart;
use crate::board::{Board, Doing, Outcome, Stop, failed};
use crate::process;
use crate::workspace;

const LIMIT: Duration = Duration::from_secs(1200);

/// Crates that speak HTTP or SQL, or bring a runtime. The core is used by hosts that want none of them.
const NOT_IN_CORE: [&str; 14] = [
    "aws-sdk-dynamodb",
    "diesel",
    "http",
    "hyper",
    "isahc",
    "libsqlite3-sys",
    "postgres",
    "reqwest",
    "rusqlite",
    "rustls",
    "sqlx",
    "tokio",
    "tokio-postgres",
    "ureq",
];

/// Folders at the root of a developer's machine, in halves so that this file passes its own check.
const PRIVATE: [&str; 3] = [concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/tmp/", "wt/")];

/// In halves for the same reason.
const BARE_IGNORE: &str = concat!("#[ig", "nore]");

pub(crate) fn run() -> Outcome {
    let mut board = Board::default();
    board.step("format", || cargo(&["fmt", "--all", "--check"]));
    board.step("clippy", || {
        cargo(&["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"])
    });
    board.step("documentation", documentation);
    board.step("licences and bans", licences);
    board.step("core stands alone", core_stands_alone);
    board.step("workspaces of their own", apart::hold_together);
    board.step("rules of the house", house_rules);
    board.step("field bugs are tested", field_bugs_are_tested);
    board.step("python compiles", python_compiles);
    board.finish()
}

fn cargo(args: &[&str]) -> Outcome {
    process::run(process::cargo().args(args), LIMIT)
}

fn documentation() -> Outcome {
    let mut command = process::cargo();
    command.args(["doc", "--workspace", "--no-deps", "--all-features"]).env("RUSTDOCFLAGS", "-D warnings");
    process::run(&mut command, LIMIT)
}

/// Building cargo-deny takes longer than everything else here together, so it is used where it is installed.
fn licences() -> Outcome {
    if !process::exists("cargo-deny") {
        return Err(Stop::Skipped("cargo-deny is not installed (cargo install --locked cargo-deny)".into()));
    }
    // Not `advisories`: those come from a repository on the network.
    cargo(&["deny", "--all-features", "check", "bans", "licenses", "sources"])
}

fn core_stands_alone() -> Outcome {
    let mut tree = process::cargo();
    tree.args([
        "tree",
        "--package",
        "calsync-core",
        "--edges",
        "normal",
        "--all-features",
        "--prefix",
        "none",
    ]);
    let tree = process::output(&mut tree, LIMIT)?;
    let found = crates_of(&tree).filter(|name| NOT_IN_CORE.contains(name)).collect::<Vec<_>>();
    if found.is_empty() { Ok(()) } else { failed(format!("calsync-core depends on {}", found.join(", "))) }
}

fn crates_of(tree: &str) -> impl Iterator<Item = &str> {
    tree.lines().filter_map(|line| line.split(' ').next())
}

fn python_compiles() -> Outcome {
    // Parsed, not imported: neither the environment nor any output file is needed.
    const PARSE: &str =
        "import ast, sys\nfor f in sys.argv[1:]: ast.parse(open(f, encoding='utf-8').read(), f)";
    let scripts = files()?.into_iter().filter(|path| path.extension().is_some_and(|end| end == "py"));
    let mut python = Command::new("python3");
    python.current_dir(workspace::root()).args(["-c", PARSE]).args(scripts);
    process::run(&mut python, LIMIT)
}

fn house_rules() -> Outcome {
    let mut broken = Vec::new();
    for path in files()? {
        // Not text: nothing to read in it.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let shown = path.strip_prefix(workspace::root()).unwrap_or(&path).display();
        let rust = path.extension().is_some_and(|end| end == "rs");
        for (number, line) in (1..).zip(text.lines()) {
            for rule in broken_rules(line, rust) {
                broken.push(format!("{shown}:{number}: {rule}"));
            }
        }
    }
    if broken.is_empty() { Ok(()) } else { failed(format!("{} lines:\n{}", broken.len(), broken.join("\n"))) }
}

/// Groups of `docs/field-bugs.md` of which every row names a test: what would lose, double or loop somebody's events.
const ALWAYS_TESTED: [&str; 7] = ["DUP", "DEL", "LUP", "LOOP", "REC", "TOK", "CON"];

/// Every test that `docs/field-bugs.md` and `docs/guarantees.md` name is in the file it names, and the former counts right.
fn field_bugs_are_tested() -> Outcome {
    let docs = workspace::root().join("docs");
    let bugs = fs::read_to_string(docs.join("field-bugs.md")).unwrap_or_default();
    let mut missing = untested(&bugs);
    let table = bugs + &fs::read_to_string(docs.join("guarantees.md")).unwrap_or_default();
    let mut named = 0;
    // A reference is [`test`](../file).
    for reference in table.split("[`").skip(1) {
        let Some((test, rest)) = reference.split_once("`](../") else { continue };
        let Some((file, _)) = rest.split_once(')') else { continue };
        named += 1;
        let text = fs::read_to_string(workspace::root().join(file)).unwrap_or_default();
        if !text.contains(&format!("fn {test}(")) {
            missing.push(format!("{file}: no test {test}"));
        }
    }
    if named == 0 {
        missing.push("the tables of docs name no test at all".to_owned());
    }
    if missing.is_empty() { Ok(()) } else { failed(missing.join("\n")) }
}

/// Rows that should name a test and do not, and a count above the table that is not the table's.
fn untested(table: &str) -> Vec<String> {
    let id = |line: &str| {
        let id = line.strip_prefix("| ")?.split(' ').next()?;
        let (group, number) = id.split_once('-')?;
        (number.parse::<u32>().is_ok()).then(|| (id.to_owned(), group.to_owned()))
    };
    let rows: Vec<_> = table.lines().filter_map(|line| Some((id(line)?, line.contains("[`")))).collect();
    let tested = rows.iter().filter(|(_, tested)| *tested).count();
    let mut wrong: Vec<String> = rows
        .iter()
        .filter(|((_, group), tested)| !tested && ALWAYS_TESTED.contains(&group.as_str()))
        .map(|((id, _), _)| format!("docs/field-bugs.md: {id} has no test"))
        .collect();
    let count = format!("{tested} of {} are reproduced", rows.len());
    if !table.contains(&count) {
        wrong.push(format!("docs/field-bugs.md does not say that {count}"));
    }
    wrong
}

fn broken_rules(line: &str, rust: bool) -> Vec<String> {
    let mut broken = Vec::new();
    for private in PRIVATE {
        if names_path(line, private) {
            broken.push(format!("{private} is a path of one machine"));
        }
    }
    if rust && line.contains(BARE_IGNORE) {
        broken.push("an ignored test says why: #[ignore = \"reason\"]".to_owned());
    }
    broken
}

/// Whether `line` has `path` as the start of a path, rather than inside one (as in `http://host/work/`).
fn names_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| c.is_whitespace() || "\"'`(=:,[".contains(c))
    })
}

/// The files that git would take: tracked, or new and not ignored.
fn files() -> Outcome<Vec<PathBuf>> {
    let mut git = Command::new("git");
    git.current_dir(workspace::root());
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    if process::exists("git") && workspace::root().join(".git").exists() {
        let listed = process::output(&mut git, LIMIT)?;
        let paths =
            listed.split('\0').filter(|name| !name.is_empty()).map(|name| workspace::root().join(name));
        return Ok(paths.filter(|path| path.is_file()).collect());
    }
    let mut found = Vec::new();
    walk(workspace::root(), &mut found)?;
    Ok(found)
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) -> Outcome {
    for entry in fs::read_dir(dir).doing(dir.display())? {
        let entry = entry.doing(dir.display())?;
        let name = entry.file_name();
        let kind = entry.file_type().doing(entry.path().display())?;
        if kind.is_dir()
            && !["target", ".git", ".cache", "node_modules", "__pycache__"].iter().any(|skip| name == *skip)
        {
            walk(&entry.path(), found)?;
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_this_machine_is_found_and_a_url_with_the_same_word_is_not() {
        for (line, found) in [
            (format!("see {}notes.md", PRIVATE[0]), true),
            (format!("\"{}x\"", PRIVATE[1]), true),
            (format!("{}x", PRIVATE[1]), true),
            (format!("http://127.0.0.1/test{}a.ics", PRIVATE[1]), false),
            ("nothing".to_owned(), false),
        ] {
            assert_eq!(!broken_rules(&line, false).is_empty(), found, "{line}");
        }
    }

    #[test]
    fn an_ignored_test_needs_a_reason() {
        assert_eq!(broken_rules(&format!("    {BARE_IGNORE}"), true).len(), 1);
        assert!(broken_rules("    #[ignore = \"needs a day\"]", true).is_empty());
    }

    #[test]
    fn a_row_without_a_test_and_a_wrong_count_are_found() {
        let table = "2 of 3 are reproduced.\n| id | what |\n|---|---|\n| DUP-01 | x | [`a`](../b.rs) |\n\
            | AUTH-02 | x | waits for a server |\n| DEL-03 | x | [`c`](../d.rs) |\n";
        assert_eq!(untested(table), Vec::<String>::new());
        let stale = table.replace("2 of 3", "1 of 3");
        assert_eq!(untested(&stale), ["docs/field-bugs.md does not say that 2 of 3 are reproduced"]);
        let lost = table.replace("| [`a`](../b.rs) |", "| nothing |");
        assert_eq!(untested(&lost)[0], "docs/field-bugs.md: DUP-01 has no test");
    }

    #[test]
    fn a_crate_is_told_by_its_whole_name() {
        let tree = "calsync-core v0.1.0 (path)\nhttparse v1.0.0\nreqwest v0.13.5 (*)\n";
        assert_eq!(
            crates_of(tree).filter(|name| NOT_IN_CORE.contains(name)).collect::<Vec<_>>(),
            ["reqwest"]
        );
    }
}
