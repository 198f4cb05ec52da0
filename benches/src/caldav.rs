//! Syncs of whole collections with a real Radicale: the `calsync` command into SQLite, vdirsyncer into files.
//!
//! Both are processes that start, sync and end. A relay counts what goes over the wire.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::counter::{Counter, Traffic};
use crate::install::{output, python, script};
use crate::measure::field;
use crate::radicale::{Radicale, USER};
use crate::report::{Bound, Report};
use crate::{Options, Outcome, corpus, root};

/// The small collection, to show what does not grow.
const SMALL: usize = 100;
/// First syncs of the large collection; the least counts.
const RUNS: usize = 2;

/// What one run of a program cost.
struct Run {
    cpu: f64,
    elapsed: f64,
    peak_kib: f64,
    traffic: Traffic,
}

impl Run {
    fn shown(&self) -> String {
        let methods: Vec<String> =
            self.traffic.methods.iter().map(|(method, count)| format!("{count} {method}")).collect();
        format!(
            "{:>6.2} s CPU  {:>6.1} s elapsed  peak {:>5.1} MiB  {:>5} requests ({})  {:>9} bytes",
            self.cpu,
            self.elapsed,
            self.peak_kib / 1024.0,
            self.traffic.requests(),
            methods.join(", "),
            self.traffic.bytes()
        )
    }
}

/// A place for clients, and the way to the server.
struct Bench {
    bin: PathBuf,
    calsync: PathBuf,
    folder: PathBuf,
    counter: Counter,
}

pub(crate) fn run(options: &Options) -> Outcome<Report> {
    let bin = python(options)?;
    let calsync = build()?;
    let folder = options.folder("caldav")?;
    let collections = [("small", SMALL), ("large", options.items)];
    let server = Radicale::start(&bin, &folder.join("radicale"), &collections)?;
    let bench = Bench { bin, calsync, folder, counter: Counter::to(server.port())? };
    let mut report = Report::default();
    report.note(format!(
        "each run is a process of its own, and starts with nothing kept for a first sync; the least of {RUNS}"
    ));
    for (name, items) in collections {
        let taken = server.warm(name)?;
        report.note(format!("Radicale lists its {items} items before, in {:.1} s", taken.as_secs_f64()));
    }

    let discovery = bench.discovery()?;
    report.row("calsync, discovery of the account alone", discovery.shown());
    for (name, items) in collections {
        let (mut first, mut second): (Option<Run>, Option<Run>) = (None, None);
        for _ in 0..RUNS {
            least(&mut first, bench.calsync_first(name, items)?);
            least(&mut second, bench.calsync_again(name)?);
        }
        let (Some(first), Some(second)) = (first, second) else { continue };
        report.row(format!("calsync, first sync of {items}"), first.shown());
        report.row(format!("calsync, nothing changed in {items}"), second.shown());
        let requests = second.traffic.requests() as f64;
        report.target(format!("requests when nothing changed in {items}"), requests, "", Bound::AtMost(1.0));
        let bytes = second.traffic.bytes() as f64;
        report.target(
            format!("bytes both ways when nothing changed in {items}"),
            bytes,
            "",
            Bound::Below(1024.0),
        );
        let requests = first.traffic.requests();
        let most = 3.0 + (items as f64 / 50.0).ceil();
        report.target(
            format!("requests of the first sync of {items}, without the discovery before it"),
            requests.saturating_sub(discovery.traffic.requests()) as f64,
            "",
            Bound::AtMost(most),
        );
        report.target(
            format!("requests of the first sync of {items}, with discovery"),
            requests as f64,
            "",
            Bound::AtMost(most),
        );
        if name != "large" {
            continue;
        }
        report.target(
            format!("peak of the first sync of {items}"),
            first.peak_kib / 1024.0,
            " MiB",
            Bound::Below(32.0),
        );
        match bench.vdirsyncer(name, items) {
            Ok((peer, again)) => {
                report.row(format!("vdirsyncer, first sync of {items}"), peer.shown());
                report.row(format!("vdirsyncer, nothing changed in {items}"), again.shown());
                let ratio = first.cpu / peer.cpu;
                report.target(
                    "calsync's CPU time / vdirsyncer's, first sync",
                    ratio,
                    "x",
                    Bound::AtMost(0.5),
                );
            }
            Err(error) => report.unmeasured(format!("vdirsyncer: {error}")),
        }
    }
    Ok(report)
}

fn least(best: &mut Option<Run>, run: Run) {
    if best.as_ref().is_none_or(|best| run.cpu < best.cpu) {
        *best = Some(run);
    }
}

/// The `calsync` command, as it ships.
fn build() -> Outcome<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    output(
        Command::new(cargo)
            .current_dir(root())
            .args(["build", "--quiet", "--release", "-p", "calsync-cli", "--target-dir"])
            .arg(&target),
    )?;
    let binary = target.join("release").join("calsync");
    if binary.exists() { Ok(binary) } else { Err(format!("no {}", binary.display())) }
}

impl Bench {
    fn cost(&self, command: &Command) -> Outcome<Run> {
        self.counter.take();
        let mut wrapper = Command::new("python3");
        wrapper.arg(script("cost.py")).arg(command.get_program()).args(command.get_args());
        if let Some(folder) = command.get_current_dir() {
            wrapper.current_dir(folder);
        }
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                wrapper.env(name, value);
            }
        }
        let output = output(wrapper.stdin(Stdio::null()))?;
        Ok(Run {
            cpu: field(&output, "cpu")?,
            elapsed: field(&output, "elapsed")?,
            peak_kib: field(&output, "peak_kib")?,
            traffic: self.counter.take(),
        })
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/{USER}/", self.counter.port())
    }

    fn calsync(&self, name: &str) -> Command {
        let mut command = Command::new(&self.calsync);
        command.current_dir(self.folder.join(format!("calsync-{name}"))).args(["sync", "--json"]);
        command
    }

    fn calsync_first(&self, name: &str, items: usize) -> Outcome<Run> {
        let folder = self.folder.join(format!("calsync-{name}"));
        fresh(&folder)?;
        write(&folder.join("calsync.toml"), &self.config(name))?;
        let run = self.cost(&self.calsync(name))?;
        let mut events = Command::new(&self.calsync);
        events.current_dir(&folder).args(["events", "--calendar", "bench", "--ics"]);
        let found = output(&mut events)?.matches(&corpus::uid(0)[..6]).count();
        if found < items {
            return Err(format!("calsync holds {found} events of {items}"));
        }
        Ok(run)
    }

    /// Finding the account and listing its calendars, which a first sync does before it begins.
    fn discovery(&self) -> Outcome<Run> {
        let folder = self.folder.join("calsync-discovery");
        fresh(&folder)?;
        write(&folder.join("calsync.toml"), &self.config("small"))?;
        let mut command = Command::new(&self.calsync);
        command.current_dir(&folder).args(["calendars", "--json"]);
        self.cost(&command)
    }

    fn config(&self, name: &str) -> String {
        format!(
            "store = \"sqlite:calsync.db\"\n\
             [connections.server]\nprovider = \"caldav\"\nurl = \"{}\"\nusername = \"{USER}\"\npassword = \"plain:{USER}\"\n\
             [[links]]\nname = \"bench\"\ncalendar = \"bench\"\nconnection = \"server\"\nremote = \"{name}\"\n",
            self.url()
        )
    }

    fn calsync_again(&self, name: &str) -> Outcome<Run> {
        self.cost(&self.calsync(name))
    }

    /// The first sync, and one without changes.
    fn vdirsyncer(&self, name: &str, items: usize) -> Outcome<(Run, Run)> {
        let folder = self.folder.join("vdirsyncer");
        let config = folder.join("config");
        let program = |word: &str| {
            let mut command = Command::new(self.bin.join("vdirsyncer"));
            command.current_dir(&folder).env("VDIRSYNCER_CONFIG", &config).args([
                "--verbosity",
                "WARNING",
                word,
            ]);
            command
        };
        let (mut first, mut second): (Option<Run>, Option<Run>) = (None, None);
        for _ in 0..RUNS {
            fresh(&folder)?;
            let files = folder.join("files");
            fs::create_dir_all(&files).map_err(|error| format!("{}: {error}", files.display()))?;
            let text = format!(
                "[general]\nstatus_path = \"{status}\"\n\
                 [pair bench]\na = \"remote\"\nb = \"local\"\ncollections = null\n\
                 [storage remote]\ntype = \"caldav\"\nurl = \"{url}{name}/\"\nusername = \"{USER}\"\npassword = \"{USER}\"\n\
                 [storage local]\ntype = \"filesystem\"\npath = \"{files}\"\nfileext = \".ics\"\n",
                status = folder.join("status").display(),
                url = self.url(),
                files = files.display(),
            );
            write(&config, &text)?;
            // Not counted: calsync's first sync includes its discovery.
            output(&mut program("discover"))?;
            least(&mut first, self.cost(&program("sync"))?);
            let found = fs::read_dir(&files).map_err(|error| error.to_string())?.count();
            if found < items {
                return Err(format!("vdirsyncer holds {found} events of {items}"));
            }
            least(&mut second, self.cost(&program("sync"))?);
        }
        first.zip(second).ok_or_else(|| "it did not run".to_owned())
    }
}

fn fresh(folder: &Path) -> Outcome<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))
}

fn write(path: &Path, text: &str) -> Outcome<()> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
