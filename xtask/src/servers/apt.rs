//! Debian packages, for servers that come from nowhere else.

use std::process::Command;
use std::time::Duration;

use crate::board::{Outcome, Stop};
use crate::process;
use crate::workspace;

/// What is installed from Debian is installed one after another.
pub(super) const LOCK: &str = "apt";
const LIMIT: Duration = Duration::from_secs(300);

/// Installs packages as root, or says why `what` has to be done without.
pub(crate) fn install(what: &str, packages: &[&str]) -> Outcome {
    if !workspace::is_root() {
        return Err(Stop::Skipped(format!("{what} is not installed, and only root can install it")));
    }
    if !process::exists("apt-get") {
        return Err(Stop::Skipped(format!(
            "{what} is not installed, and there is no apt-get to install it with"
        )));
    }
    let apt = |args: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(["-qq", "-o", "Acquire::Retries=3"]).args(args).env("DEBIAN_FRONTEND", "noninteractive");
        process::run(&mut command, LIMIT)
            .map_err(|stop| Stop::absent(format!("{what} could not be installed: {stop}")))
    };
    let _alone = workspace::installing(LOCK)?;
    apt(&["update"])?;
    let mut install = vec!["install", "--yes", "--no-install-recommends"];
    install.extend(packages);
    apt(&install)
}
