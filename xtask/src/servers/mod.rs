//! Real CalDAV servers on 127.0.0.1, each with user `test`, password `test` and a calendar `work`.
//!
//! A recipe (`radicale`, `xandikos`, `cyrus`) writes the configuration and says how to start the server and what to make in it;
//! this module starts it, waits for its port and makes the calendar.

pub(crate) mod apt;
mod cyrus;
pub(crate) mod dynamodb;
pub(crate) mod hand;
pub(crate) mod postgres;
mod radicale;
mod xandikos;

use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;

use crate::board::{Doing, Outcome, Stop, failed};
use crate::process::{self, Guarded};
use crate::python::{self, Python};
use crate::workspace::{self, Folder};

/// The user that every server has.
pub(crate) const USER: &str = "test";
/// Its password. Xandikos asks for none over plain HTTP and takes any.
pub(crate) const PASSWORD: &str = "test";

/// What folders in the system's temporary folder begin with, before the id of the process they belong to.
const CYRUS_DIR: &str = "calsync-cyrus-";
/// The same for the folders of one run under `target/xtask`.
const RUN_DIR: &str = "run-";

const READY_LIMIT: Duration = Duration::from_secs(30);
const PROVISION_LIMIT: Duration = Duration::from_secs(60);

/// The servers there are recipes for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Radicale from PyPI: strict about passwords, rewrites what it stores.
    Radicale,
    /// Xandikos from PyPI: keeps calendars in git.
    Xandikos,
    /// Cyrus from Debian: needs root; schedules.
    Cyrus,
}

/// Servers as chosen on the command line.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Choice {
    /// Radicale.
    Radicale,
    /// Xandikos.
    Xandikos,
    /// Cyrus; needs root.
    Cyrus,
    /// Each that this machine can run.
    All,
}

impl Choice {
    /// The servers meant.
    pub(crate) fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Radicale => &[Kind::Radicale],
            Self::Xandikos => &[Kind::Xandikos],
            Self::Cyrus => &[Kind::Cyrus],
            Self::All => &[Kind::Radicale, Kind::Xandikos, Kind::Cyrus],
        }
    }
}

impl Kind {
    /// The name in output, in file names and in `CALSYNC_TEST_CALDAV`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Radicale => "radicale",
            Self::Xandikos => "xandikos",
            Self::Cyrus => "cyrus",
        }
    }

    /// Installs what the server needs beyond the Python environment, or says why this machine cannot run it.
    pub(crate) fn install(self) -> Outcome {
        match self {
            Self::Radicale | Self::Xandikos => Ok(()),
            Self::Cyrus => cyrus::install(),
        }
    }

    fn recipe(self, python: &Python, dir: &Path) -> Outcome<Recipe> {
        match self {
            Self::Radicale => radicale::recipe(python, dir),
            Self::Xandikos => xandikos::recipe(python, dir),
            Self::Cyrus => cyrus::recipe(dir),
        }
    }

    /// Where a server's state goes. Cyrus gives up root for a user who must be able to reach its files from `/`, which the
    /// workspace of somebody else rarely allows.
    fn state_dir(self, under: &Path, owner: &str) -> PathBuf {
        match self {
            Self::Radicale | Self::Xandikos => under.join(self.name()),
            Self::Cyrus => std::env::temp_dir().join(format!("{CYRUS_DIR}{owner}")),
        }
    }
}

/// How one server is started and filled.
struct Recipe {
    command: Command,
    port: u16,
    /// Where a client starts.
    url: String,
    /// Arguments of `provision.py`.
    provision: Vec<String>,
}

/// A server that runs until this is dropped.
pub(crate) struct Server {
    kind: Kind,
    url: String,
    // Before the folder: fields drop in order, and the server must be gone before its files are.
    _running: Guarded,
    dir: Folder,
}

impl Server {
    /// Starts a server with fresh state under `under`.
    pub(crate) fn start(kind: Kind, python: &Python, under: &Path) -> Outcome<Self> {
        kind.install()?;
        let dir = Folder::make(kind.state_dir(under, &std::process::id().to_string()))?;
        let recipe = kind.recipe(python, dir.path())?;
        let log = dir.path().join("log");
        let (out, err) = log_handles(&log)?;
        let mut running = Guarded::spawn(&recipe.command, out, err)?;
        wait_for_port(recipe.port, &log, || running.ended().map(|status| status.is_none()))?;
        provision(python, &recipe, &log)?;
        println!("{} is at {}", kind.name(), recipe.url);
        Ok(Self { kind, url: recipe.url, _running: running, dir })
    }

    /// Where a client starts, without credentials.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Whether it mails invitations by itself (RFC 6638), which here end in a file.
    pub(crate) fn schedules(&self) -> bool {
        self.kind == Kind::Cyrus
    }

    /// What the server has tried to mail, with the envelope; nothing it mails leaves the machine.
    pub(crate) fn mailed(&self) -> Outcome<String> {
        let log = self.dir.path().join("sendmail.log");
        if log.exists() { fs::read_to_string(&log).doing(log.display()) } else { Ok(String::new()) }
    }

    /// The entry for `CALSYNC_TEST_CALDAV`: `name=http://user:password@host:port/path`.
    pub(crate) fn test_entry(&self) -> String {
        format!("{}={}", self.kind.name(), self.with_account())
    }

    /// The calendar `work` of a Radicale, with the account in its address.
    pub(crate) fn work(&self) -> String {
        format!("{}{USER}/work/", self.with_account())
    }

    fn with_account(&self) -> String {
        self.url.replacen("://", &format!("://{USER}:{PASSWORD}@"), 1)
    }
}

/// A port nobody listens on now. Another process can take it before the server does; the start then fails, loudly.
fn free_port() -> Outcome<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).doing("cannot find a free port")?;
    Ok(listener.local_addr().doing("cannot find a free port")?.port())
}

fn log_handles(path: &Path) -> Outcome<(Stdio, Stdio)> {
    let log = File::create(path).doing(path.display())?;
    let second = log.try_clone().doing(path.display())?;
    Ok((log.into(), second.into()))
}

fn wait_for_port(port: u16, log: &Path, mut alive: impl FnMut() -> Outcome<bool>) -> Outcome {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let deadline = Instant::now() + READY_LIMIT;
    while TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
        if !alive()? {
            return failed(format!("the server ended before it listened; its log:\n{}", tail(log)));
        }
        if Instant::now() >= deadline {
            return failed(format!("no server on {address} in {READY_LIMIT:?}; its log:\n{}", tail(log)));
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn provision(python: &Python, recipe: &Recipe, log: &Path) -> Outcome {
    let mut command = python.script(&python::script("provision.py"));
    command.args(&recipe.provision);
    process::run(&mut command, PROVISION_LIMIT)
        .map_err(|stop| Stop::Failed(format!("{stop}; the server's log:\n{}", tail(log))))
}

fn tail(log: &Path) -> String {
    const LINES: usize = 30;
    let text = fs::read_to_string(log).unwrap_or_else(|error| format!("(unreadable: {error})"));
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

/// A folder for the state of this run's servers, removed at its end.
pub(crate) fn run_folder(what: &str) -> Outcome<Folder> {
    let all = workspace::scratch("runs")?;
    sweep(&all, RUN_DIR)?;
    sweep(&std::env::temp_dir(), CYRUS_DIR)?;
    Folder::make(all.join(format!("{RUN_DIR}{}-{what}", std::process::id())))
}

/// Removes what runs that were killed have left: folders named `prefix`, then the id of a process that is gone.
pub(crate) fn sweep(dir: &Path, prefix: &str) -> Outcome {
    for entry in fs::read_dir(dir).doing(dir.display())? {
        let path = entry.doing(dir.display())?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let Some(owner) = name.strip_prefix(prefix).and_then(|rest| rest.split('-').next()) else { continue };
        let gone = owner.parse::<u32>().is_ok_and(|pid| !Path::new("/proc").join(pid.to_string()).exists());
        if gone {
            match fs::remove_dir_all(&path) {
                // Somebody else swept as well.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                removed => removed.doing(path.display())?,
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_run_left_is_swept_and_nothing_else() {
        let all =
            Folder::make(workspace::scratch("tests").unwrap().join(format!("sweep-{}", std::process::id())))
                .unwrap();
        // No process has an id this large: the kernel's limit is 4,194,304.
        let gone = all.path().join("run-4194999-cli");
        let alive = all.path().join(format!("run-{}-cli", std::process::id()));
        let other = all.path().join("run-hand-1");
        for dir in [&gone, &alive, &other] {
            fs::create_dir(dir).unwrap();
        }
        sweep(all.path(), "run-").unwrap();
        assert_eq!([gone.exists(), alive.exists(), other.exists()], [false, true, true]);
    }
}
