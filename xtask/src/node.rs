//! Servers and clients from npm that calsync is checked against.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::board::{Doing, Outcome, failed};
use crate::process;
use crate::workspace;

const INSTALL_LIMIT: Duration = Duration::from_secs(600);
/// What the packages run on.
const NODE: (u32, u32) = (20, 19);

/// The folder `target/xtask/node`, with what `xtask/node/package.json` names installed.
pub(crate) struct Node {
    folder: PathBuf,
}

impl Node {
    /// Installs what is missing; anew when the pins have changed since.
    pub(crate) fn ready() -> Outcome<Self> {
        for program in ["node", "npm"] {
            if !process::exists(program) {
                return failed(format!("{program} is needed (on Debian: the package npm)"));
            }
        }
        let version = process::output(Command::new("node").arg("--version"), INSTALL_LIMIT)?;
        let mut numbers =
            version.trim().trim_start_matches('v').split('.').map_while(|part| part.parse().ok());
        if (numbers.next(), numbers.next()) < (Some(NODE.0), Some(NODE.1)) {
            return failed(format!("Node {}.{} or newer is needed, not {}", NODE.0, NODE.1, version.trim()));
        }
        let source = workspace::root().join("xtask").join("node");
        let folder = workspace::scratch("node")?;
        let pins = fs::read_to_string(source.join("package.json")).doing("package.json")?;
        let stamp = folder.join("installed.json");
        let _alone = workspace::installing("node")?;
        if !fs::read_to_string(&stamp).is_ok_and(|installed| installed == pins) {
            fs::write(folder.join("package.json"), &pins).doing("package.json")?;
            let mut npm = Command::new("npm");
            npm.current_dir(&folder).args(["install", "--no-package-lock", "--no-audit", "--no-fund"]);
            // Nothing of what is installed runs before it is called.
            npm.args(["--ignore-scripts", "--loglevel=error"]);
            process::run(&mut npm, INSTALL_LIMIT)?;
            fs::write(&stamp, pins).doing(stamp.display())?;
        }
        // Modules are looked for from the script upwards, so the scripts lie beside them.
        for entry in fs::read_dir(&source).doing(source.display())? {
            let path = entry.doing(source.display())?.path();
            if let (Some(name), Some("mjs")) =
                (path.file_name(), path.extension().and_then(|end| end.to_str()))
            {
                fs::copy(&path, folder.join(name)).doing(path.display())?;
            }
        }
        Ok(Self { folder })
    }

    /// A script of `xtask/node`.
    pub(crate) fn script(&self, name: &str) -> Command {
        let mut command = Command::new("node");
        command.arg(self.folder.join(name));
        command
    }
}
