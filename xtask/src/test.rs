//! `cargo xtask test`: the Rust tests, then everything that checks calsync against software we did not write.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::bindings;
use crate::board::{Board, Doing, Outcome, Stop, failed};
use crate::built;
use crate::feeds;
use crate::fixtures;
use crate::lane::Lane;
use crate::mobile;
use crate::node::Node;
use crate::package::{self, Packages, Profile};
use crate::process::{self, Guarded};
use crate::python::{self, Python};
use crate::rust;
use crate::servers::{
    self, Kind, Server, dynamodb,
    postgres::{self, Install, Postgres},
};
use crate::workspace::{self, WHOLE};
use crate::{simulation, soak};

/// For steps that may have to compile the workspace first.
const BUILD_AND_RUN: Duration = Duration::from_secs(1200);
const RUN: Duration = Duration::from_secs(600);

/// The libraries and their features.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("calsync-core", &["vault", "worker"]),
    ("calsync-providers", &["caldav", "google", "ics", "microsoft", "oauth", "reqwest"]),
    ("calsync-stores", &["sqlite", "postgres", "dynamodb"]),
    // The testkit is built with these by the quickstart, as it is by hosts.
    ("calsync-bindings", &["oauth"]),
];

/// What to test.
#[derive(Args)]
pub(crate) struct Options {
    /// Only these parts.
    #[arg(long, value_enum, value_delimiter = ',', num_args = 1..)]
    only: Vec<Part>,
    /// Do nothing that needs root: no packages installed, no Cyrus.
    #[arg(long)]
    no_root: bool,
    /// Print no table, but write its rows to this file. For the lane this command starts.
    #[arg(long, hide = true)]
    rows: Option<PathBuf>,
    /// Whether the tests have built all programs. For the lane this command starts.
    #[arg(long, hide = true)]
    built: bool,
}

/// What the steps beside the others are called together.
const LANE: &str = "languages";

/// The parts that run in a lane, beside [`AGAINST_OTHERS`]. They share the packages they build, so they are one lane; it takes about as
/// long as what is beside it.
const OF_THE_LANGUAGES: &[Part] = &[Part::Python, Part::Node, Part::Kotlin, Part::Swift, Part::Packages];

/// The parts a lane runs beside. They wait for servers and interpreters, or their one thread leaves a core to others; the Rust tests and
/// the simulation leave nothing.
const AGAINST_OTHERS: &[Part] = &[
    Part::Soak,
    Part::Quickstart,
    Part::Servers,
    Part::Cli,
    Part::Fixtures,
    Part::Recurrence,
    Part::Feeds,
    Part::DavServer,
    Part::GoogleServer,
    Part::Graph,
    Part::Oauth,
];

/// The parts of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// `cargo test`: unit tests, store conformance (also on PostgreSQL and DynamoDB Local), the scripted DAV server.
    Rust,
    /// What a newcomer runs first, built by itself.
    Quickstart,
    /// 100,000 seeds of the simulation, a crash at every pair of awaits, and the planted bugs.
    Simulation,
    /// A minute of edits on SQLite and one on PostgreSQL while workers are killed.
    Soak,
    /// The provider conformance suite against Radicale, Xandikos and Cyrus, and the scenario of the languages on Radicale.
    Servers,
    /// The command line, from Radicale through SQLite, then through PostgreSQL, to Xandikos and back; and Google's and
    /// Microsoft's emulators with Radicale.
    Cli,
    /// The parser against the calendar files other projects ship.
    Fixtures,
    /// The expansion of recurrence rules against python-dateutil.
    Recurrence,
    /// Published feeds against the Python `icalendar` library, ical.js and libical's validator.
    Feeds,
    /// The scripted DAV server against the Python `caldav` client.
    DavServer,
    /// The Google emulator against Google's own clients for Python and Node and its schema, `gcsa`, and calsync's provider.
    GoogleServer,
    /// The emulator of Microsoft Graph against Microsoft's own clients for Python and JavaScript, O365 and our provider.
    Graph,
    /// Signing in and renewing access against an authorization server from npm.
    Oauth,
    /// The Python package: built, installed, tested, its types checked, the host in `examples` run.
    Python,
    /// The npm packages: built, tested, their types checked, the host in `examples` run from their tarballs.
    Node,
    /// The jar for Kotlin: compiled, tested, with the host in `examples`.
    Kotlin,
    /// The Swift package, as far as that goes without its compiler: generated, read by a grammar, its API the noted one.
    Swift,
    /// What is published for Python, Node and Kotlin: looked into, and the READMEs' examples run where nothing else is installed.
    Packages,
}

impl Options {
    fn install(&self) -> Install {
        if self.no_root { Install::Forbidden } else { Install::Allowed }
    }

    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    /// The parts wanted that a lane runs: none when there is nothing to run beside them.
    fn beside(&self) -> Vec<Part> {
        if AGAINST_OTHERS.iter().any(|part| self.wants(*part)) {
            OF_THE_LANGUAGES.iter().copied().filter(|part| self.wants(*part)).collect()
        } else {
            Vec::new()
        }
    }

    /// Starts this program once more, for these parts alone.
    fn lane(&self, xtask: &Path, parts: &[Part]) -> Outcome<Lane> {
        let names = parts.iter().filter_map(ValueEnum::to_possible_value);
        let names: Vec<_> = names.map(|value| value.get_name().to_owned()).collect();
        let mut command = Command::new(xtask);
        command.current_dir(workspace::root()).args(["test", "--only", &names.join(",")]);
        if self.no_root {
            command.arg("--no-root");
        }
        if built::is_all() {
            command.arg("--built");
        }
        Lane::start(LANE, command.arg("--rows"))
    }
}

/// Runs the parts wanted and prints how each ended.
pub(crate) fn run(options: &Options) -> Outcome {
    // Before anything is built: this program may be built anew by then.
    let xtask = std::env::current_exe().doing("this program")?;
    if options.built {
        built::all(built::Tests::new());
    }
    let mut board = Board::default();
    let beside = options.beside();
    let wants = |part| options.wants(part) && !beside.contains(&part);
    if wants(Part::Rust) {
        let mut postgres = false;
        board.step("postgresql is there", || {
            postgres::install(options.install())?;
            postgres = true;
            Ok(())
        });
        let mut dynamodb = false;
        board.step("dynamodb local is there", || {
            dynamodb::install(options.install())?;
            dynamodb = true;
            Ok(())
        });
        board.step("rust tests", || {
            let servers = [(postgres, "postgres"), (dynamodb, "dynamodb")];
            let absent: Vec<_> =
                servers.into_iter().filter(|(there, _)| !there).map(|(_, name)| name).collect();
            rust::tests(&absent)
        });
    }
    if wants(Part::Simulation) {
        board.step("simulation", || {
            let mut simulate = simulation::program("simulate");
            simulate.args(["--seeds", "100000", "--crashes", "pairs"]);
            process::run(&mut simulate, BUILD_AND_RUN)
        });
        board.step("simulation over sqlite", || {
            let mut simulate = simulation::program("simulate");
            simulate.args(["--seeds", "5000", "--crashes", "singles", "--store", "sqlite"]);
            process::run(&mut simulate, BUILD_AND_RUN)
        });
        board.step("simulation over postgresql", || {
            postgres::install(options.install())?;
            let mut simulate = Command::new(built::program("calsync-simulation")?);
            simulate.args(["simulate", "--store", "postgres", "--seeds", "300", "--crashes", "none"]);
            process::run(&mut simulate, BUILD_AND_RUN)
        });
        board.step("simulation of the real providers", || {
            let mut simulate = Command::new(built::program("calsync-simulation")?);
            simulate.args(["simulate", "--remote", "emulators", "--seeds", "1000", "--crashes", "none"]);
            process::run(&mut simulate, BUILD_AND_RUN)
        });
        board.step("planted bugs", || process::run(&mut simulation::program("mutants"), BUILD_AND_RUN));
    }
    let mut lane = None;
    if !beside.is_empty() {
        match options.lane(&xtask, &beside) {
            Ok(started) => lane = Some(started),
            Err(stop) => board.step(LANE, || Err(stop)),
        }
    }
    if wants(Part::Soak) {
        board.step("soak over sqlite", || soak::run_built(&["--minutes", "0.5", "--store", "sqlite"]));
        board.step("soak over postgresql", || {
            postgres::install(options.install())?;
            soak::run_built(&["--minutes", "1.5", "--store", "postgres"])
        });
    }
    if wants(Part::Quickstart) {
        // That it builds by itself is looked at with the features.
        board.step("quickstart", || process::run(&mut Command::new(built::program("quickstart")?), RUN));
        board.step("every feature by itself", features);
    }
    let mut python = None;
    // The package for Python makes an environment of its own.
    let without_python = [
        Part::Rust,
        Part::Quickstart,
        Part::Simulation,
        Part::Soak,
        Part::Oauth,
        Part::Python,
        Part::Node,
        Part::Kotlin,
        Part::Swift,
        Part::Packages,
    ];
    if Part::value_variants().iter().any(|part| !without_python.contains(part) && wants(*part)) {
        board.step("python environment", || {
            python = Some(Python::ready()?);
            Ok(())
        });
    }
    let python = || python.as_ref().ok_or_else(|| Stop::Skipped("there is no Python environment".into()));
    if wants(Part::Servers) {
        match python() {
            Ok(python) => server_steps(&mut board, python, options),
            Err(stop) => board.step("caldav conformance", || Err(stop)),
        }
    }
    if wants(Part::Cli) {
        board.step("command line end to end", || command_line(python()?, Place::Sqlite));
        board.step("command line, three accounts", || three_accounts(python()?));
        board.step("command line on postgresql", || {
            postgres::install(options.install())?;
            command_line(python()?, Place::Postgres)
        });
    }
    if wants(Part::Fixtures) {
        board.step("calendar files of other projects", || calendar_files(python()?));
    }
    if wants(Part::Recurrence) {
        board.step("recurrence against dateutil", || recurrence(python()?));
    }
    if wants(Part::Feeds) {
        feeds::steps(&mut board, python(), options.install());
    }
    if wants(Part::DavServer) {
        board.step("scripted dav server", || dav_server(python()?));
    }
    if wants(Part::GoogleServer) {
        board.step("google emulator", || google_server(python()?));
        board.step("google emulator, client for node", google_node);
        board.step("google emulator, schema between", || google_schema(python()?));
    }
    if wants(Part::Graph) {
        board.step("microsoft graph emulator", || graph(python()?));
        board.step("microsoft graph emulator, client for node", graph_node);
    }
    if wants(Part::Oauth) {
        board.step("oauth against another server", oauth);
    }
    let packages = Packages::new(Profile::Dev);
    if wants(Part::Python) {
        bindings::python(&mut board, &packages, options.install(), example_server);
    }
    if wants(Part::Node) {
        bindings::node(&mut board, &packages, options.install(), example_server);
    }
    if wants(Part::Kotlin) {
        mobile::kotlin(&mut board, &packages, options.install());
    }
    if wants(Part::Swift) {
        mobile::swift(&mut board);
    }
    if wants(Part::Packages) {
        package::steps(&mut board, &packages, options.install());
    }
    if let Some(lane) = lane {
        lane.finish(&mut board);
    }
    match &options.rows {
        Some(file) => board.hand_over(file),
        None => board.finish(),
    }
}

/// A CalDAV server for the hosts of `examples`.
fn example_server() -> Outcome<bindings::Server> {
    let arguments =
        ["--user", servers::USER, "--password", servers::PASSWORD, "--calendar", "personal=Personal"];
    let (server, url) = testkit_server("dav-server", &arguments)?;
    let (user, password) = (servers::USER, servers::PASSWORD);
    Ok(bindings::Server { _running: Box::new(server), url, user, password })
}

/// Checks each library crate with no feature, and with each of its features alone.
fn features() -> Outcome {
    for (package, features) in LIBRARIES {
        let mut bare = process::cargo();
        process::run(
            bare.args(["check", "--package", package, "--lib", "--no-default-features"]),
            BUILD_AND_RUN,
        )?;
        for feature in *features {
            let mut one = process::cargo();
            one.args([
                "check",
                "--package",
                package,
                "--lib",
                "--no-default-features",
                "--features",
                feature,
            ]);
            process::run(&mut one, BUILD_AND_RUN)?;
        }
    }
    let mut quickstart = process::cargo();
    process::run(quickstart.args(["check", "--package", "quickstart"]), BUILD_AND_RUN)
}

/// One step per server, so that the table says which ones the conformance suite saw.
fn server_steps(board: &mut Board, python: &Python, options: &Options) {
    let mut folder = None;
    let mut running = Vec::new();
    for kind in [Kind::Radicale, Kind::Xandikos, Kind::Cyrus] {
        board.step(&format!("start {}", kind.name()), || {
            if kind == Kind::Cyrus && options.no_root {
                return Err(Stop::Skipped("--no-root".into()));
            }
            if folder.is_none() {
                folder = Some(servers::run_folder("conformance")?);
            }
            let Some(folder) = &folder else { return failed("no folder for the server's state") };
            running.push(Server::start(kind, python, folder.path())?);
            Ok(())
        });
    }
    board.step("caldav conformance", || {
        if running.is_empty() {
            return failed("no server to run it against");
        }
        let entries = running.iter().map(Server::test_entry).collect::<Vec<_>>().join(";");
        let mut test = built::test("caldav_servers");
        process::run(test.arg("--nocapture").env("CALSYNC_TEST_CALDAV", entries), BUILD_AND_RUN)
    });
    // No write mails a third party unless the host asked for it, and the suite does not.
    board.step("nobody was mailed", || {
        if !running.iter().any(Server::schedules) {
            return Err(Stop::Skipped("no server that mails was running".into()));
        }
        let mails = running.iter().map(Server::mailed).collect::<Outcome<String>>()?;
        if mails.is_empty() { Ok(()) } else { failed(format!("a server sent mail:\n{mails}")) }
    });
    // The servers before the folder that holds their state.
    drop(running);
    drop(folder);
    board.step("the scenario of the languages in rust, on radicale", || {
        let scenario = bindings::Scenario::start()?;
        let mut test = built::test("scenario");
        scenario.tell(&mut test);
        process::run(test.arg("--include-ignored"), BUILD_AND_RUN)
    });
}

/// Where the command line keeps its calendars.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Sqlite,
    Postgres,
}

fn command_line(python: &Python, place: Place) -> Outcome {
    let calsync = built::program("calsync")?;
    let folder = servers::run_folder("cli")?;
    let radicale = Server::start(Kind::Radicale, python, folder.path())?;
    let xandikos = Server::start(Kind::Xandikos, python, folder.path())?;
    let mut script = python.script(&python::script("cli_end_to_end.py"));
    script.arg("--calsync").arg(calsync);
    script.args(["--radicale", radicale.url(), "--xandikos", xandikos.url()]);
    script.args(["--user", servers::USER, "--password", servers::PASSWORD]);
    script.arg("--vdirsyncer").arg(python.program("vdirsyncer").get_program());
    let postgres = match place {
        Place::Sqlite => None,
        Place::Postgres => Some(Postgres::start(folder.path())?),
    };
    if let Some(postgres) = &postgres {
        script.args(["--store", postgres.url()]);
    }
    process::run(&mut script, RUN)
}

/// Google's and Microsoft's emulators and a Radicale, through one calendar of the command line.
fn three_accounts(python: &Python) -> Outcome {
    let folder = servers::run_folder("three")?;
    let radicale = Server::start(Kind::Radicale, python, folder.path())?;
    let mut test = built::test("three_accounts");
    process::run(test.env("CALSYNC_TEST_CALDAV", radicale.test_entry()), BUILD_AND_RUN)
}

fn calendar_files(python: &Python) -> Outcome {
    let dir = fixtures::download(python)?;
    let mut test = built::test("ical_fixtures");
    process::run(test.arg("--nocapture").env("CALSYNC_FIXTURES", dir), BUILD_AND_RUN)
}

fn recurrence(python: &Python) -> Outcome {
    compare(python, "dateutil_diff.py", &cases("recurrence-cases")?)
}

/// A file of the lines a program of the testkit prints. Through a file rather than a pipe: each side's exit code is seen,
/// and the cases are there to look at.
pub(crate) fn cases(program: &str) -> Outcome<PathBuf> {
    let cases = process::output(&mut Command::new(built::program(program)?), BUILD_AND_RUN)?;
    let file = workspace::scratch(program)?.join("cases");
    fs::write(&file, cases).doing(file.display())?;
    Ok(file)
}

/// Cases in a file, checked by a script of calsync-core's tests.
pub(crate) fn compare(python: &Python, script: &str, file: &Path) -> Outcome {
    let mut compare = Command::new("sh");
    compare.current_dir(workspace::root());
    compare.args(["-c", r#""$1" "$2" < "$3""#, "xtask"]).arg(python.program("python").get_program());
    compare.arg(workspace::root().join("calsync-core/tests/python").join(script)).arg(file);
    process::run(&mut compare, RUN)
}

/// The scripted server against an independent client.
fn dav_server(python: &Python) -> Outcome {
    let arguments = ["--user", servers::USER, "--password", servers::PASSWORD];
    let (_server, url) = testkit_server("dav-server", &arguments)?;
    let check = workspace::root().join("calsync-testkit/tests/python/dav_server_check.py");
    process::run(python.script(&check).args([url.as_str(), servers::USER, servers::PASSWORD]), RUN)
}

/// The check runs calsync's own test in the middle: what each side writes, the other has to read.
fn google_server(python: &Python) -> Outcome {
    let mut build = process::cargo();
    build.arg("test").args(WHOLE).args(["--test", "google_client", "--no-run"]);
    process::run(&mut build, BUILD_AND_RUN)?;
    let (_server, url) = testkit_server("google-server", &["--token", servers::PASSWORD])?;
    let check = workspace::root().join("calsync-testkit/tests/python/google_server_check.py");
    let mut check = python.script(&check);
    check.args([url.as_str(), servers::PASSWORD, "--"]).arg(process::cargo().get_program());
    check.arg("test").args(WHOLE).args(["--test", "google_client"]);
    process::run(&mut check, BUILD_AND_RUN)?;
    let gcsa = workspace::root().join("calsync-testkit/tests/python/gcsa_check.py");
    process::run(python.script(&gcsa).arg(url), RUN)
}

/// Prism, with the discovery document that Google's own client brings, between our provider and our emulator.
fn google_schema(python: &Python) -> Outcome {
    let node = Node::ready()?;
    let (_emulator, emulator) = testkit_server("google-server", &[])?;
    let find = "from importlib import resources; \
        print(resources.files('googleapiclient.discovery_cache.documents') / 'calendar.v3.json')";
    let document = process::output(python.program("python").args(["-c", find]), RUN)?;
    let mut checker = node.script("google_schema.mjs");
    checker.args([document.trim(), &emulator]);
    let mut checker = Guarded::spawn(&checker, Stdio::piped(), Stdio::inherit())?;
    let (_printed, url) = address(&mut checker, "google_schema.mjs")?;
    let mut test = built::test("google_schema");
    test.env("CALSYNC_TEST_GOOGLE", emulator).env("CALSYNC_TEST_GOOGLE_SCHEMA", url);
    process::run(&mut test, BUILD_AND_RUN)
}

/// Google's own client for Node signs in at the emulator and works with it.
fn google_node() -> Outcome {
    let (_server, url) = testkit_server("google-server", &[])?;
    process::run(Node::ready()?.script("google_client.mjs").arg(url), RUN)
}

/// Microsoft's own client for JavaScript does the same.
fn graph_node() -> Outcome {
    let (_server, url) = testkit_server("graph-server", &[])?;
    process::run(Node::ready()?.script("graph_client.mjs").arg(url.trim_end_matches("v1.0/")), RUN)
}

/// Microsoft's own client and O365 write; our provider reads that and writes; they read it.
fn graph(python: &Python) -> Outcome {
    let (_server, url) = testkit_server("graph-server", &["--token", servers::PASSWORD])?;
    let check = workspace::root().join("calsync-testkit/tests/python/graph_server_check.py");
    process::run(python.script(&check).args([url.as_str(), servers::PASSWORD, "write"]), RUN)?;
    let mut test = built::test("microsoft_clients");
    test.env("CALSYNC_TEST_GRAPH", &url).env("CALSYNC_TEST_GRAPH_TOKEN", servers::PASSWORD);
    process::run(&mut test, BUILD_AND_RUN)?;
    process::run(python.script(&check).args([url.as_str(), servers::PASSWORD, "read"]), RUN)
}

/// Codes with PKCE, rotated refresh tokens, refusals: what our client does with a server we did not write.
fn oauth() -> Outcome {
    let node = Node::ready()?;
    let mut server = Guarded::spawn(&node.script("oauth_server.mjs"), Stdio::piped(), Stdio::inherit())?;
    let (_printed, url) = address(&mut server, "oauth_server.mjs")?;
    let mut test = built::test("oauth_server");
    process::run(test.env("CALSYNC_TEST_OAUTH", url), BUILD_AND_RUN)
}

/// Starts a server of the testkit. It prints its URL on one line when it listens, and serves until its standard input
/// closes.
fn testkit_server(name: &str, arguments: &[&str]) -> Outcome<(TestkitServer, String)> {
    let built = built::program(name)?;
    let folder = servers::run_folder(name)?;
    // A named pipe opened for both ways never closes; the process group is ended when the check is done.
    let mut program = Command::new("sh");
    program.args(["-c", r#"mkfifo "$0" && exec "$@" <>"$0""#]).arg(folder.path().join("open"));
    program.arg(built).args(arguments);
    let mut server = Guarded::spawn(&program, Stdio::piped(), Stdio::inherit())?;
    let (printed, url) = address(&mut server, name)?;
    Ok((TestkitServer { _process: server, _printed: printed, _folder: folder }, url))
}

/// The URL a server prints as its first line, and what else it prints, to be kept until it ends.
fn address(server: &mut Guarded, name: &str) -> Outcome<(BufReader<ChildStdout>, String)> {
    let Some(pipe) = server.stdout() else { return failed("the server's output is not piped") };
    let mut line = String::new();
    let mut printed = BufReader::new(pipe);
    printed.read_line(&mut line).doing(format!("cannot read what {name} printed"))?;
    let url = line.trim().to_owned();
    if !url.starts_with("http://") {
        return failed(format!("{name} printed {line:?} and not its URL"));
    }
    Ok((printed, url))
}

/// A running server. A server whose output nobody reads any more could not print: all of it is kept until the end.
struct TestkitServer {
    _process: Guarded,
    _printed: BufReader<ChildStdout>,
    _folder: workspace::Folder,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Test {
        #[command(flatten)]
        options: Options,
    }

    fn beside(only: &str) -> Vec<Part> {
        let only = only.split_whitespace().flat_map(|part| ["--only", part]);
        Test::parse_from(["test"].into_iter().chain(only)).options.beside()
    }

    #[test]
    fn a_lane_runs_what_there_is_something_to_run_beside_of() {
        assert_eq!(beside(""), OF_THE_LANGUAGES);
        assert_eq!(beside("cli node"), [Part::Node]);
        assert_eq!(beside("python"), []);
        assert_eq!(beside("rust simulation kotlin packages"), []);
        assert_eq!(beside("soak cli"), []);
    }

    #[test]
    fn the_parts_of_a_lane_start_none_themselves() {
        let parts: Vec<_> = OF_THE_LANGUAGES
            .iter()
            .filter_map(ValueEnum::to_possible_value)
            .map(|value| value.get_name().to_owned())
            .collect();
        assert_eq!(parts.len(), OF_THE_LANGUAGES.len());
        let lane =
            Test::parse_from(["test", "--only", &parts.join(","), "--no-root", "--rows", "file"]).options;
        assert!(OF_THE_LANGUAGES.iter().all(|part| lane.wants(*part)));
        assert_eq!(lane.beside(), []);
    }
}
