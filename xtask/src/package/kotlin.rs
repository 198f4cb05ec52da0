//! The jar, with the native part for this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bindings::Scenario;
use crate::board::{Doing, Outcome, Stop};
use crate::built;
use crate::package::{BUILD, Profile};
use crate::process;
use crate::servers::apt;
use crate::servers::postgres::Install;
use crate::workspace::{self, copy, only};

/// The jar and its POM, which names what it needs.
pub(crate) struct Jar {
    jar: PathBuf,
    pom: PathBuf,
}

impl Jar {
    /// The jar first.
    pub(super) fn both(&self) -> [&Path; 2] {
        [&self.jar, &self.pom]
    }

    /// As the name of the jar ends.
    pub(super) fn version(&self) -> String {
        let name = self.jar.file_stem().unwrap_or_default().to_string_lossy();
        name.trim_start_matches("calsync-").to_owned()
    }

    /// Puts both where Maven looks for them in a repository.
    pub(super) fn install(&self, repository: &Path) -> Outcome {
        let place = repository.join("io").join("calsync").join("calsync").join(self.version());
        fs::create_dir_all(&place).doing(place.display())?;
        for file in self.both() {
            fs::copy(file, place.join(file.file_name().unwrap_or_default())).doing(file.display())?;
        }
        Ok(())
    }
}

/// What Maven does with the tests of the package.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tests {
    /// Compiles and runs them, before it makes the jar.
    Run,
    /// Leaves them out.
    Left,
}

/// Builds the jar.
pub(super) fn jar(profile: Profile, tests: Tests) -> Outcome<Jar> {
    let build = build_folder()?;
    let mut mvn = maven(profile)?;
    // Alive as long as Maven runs.
    let scenario = match tests {
        Tests::Run => Some(Scenario::start()?),
        Tests::Left => None,
    };
    match &scenario {
        Some(scenario) => scenario.tell(&mut mvn),
        None => {
            mvn.arg("-Dmaven.test.skip=true");
        }
    }
    // That of another version stays otherwise.
    for old in fs::read_dir(&build).doing(build.display())? {
        let old = old.doing(build.display())?.path();
        if old.extension().is_some_and(|end| end == "jar") {
            fs::remove_file(&old).doing(old.display())?;
        }
    }
    process::run(&mut mvn, BUILD)?;
    let jar = only(&build, ".jar")?;
    let pom = jar.with_extension("pom");
    fs::copy(folder().join("pom.xml"), &pom).doing(pom.display())?;
    Ok(Jar { jar, pom })
}

/// Maven, told to make the package. The host in `examples/kotlin` is compiled with its tests.
pub(crate) fn maven(profile: Profile) -> Outcome<Command> {
    let library = profile.library("calsync-mobile", "calsync_mobile")?;
    let dav_server = built::program("dav-server")?;
    let natives = workspace::scratch("kotlin-natives")?;
    let place = natives.join(platform());
    fs::create_dir_all(&place).doing(place.display())?;
    fs::copy(&library, place.join(library.file_name().unwrap_or_default())).doing(library.display())?;
    // With its tests, which JUnit then runs with the others: a project of its own would be compiled for longer.
    let examples = workspace::scratch("kotlin-example")?;
    fs::remove_dir_all(&examples).doing(examples.display())?;
    copy(&workspace::root().join("examples").join("kotlin").join("src"), &examples)?;
    let mut mvn = Command::new("mvn");
    mvn.current_dir(folder()).args(["--batch-mode", "--quiet", "package"]);
    mvn.arg(format!("-Dcalsync.build={}", build_folder()?.display()));
    mvn.arg(format!("-Dcalsync.natives={}", natives.display()));
    mvn.arg(format!("-Dcalsync.examples={}", examples.display()));
    mvn.env("CALSYNC_DAV_SERVER", dav_server);
    Ok(mvn)
}

/// Java and Maven, from Debian where they are not there yet.
pub(crate) fn java(install: Install) -> Outcome {
    if process::exists("mvn") && process::exists("javac") {
        return Ok(());
    }
    match install {
        Install::Allowed => apt::install("Java and Maven", &["default-jdk-headless", "maven"]),
        Install::Forbidden => Err(Stop::Skipped("Java and Maven are not installed".into())),
    }
}

fn folder() -> PathBuf {
    workspace::root().join("bindings").join("mobile").join("kotlin")
}

fn build_folder() -> Outcome<PathBuf> {
    workspace::scratch("kotlin")
}

/// What JNA calls this platform.
fn platform() -> String {
    let system = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
    format!("{system}-{}", std::env::consts::ARCH.replace('_', "-"))
}
