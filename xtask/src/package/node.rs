//! The npm packages.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::board::{Outcome, Stop};
use crate::package::{Profile, RUN};
use crate::process;
use crate::workspace::{self, only};

/// The main package, and that with the native part for this machine, as npm packs them.
pub(crate) struct Tarballs {
    /// `calsync`.
    pub(crate) main: PathBuf,
    /// `@calsync/` and the name of this platform.
    pub(crate) platform: PathBuf,
}

impl Tarballs {
    /// The main package first.
    pub(crate) fn both(&self) -> [&Path; 2] {
        [&self.main, &self.platform]
    }

    /// Installs both into a project, and whatever else it names. Nothing of the packages for other platforms is asked for: the
    /// registry has none of this version.
    pub(crate) fn install(&self, project: &Path) -> Outcome {
        let [main, platform] = self.both().map(|file| file.display().to_string());
        npm(project, &["install", "--offline", "--no-package-lock", "--ignore-scripts", &main, &platform])
    }
}

/// Builds the native part for this machine, in Node's name for it.
pub(crate) fn native(profile: Profile) -> Outcome<PathBuf> {
    if !process::exists("npm") {
        return Err(Stop::Skipped("npm is not installed".into()));
    }
    profile.library("calsync-node", "calsync_node")
}

/// Makes the folders of all platforms' packages in `folder`, and packs those that are whole.
pub(super) fn tarballs(folder: &Path, profile: Profile) -> Outcome<Tarballs> {
    let library = native(profile)?;
    let packages = folder.join("packages");
    let mut make = Command::new("node");
    make.arg(workspace::root().join("xtask").join("node").join("npm_packages.mjs"));
    process::run(make.arg(workspace::root()).arg(&packages).arg(&library), RUN)?;
    let pack = |name: &str| {
        npm(&packages.join(name), &["pack"])?;
        only(&packages.join(name), ".tgz")
    };
    Ok(Tarballs { main: pack("calsync")?, platform: pack(&platform()?)? })
}

/// The name of this platform.
pub(crate) fn platform() -> Outcome<String> {
    let file = workspace::root().join("bindings").join("node").join("platform.cjs");
    let mut name = Command::new("node");
    name.args(["-p", "require(process.argv[1]).platform()"]).arg(file);
    Ok(process::output(&mut name, RUN)?.trim().to_owned())
}

/// Runs npm in a folder, without what it says on the side.
pub(crate) fn npm(folder: &Path, arguments: &[&str]) -> Outcome {
    let mut npm = Command::new("npm");
    npm.current_dir(folder).args(arguments).args(["--no-audit", "--no-fund", "--silent"]);
    process::run(&mut npm, RUN)
}

/// Compiles the native part of a package from npm, when it is not there or not for this Node. Nothing but npm's registry is asked:
/// what the package's own script and node-gyp would download elsewhere, not every machine reaches.
pub(crate) fn compiled(project: &Path, package: &str) -> Outcome {
    let mut load = Command::new("node");
    let opens = format!("try {{ new (require('{package}'))(':memory:') }} catch {{ console.log('no') }}");
    load.current_dir(project).args(["-e", &opens]);
    if process::output(&mut load, RUN)?.is_empty() {
        return Ok(());
    }
    let mut prefix = Command::new("node");
    prefix.args(["-p", "path.dirname(path.dirname(process.execPath))"]);
    let prefix = PathBuf::from(process::output(&mut prefix, RUN)?.trim());
    // Told of none, node-gyp downloads the headers from the makers of Node.
    if !prefix.join("include").join("node").join("node.h").exists() {
        return Err(Stop::absent(format!(
            "{package} cannot be compiled: Node's headers are not in include/node beside it (Debian: libnode-dev)"
        )));
    }
    let mut compile = Command::new("npm");
    compile
        .current_dir(project)
        .args(["explore", package, "--", "node-gyp", "rebuild", "--debug", "--silent"])
        .env("npm_config_nodedir", &prefix);
    process::run(&mut compile, RUN).map_err(|stop| {
        Stop::absent(format!("{package} cannot be compiled ({stop}); g++ and make are needed"))
    })
}
