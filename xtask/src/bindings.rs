//! The packages for other languages: built, installed where nothing else is, tested and type-checked there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::board::{Board, Doing, Outcome, Stop};
use crate::built;
use crate::mobile;
use crate::package::node::{Tarballs, npm};
use crate::package::{self, Packages, Profile};
use crate::process;
use crate::python::Python;
use crate::servers::postgres::{self, Install, Postgres};
use crate::servers::{self, Kind};
use crate::workspace::{self, copy};

const RUN: Duration = Duration::from_secs(600);

/// Installs the wheel into an environment made for it, and runs what users and their type checkers would.
pub(crate) fn python(
    board: &mut Board,
    packages: &Packages,
    install: Install,
    server: impl Fn() -> Outcome<Server>,
) {
    let mut installed = None;
    board.step("python package", || {
        installed = Some(PythonPackage::install(packages)?);
        Ok(())
    });
    let package = || installed.as_ref().ok_or_else(|| Stop::Skipped("the package could not be built".into()));
    board.step("python tests", || package()?.tests());
    board.step("python types", || package()?.types());
    board.step("python host", || package()?.host(&server()?, install));
    // Right behind the wheel: what another package needs of the same crates would be built in between.
    board.step("python source distribution", || packages.source().map(drop));
}

/// Builds the npm packages, tests and checks them.
pub(crate) fn node(
    board: &mut Board,
    packages: &Packages,
    install: Install,
    server: impl Fn() -> Outcome<Server>,
) {
    let mut built = None;
    board.step("node package", || {
        built = Some(NodePackage::build(packages)?);
        Ok(())
    });
    let package = || built.as_ref().ok_or_else(|| Stop::Skipped("the package could not be built".into()));
    board.step("node tests", || package()?.tests());
    board.step("node types", || package()?.types());
    board.step("node host", || package()?.host(&server()?, install));
}

/// Short scripts that sync and end at once, so many in each language: none may crash, none may hang.
pub(crate) fn exits(board: &mut Board, scripts: u32) {
    let packages = Packages::new(Profile::Dev);
    board.step("python scripts", || PythonPackage::install(&packages)?.exits(scripts));
    board.step("node scripts", || NodePackage::build(&packages)?.exits(scripts));
    board.step("kotlin programs", || mobile::exits(scripts));
}

/// A CalDAV server an example may write to, and what keeps it running.
pub(crate) struct Server {
    /// Kept until the end.
    pub(crate) _running: Box<dyn std::any::Any>,
    /// Where.
    pub(crate) url: String,
    /// Who.
    pub(crate) user: &'static str,
    /// Its password.
    pub(crate) password: &'static str,
}

impl Server {
    pub(crate) fn tell(&self, command: &mut Command) {
        command.env("CALDAV_URL", &self.url).env("CALDAV_USER", self.user);
        command.env("CALDAV_PASSWORD", self.password);
    }
}

/// The scenario all languages play, and a Radicale to play it at.
pub(crate) struct Scenario {
    // The server before the folder that holds its state.
    radicale: servers::Server,
    _folder: workspace::Folder,
}

impl Scenario {
    /// Starts the Radicale.
    pub(crate) fn start() -> Outcome<Self> {
        let python = Python::ready()?;
        let folder = servers::run_folder("scenario")?;
        Ok(Self {
            radicale: servers::Server::start(Kind::Radicale, &python, folder.path())?,
            _folder: folder,
        })
    }

    pub(crate) fn tell(&self, tests: &mut Command) {
        tests.env("CALSYNC_SCENARIO", workspace::root().join("bindings"));
        tests.env("CALSYNC_SCENARIO_RADICALE", self.radicale.work());
    }
}

struct PythonPackage {
    python: Python,
}

impl PythonPackage {
    fn install(packages: &Packages) -> Outcome<Self> {
        let python = package::python::tools()?;
        package::python::install(&python, packages.wheel()?)?;
        Ok(Self { python })
    }

    fn tests(&self) -> Outcome {
        let scenario = Scenario::start()?;
        let mut pytest = self.pytest()?;
        scenario.tell(&mut pytest);
        process::run(&mut pytest, RUN)
    }

    fn exits(&self, scripts: u32) -> Outcome {
        let mut pytest = self.pytest()?;
        pytest.arg("tests/test_exit.py").env("CALSYNC_SCRIPTS", scripts.to_string());
        process::run(&mut pytest, process::NO_LIMIT)
    }

    fn pytest(&self) -> Outcome<Command> {
        let dav_server = built::program("dav-server")?;
        let mut pytest = self.python.program("pytest");
        pytest.current_dir(folder()).args(["-q", "-p", "no:cacheprovider"]);
        pytest.env("CALSYNC_DAV_SERVER", dav_server);
        Ok(pytest)
    }

    fn types(&self) -> Outcome {
        let cache = workspace::scratch("mypy")?;
        let mut mypy = self.python.program("mypy");
        mypy.current_dir(folder()).arg("--cache-dir").arg(&cache).args(["python", "tests"]);
        process::run(&mut mypy, RUN)?;
        // The installed package alone: what a user's checker sees of the stubs.
        let mut mypy = self.python.program("mypy");
        mypy.current_dir(folder().join("tests"))
            .arg("--cache-dir")
            .arg(&cache)
            .args(["--strict", "typed.py"]);
        process::run(&mut mypy, RUN)?;
        let mut pyright = self.python.program("pyright");
        pyright.current_dir(folder()).arg("--pythonpath");
        pyright.arg(self.python.program("python").get_program()).args(["python", "tests"]);
        process::run(&mut pyright, RUN)
    }

    /// The application of `examples/python`: its store over SQLite and PostgreSQL, and a day of it against `server`.
    fn host(&self, server: &Server, install: Install) -> Outcome {
        let host = workspace::root().join("examples").join("python");
        let mut mypy = self.python.program("mypy");
        mypy.current_dir(&host).arg("--cache-dir").arg(workspace::scratch("mypy-host")?);
        process::run(mypy.arg("."), RUN)?;
        let mut pytest = self.python.program("pytest");
        pytest.current_dir(&host).args(["-q", "-p", "no:cacheprovider"]);
        server.tell(&mut pytest);
        let folder = workspace::scratch("python-host")?.join(std::process::id().to_string());
        let folder = workspace::Folder::make(folder)?;
        let _running = postgres_for(&mut pytest, install, folder.path())?;
        process::run(&mut pytest, RUN)
    }
}

/// Tells a host's tests of a PostgreSQL in `dir`. Where there is none, its store is still tested over SQLite.
fn postgres_for(tests: &mut Command, install: Install, dir: &Path) -> Outcome<Option<Postgres>> {
    match postgres::install(install) {
        Ok(()) => {
            let postgres = Postgres::start(dir)?;
            tests.env("CALSYNC_TEST_POSTGRES", postgres.url());
            Ok(Some(postgres))
        }
        Err(Stop::Skipped(_)) => Ok(None),
        Err(stop) => Err(stop),
    }
}

struct NodePackage<'a> {
    tarballs: &'a Tarballs,
    /// The files of the package with its tests and the native part beside them.
    package: PathBuf,
    tools: PathBuf,
}

impl<'a> NodePackage<'a> {
    fn build(packages: &'a Packages) -> Outcome<Self> {
        let tarballs = packages.tarballs()?;
        let package = workspace::scratch("node-package")?;
        npm_package(&package, Profile::Dev)?;
        let tools = workspace::scratch("node-tools")?;
        let pins = workspace::root().join("bindings").join("node").join("checks").join("package.json");
        fs::copy(&pins, tools.join("package.json")).doing(pins.display())?;
        npm(&tools, &["install"])?;
        Ok(Self { tarballs, package, tools })
    }

    fn tests(&self) -> Outcome {
        let scenario = Scenario::start()?;
        let mut node = self.node("test/*.test.mjs")?;
        scenario.tell(&mut node);
        process::run(&mut node, RUN)
    }

    fn exits(&self, scripts: u32) -> Outcome {
        let mut node = self.node("test/exit.test.mjs")?;
        process::run(node.env("CALSYNC_SCRIPTS", scripts.to_string()), process::NO_LIMIT)
    }

    fn node(&self, files: &str) -> Outcome<Command> {
        let dav_server = built::program("dav-server")?;
        let mut node = Command::new("sh");
        node.current_dir(&self.package).args(["-c", &format!("exec node --test {files}")]);
        node.env("CALSYNC_DAV_SERVER", dav_server);
        Ok(node)
    }

    fn types(&self) -> Outcome {
        process::run(self.tool("tsc").args(["--project", "."]), RUN)?;
        for tarball in self.tarballs.both() {
            process::run(self.tool("publint").arg("--strict").arg(tarball), RUN)?;
        }
        process::run(self.tool("attw").arg(&self.tarballs.main), RUN)
    }

    /// The application of `examples/node`, over the tarballs: its stores over SQLite and PostgreSQL, and a day of it against
    /// `server`.
    fn host(&self, server: &Server, install: Install) -> Outcome {
        let folder = workspace::scratch("node-host")?;
        let source = workspace::root().join("examples").join("node");
        copy(&source, &folder)?;
        let pins = source.join("checks").join("package.json");
        fs::copy(&pins, folder.join("package.json")).doing(pins.display())?;
        npm(&folder, &["install", "--no-package-lock", "--ignore-scripts"])?;
        package::node::compiled(&folder, "better-sqlite3")?;
        self.tarballs.install(&folder)?;
        let mut node = Command::new("sh");
        node.current_dir(&folder).args(["-c", "exec node --test *.test.mjs"]);
        server.tell(&mut node);
        let run = workspace::Folder::make(folder.join(std::process::id().to_string()))?;
        let _running = postgres_for(&mut node, install, run.path())?;
        process::run(&mut node, RUN)
    }

    fn tool(&self, name: &str) -> Command {
        let mut tool = Command::new(self.tools.join("node_modules").join(".bin").join(name));
        tool.current_dir(&self.package);
        tool
    }
}

/// Makes the package anew, with its tests and the native part beside it, as it is built from source.
pub(crate) fn npm_package(package: &Path, profile: Profile) -> Outcome {
    fs::remove_dir_all(package).doing(package.display())?;
    copy(&workspace::root().join("bindings").join("node"), package)?;
    let native = package::node::native(profile)?;
    let place = package.join(format!("calsync.{}.node", package::node::platform()?));
    fs::copy(&native, &place).doing(place.display())?;
    Ok(())
}

fn folder() -> PathBuf {
    workspace::root().join("bindings").join("python")
}
