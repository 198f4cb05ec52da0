//! What the peers need: Debian packages when this runs as root, Python packages in an environment of their own.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::{Options, Outcome, root};

/// Python packages, at the versions `xtask/python/requirements.txt` pins; what nothing else there needs says its own.
const PYTHON: [&str; 5] =
    ["radicale", "vdirsyncer", "python-dateutil", "recurring-ical-events==3.8.2", "x-wr-timezone==2.0.1"];

/// Runs a command to its end and gives its standard output.
pub(crate) fn output(command: &mut Command) -> Outcome<String> {
    let shown = command.get_program().to_string_lossy().into_owned();
    let done = command.stdin(Stdio::null()).output().map_err(|error| format!("{shown}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if done.status.success() {
        Ok(text(&done.stdout))
    } else {
        Err(format!("{shown} ended with {}: {}", done.status, last_lines(&text(&done.stderr))))
    }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(6)..].join("\n    ")
}

/// Installs Debian packages, if this may.
pub(crate) fn debian(packages: &[&str]) -> Outcome<()> {
    let asked = packages.join(" ");
    let id = output(Command::new("id").arg("-u"))?;
    if id != "0" {
        return Err(format!("install the packages {asked} first: this does not run as root"));
    }
    let apt = |words: &[&str]| {
        output(
            Command::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(["-q", "-y"]).args(words),
        )
    };
    let install: Vec<&str> =
        ["install", "--no-install-recommends"].into_iter().chain(packages.iter().copied()).collect();
    // The lists may be missing or old; they are only fetched when the packages are not found without.
    apt(&install)
        .or_else(|_| apt(&["update"]).and_then(|_| apt(&install)))
        .map(drop)
        .map_err(|error| format!("could not install {asked}: {error}"))
}

/// The folder of programs of the Python environment, installed when it is not.
pub(crate) fn python(options: &Options) -> Outcome<PathBuf> {
    let venv = options.folder("venv")?;
    let bin = venv.join("bin");
    let stamp = venv.join("installed");
    let requirements = root().join("xtask").join("python").join("requirements.txt");
    let pins = std::fs::read_to_string(&requirements)
        .map_err(|error| format!("{}: {error}", requirements.display()))?;
    let pins = format!("{}\n{pins}", PYTHON.join("\n"));
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == pins) {
        return Ok(bin);
    }
    let python = std::env::var_os("CALSYNC_PYTHON").unwrap_or_else(|| "python3".into());
    output(Command::new(python).args(["-m", "venv", "--clear"]).arg(&venv))?;
    output(
        Command::new(bin.join("pip"))
            .args(["install", "--quiet", "--disable-pip-version-check", "--constraint"])
            .arg(&requirements)
            .args(PYTHON),
    )?;
    std::fs::write(&stamp, pins).map_err(|error| format!("{}: {error}", stamp.display()))?;
    Ok(bin)
}

/// A script of `benches/python`.
pub(crate) fn script(name: &str) -> PathBuf {
    root().join("benches").join("python").join(name)
}
