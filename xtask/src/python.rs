//! The Python environment with the servers and clients that calsync is checked against.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::board::{Doing, Outcome, Stop};
use crate::process;
use crate::workspace;

const INSTALL_LIMIT: Duration = Duration::from_secs(600);

/// A virtual environment with the pins of one file of `xtask/python` installed.
pub(crate) struct Python {
    bin: PathBuf,
}

impl Python {
    /// The environment most checks use.
    pub(crate) fn ready() -> Outcome<Self> {
        Self::environment("venv", "requirements.txt")
    }

    /// The environment under `target/xtask` with this name, made anew when its pins have changed since.
    pub(crate) fn environment(name: &str, pins: &str) -> Outcome<Self> {
        let venv = workspace::scratch(name)?;
        let python = Self { bin: venv.join("bin") };
        let requirements = script(pins);
        let pins = fs::read_to_string(&requirements).doing(requirements.display())?;
        // The programs of an environment name its folder inside: moved or copied, it has to be made again.
        let wanted = format!("# {}\n{pins}", venv.display());
        let stamp = venv.join("installed-requirements.txt");
        let _alone = workspace::installing(name)?;
        if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
            return Ok(python);
        }
        let mut make = Command::new(interpreter());
        make.args(["-m", "venv", "--clear"]).arg(&venv);
        process::run(&mut make, INSTALL_LIMIT).map_err(|stop| {
            Stop::Failed(format!(
                "{stop} (Python 3.10 or newer with its venv module is needed; on Debian: python3-venv)"
            ))
        })?;
        let mut pip = python.program("pip");
        pip.args(["install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(&requirements);
        process::run(&mut pip, INSTALL_LIMIT)?;
        fs::write(&stamp, wanted).doing(stamp.display())?;
        Ok(python)
    }

    /// A program of the environment, run in the workspace's root.
    pub(crate) fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin.join(name));
        command
            .current_dir(workspace::root())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONUNBUFFERED", "1");
        command
    }

    /// A script in the environment's interpreter.
    pub(crate) fn script(&self, path: &Path) -> Command {
        let mut command = self.program("python");
        command.arg(path);
        command
    }
}

/// A file of `xtask/python`.
pub(crate) fn script(name: &str) -> PathBuf {
    workspace::root().join("xtask").join("python").join(name)
}

/// The interpreter that makes the environment; `CALSYNC_PYTHON` names another one.
pub(crate) fn interpreter() -> std::ffi::OsString {
    std::env::var_os("CALSYNC_PYTHON").unwrap_or_else(|| "python3".into())
}
