//! `cargo xtask package`: what is published, each built once, looked at, and used where nothing else is.

mod alone;
pub(crate) mod kotlin;
pub(crate) mod node;
pub(crate) mod python;
pub(crate) mod readme;

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::board::{Board, Doing, Outcome, Stop, failed};
use crate::process;
use crate::python::script;
use crate::servers::postgres::Install;
use crate::workspace;

/// For steps that may have to compile the workspace first, optimised.
const BUILD: Duration = Duration::from_secs(3600);
const RUN: Duration = Duration::from_secs(600);

/// What to build, and where to.
#[derive(Args)]
pub(crate) struct Options {
    /// Where the files are put in the end. Default: they stay under `target/xtask/packages`.
    #[arg(long)]
    into: Option<PathBuf>,
    /// How the native parts are built.
    #[arg(long, value_enum, default_value = "release")]
    profile: Profile,
    /// Do nothing that needs root: no packages of Debian installed.
    #[arg(long)]
    no_root: bool,
}

/// How the native parts are built.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// As the tests are: quick to build, large.
    Dev,
    /// As they are published.
    Release,
}

impl Profile {
    /// As Cargo and maturin are told it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Release => "release",
        }
    }

    /// Builds a package of the workspace whose library has this name, and says where it is.
    pub(crate) fn library(self, package: &str, library: &str) -> Outcome<PathBuf> {
        let mut build = process::cargo();
        process::run(build.args(["build", "--package", package, "--profile", self.name()]), BUILD)?;
        let folder = match self {
            Self::Dev => "debug",
            Self::Release => "release",
        };
        let ending = if cfg!(target_os = "macos") { "dylib" } else { "so" };
        Ok(workspace::target().join(folder).join(format!("lib{library}.{ending}")))
    }
}

/// What is published, each built when it is first wanted. The parts of one run share it.
pub(crate) struct Packages {
    profile: Profile,
    wheel: OnceCell<PathBuf>,
    source: OnceCell<PathBuf>,
    tarballs: OnceCell<node::Tarballs>,
    jar: OnceCell<kotlin::Jar>,
}

impl Packages {
    /// Nothing is built yet.
    pub(crate) fn new(profile: Profile) -> Self {
        Self {
            profile,
            wheel: OnceCell::new(),
            source: OnceCell::new(),
            tarballs: OnceCell::new(),
            jar: OnceCell::new(),
        }
    }

    /// The wheel for every Python from 3.10 on.
    pub(crate) fn wheel(&self) -> Outcome<&Path> {
        let build = || python::wheel(&python::tools()?, &emptied("wheel")?, self.profile);
        built(&self.wheel, build).map(PathBuf::as_path)
    }

    /// The source distribution for Python, which a wheel was built from.
    pub(crate) fn source(&self) -> Outcome<&Path> {
        built(&self.source, || python::source(&emptied("source")?)).map(PathBuf::as_path)
    }

    /// The npm packages: the main one, and that with the native part for this machine.
    pub(crate) fn tarballs(&self) -> Outcome<&node::Tarballs> {
        built(&self.tarballs, || node::tarballs(&emptied("npm")?, self.profile))
    }

    /// The jar. With [`kotlin::Tests::Run`] its tests are run, also when it was built before.
    pub(crate) fn jar(&self, tests: kotlin::Tests) -> Outcome<&kotlin::Jar> {
        if tests == kotlin::Tests::Run {
            let jar = kotlin::jar(self.profile, tests)?;
            return Ok(self.jar.get_or_init(|| jar));
        }
        built(&self.jar, || kotlin::jar(self.profile, tests))
    }

    /// What has been built, in the order in which it is listed.
    fn files(&self) -> Vec<&Path> {
        let mut files: Vec<&Path> =
            [&self.wheel, &self.source].into_iter().filter_map(OnceCell::get).map(PathBuf::as_path).collect();
        files.extend(self.tarballs.get().into_iter().flat_map(node::Tarballs::both));
        files.extend(self.jar.get().into_iter().flat_map(kotlin::Jar::both));
        files
    }
}

/// What is in the cell, built when it is not there yet.
fn built<T>(cell: &OnceCell<T>, build: impl FnOnce() -> Outcome<T>) -> Outcome<&T> {
    if cell.get().is_none() {
        let made = build()?;
        return Ok(cell.get_or_init(|| made));
    }
    cell.get().map_or_else(|| failed("nothing was built"), Ok)
}

/// A folder for one kind of package, with nothing of an earlier version in it.
pub(crate) fn emptied(kind: &str) -> Outcome<PathBuf> {
    let folder = workspace::scratch("packages")?.join(kind);
    if folder.exists() {
        fs::remove_dir_all(&folder).doing(folder.display())?;
    }
    fs::create_dir_all(&folder).doing(folder.display())?;
    Ok(folder)
}

/// Builds everything, looks at it, uses it, and says where it is.
pub(crate) fn run(options: &Options) -> Outcome {
    let packages = Packages::new(options.profile);
    let mut board = Board::default();
    let install = if options.no_root { Install::Forbidden } else { Install::Allowed };
    steps(&mut board, &packages, install);
    board.finish()?;
    if let Some(into) = &options.into {
        fs::create_dir_all(into).doing(into.display())?;
        for file in packages.files() {
            fs::copy(file, into.join(file.file_name().unwrap_or_default())).doing(file.display())?;
        }
    }
    Ok(())
}

/// What is not built yet is built; then all of it is looked at, and used as users use it.
pub(crate) fn steps(board: &mut Board, packages: &Packages, install: Install) {
    board.step("wheel", || packages.wheel().map(drop));
    board.step("source distribution", || packages.source().map(drop));
    board.step("npm packages", || packages.tarballs().map(drop));
    board.step("jar", || {
        kotlin::java(install)?;
        packages.jar(kotlin::Tests::Left).map(drop)
    });
    board.step("what the packages carry", || carried(packages));
    let missing = || Stop::Skipped("the package could not be built".into());
    board.step("python, nothing but the wheel", || alone::python(packages.wheel.get().ok_or_else(missing)?));
    board
        .step("node, nothing but the tarballs", || alone::node(packages.tarballs.get().ok_or_else(missing)?));
    board.step("kotlin, nothing but the jar", || alone::kotlin(packages.jar.get().ok_or_else(missing)?));
}

/// README, licences, version, addresses, and the native part, in everything that was built.
fn carried(packages: &Packages) -> Outcome {
    let files = packages.files();
    if files.is_empty() {
        return failed("nothing was built that could be looked at");
    }
    let mut look = Command::new("python3");
    look.arg(script("package_check.py")).arg(workspace::root()).args(&files);
    process::run(&mut look, RUN)?;
    for file in &files {
        let bytes = fs::metadata(file).doing(file.display())?.len();
        println!("{bytes:>12} {}", file.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nothing_was_built_nothing_is_in_order() {
        assert!(matches!(carried(&Packages::new(Profile::Dev)), Err(Stop::Failed(_))));
    }
}
