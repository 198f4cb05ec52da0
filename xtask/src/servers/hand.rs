//! `cargo xtask servers`: servers that stay up between commands.
//!
//! What runs is kept in `target/xtask/servers/NAME`, so that `stop` finds it, and `start` does not start it twice.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Choice, Kind, PASSWORD, USER, log_handles, provision, wait_for_port};
use crate::board::{Doing, Outcome, Stop, failed};
use crate::process;
use crate::python::Python;
use crate::workspace;

/// What `start` leaves for `stop`.
struct Note {
    pid: u32,
    /// The process's start time in clock ticks since boot: tells it from a later process with the same id.
    started: String,
    dir: PathBuf,
    url: String,
}

impl Note {
    fn path(kind: Kind) -> Outcome<PathBuf> {
        Ok(workspace::scratch("servers")?.join(format!("{}.running", kind.name())))
    }

    fn read(kind: Kind) -> Outcome<Option<Self>> {
        let path = Self::path(kind)?;
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path).doing(path.display())?;
        let mut lines = text.lines();
        let mut next = || lines.next().unwrap_or_default().to_owned();
        let pid = next().parse().doing(path.display())?;
        Ok(Some(Self { pid, started: next(), dir: next().into(), url: next() }))
    }

    fn write(&self, kind: Kind) -> Outcome {
        let path = Self::path(kind)?;
        let text = format!("{}\n{}\n{}\n{}\n", self.pid, self.started, self.dir.display(), self.url);
        fs::write(&path, text).doing(path.display())
    }

    fn runs(&self) -> bool {
        start_time(self.pid).is_some_and(|started| started == self.started)
    }
}

/// Starts servers and leaves them running.
pub(crate) fn start(which: Choice) -> Outcome {
    let python = Python::ready()?;
    let mut problems = Vec::new();
    for &kind in which.kinds() {
        match start_one(kind, &python) {
            Ok(url) => println!("{}: {url}  user {USER}  password {PASSWORD}", kind.name()),
            // Asked for by name, it is wanted; among all, what cannot run here is said and left out.
            Err(Stop::Skipped(why)) if which.kinds().len() > 1 => println!("{}: skipped, {why}", kind.name()),
            Err(stop) => problems.push(format!("{}: {stop}", kind.name())),
        }
    }
    if problems.is_empty() { Ok(()) } else { failed(problems.join("\n")) }
}

fn start_one(kind: Kind, python: &Python) -> Outcome<String> {
    if let Some(note) = Note::read(kind)? {
        if note.runs() {
            return Ok(note.url);
        }
        remove(kind, &note)?;
    }
    kind.install()?;
    let dir = kind.state_dir(&workspace::scratch("servers")?, &format!("hand-{}", std::process::id()));
    fs::create_dir(&dir).doing(dir.display())?;
    let recipe = kind.recipe(python, &dir)?;
    let log = dir.join("log");
    let (out, err) = log_handles(&log)?;
    // Its own group, and deaf to the terminal's hang-up: it outlives this command.
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"trap '' HUP; exec "$@""#, "xtask"]);
    shell.arg(recipe.command.get_program()).args(recipe.command.get_args());
    for (name, value) in recipe.command.get_envs() {
        if let Some(value) = value {
            shell.env(name, value);
        }
    }
    let mut child = shell
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .process_group(0)
        .spawn()
        .doing(format_args!("cannot start {}", kind.name()))?;
    let pid = child.id();
    let note = Note { pid, started: start_time(pid).unwrap_or_default(), dir, url: recipe.url.clone() };
    note.write(kind)?;
    let up = wait_for_port(recipe.port, &log, || child.try_wait().map(|end| end.is_none()).doing("wait"))
        .and_then(|()| provision(python, &recipe, &log));
    if let Err(stop) = up {
        remove(kind, &note)?;
        return Err(stop);
    }
    Ok(recipe.url)
}

/// Stops servers that `start` left running.
pub(crate) fn stop(which: Choice) -> Outcome {
    for &kind in which.kinds() {
        match Note::read(kind)? {
            Some(note) => {
                remove(kind, &note)?;
                println!("{}: stopped", kind.name());
            }
            None => println!("{}: not running", kind.name()),
        }
    }
    Ok(())
}

fn remove(kind: Kind, note: &Note) -> Outcome {
    if note.runs() {
        process::end_group(note.pid);
    }
    if note.dir.exists() {
        fs::remove_dir_all(&note.dir).doing(note.dir.display())?;
    }
    let path = Note::path(kind)?;
    fs::remove_file(&path).doing(path.display())
}

/// Field 22 of `/proc/PID/stat`, counted after the program's name, which may hold anything.
fn start_time(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(") ")?;
    after_name.split(' ').nth(19).map(str::to_owned)
}
