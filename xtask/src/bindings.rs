//! The packages for other languages: built, installed where nothing else is, tested and type-checked there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::board::{Board, Doing, Outcome, Stop, failed};
use crate::mobile;
use crate::process;
use crate::python::Python;
use crate::servers::postgres::{self, Install, Postgres};
use crate::servers::{self, Kind};
use crate::workspace;

/// For steps that may have to compile the workspace first.
const BUILD: Duration = Duration::from_secs(1200);
const RUN: Duration = Duration::from_secs(600);

/// Builds the wheel and the source distribution, installs the wheel into an environment made for it, and runs what users and
/// their type checkers would.
pub(crate) fn python(board: &mut Board, install: Install, server: impl Fn() -> Outcome<Server>) {
    let mut installed = None;
    board.step("python package", || {
        installed = Some(PythonPackage::install()?);
        Ok(())
    });
    let package = || installed.as_ref().ok_or_else(|| Stop::Skipped("the package could not be built".into()));
    board.step("python tests", || package()?.tests());
    board.step("python types", || package()?.types());
    board.step("python example of the README", || {
        let package = package()?;
        let server = server()?;
        let example = readme_example("python")?;
        let file = workspace::scratch("python-example")?.join("example.py");
        fs::write(&file, example).doing(file.display())?;
        let mut run = package.python.script(&file);
        // The example keeps its calendars in the folder it is run in.
        let folder = workspace::scratch("python-example")?.join(std::process::id().to_string());
        let folder = workspace::Folder::make(folder)?;
        server.tell(run.current_dir(folder.path()));
        process::run(&mut run, RUN)
    });
    board.step("python host", || package()?.host(&server()?, install));
    board.step("python source distribution", || package()?.source());
}

/// Builds the npm package, tests and checks it, and runs the README's example where nothing else is installed.
pub(crate) fn node(board: &mut Board, install: Install, server: impl Fn() -> Outcome<Server>) {
    let mut built = None;
    board.step("node package", || {
        built = Some(NodePackage::build()?);
        Ok(())
    });
    let package = || built.as_ref().ok_or_else(|| Stop::Skipped("the package could not be built".into()));
    board.step("node tests", || package()?.tests());
    board.step("node types", || package()?.types());
    board.step("node example of the README", || package()?.example(&server()?));
    board.step("node host", || package()?.host(&server()?, install));
}

/// Short scripts that sync and end at once, so many in each language: none may crash, none may hang.
pub(crate) fn exits(board: &mut Board, scripts: u32) {
    board.step("python scripts", || PythonPackage::install()?.exits(scripts));
    board.step("node scripts", || NodePackage::build()?.exits(scripts));
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
    dist: PathBuf,
}

impl PythonPackage {
    fn install() -> Outcome<Self> {
        let python = Python::environment("bindings-venv", "bindings.txt")?;
        let dist = workspace::scratch("python-dist")?;
        wheel(&python, &dist, &[], BUILD)?;
        Ok(Self { python, dist })
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
        let dav_server = workspace::program("dav-server")?;
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

    /// The source distribution, and a wheel built from nothing else.
    fn source(&self) -> Outcome {
        let mut maturin = self.python.program("maturin");
        maturin.args(["sdist", "--manifest-path", "bindings/python/Cargo.toml", "--out"]).arg(&self.dist);
        process::run(&mut maturin, RUN)?;
        let wheels = workspace::scratch("python-from-source")?;
        let mut pip = self.python.program("pip");
        pip.args(["wheel", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation"]);
        pip.arg("--wheel-dir").arg(&wheels).arg(only(&self.dist, ".tar.gz")?);
        // Optimising would only take longer.
        pip.env("CARGO_TARGET_DIR", workspace::target()).env("MATURIN_PEP517_ARGS", "--profile dev");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let bin = Path::new(self.python.program("pip").get_program()).parent().map(Path::to_path_buf);
        let paths = bin.into_iter().chain(std::env::split_paths(&path));
        pip.env("PATH", std::env::join_paths(paths).doing("PATH")?);
        process::run(&mut pip, BUILD)
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

/// Builds the wheel into `dist`, which it is alone in, and installs it.
pub(crate) fn wheel(python: &Python, dist: &Path, more: &[&str], limit: Duration) -> Outcome {
    for old in fs::read_dir(dist).doing(dist.display())? {
        let old = old.doing(dist.display())?.path();
        fs::remove_file(&old).doing(old.display())?;
    }
    let mut maturin = python.program("maturin");
    maturin.args(["build", "--manifest-path", "bindings/python/Cargo.toml", "--out"]).arg(dist).args(more);
    process::run(maturin.env("CARGO_TARGET_DIR", workspace::target()), limit)?;
    let mut pip = python.program("pip");
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--force-reinstall"]);
    process::run(pip.arg(only(dist, ".whl")?), RUN)
}

struct NodePackage {
    /// The package with its tests and the native part.
    package: PathBuf,
    tools: PathBuf,
}

impl NodePackage {
    fn build() -> Outcome<Self> {
        if !process::exists("npm") {
            return Err(Stop::Skipped("npm is not installed".into()));
        }
        process::run(process::cargo().args(["build", "--package", "calsync-node"]), BUILD)?;
        let package = workspace::scratch("node-package")?;
        npm_package(&package, "debug")?;
        let tools = workspace::scratch("node-tools")?;
        let pins = workspace::root().join("bindings").join("node").join("checks").join("package.json");
        fs::copy(&pins, tools.join("package.json")).doing(pins.display())?;
        npm(&tools, &["install"])?;
        Ok(Self { package, tools })
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
        let dav_server = workspace::program("dav-server")?;
        let mut node = Command::new("sh");
        node.current_dir(&self.package).args(["-c", &format!("exec node --test {files}")]);
        node.env("CALSYNC_DAV_SERVER", dav_server);
        Ok(node)
    }

    fn types(&self) -> Outcome {
        process::run(self.tool("tsc").args(["--project", "."]), RUN)?;
        npm(&self.package, &["pack"])?;
        let tarball = only(&self.package, ".tgz")?;
        process::run(self.tool("publint").arg("--strict").arg(&tarball), RUN)?;
        process::run(self.tool("attw").arg(&tarball), RUN)
    }

    /// In a project that has nothing but the tarball.
    fn example(&self, server: &Server) -> Outcome {
        let folder = workspace::scratch("node-example")?.join(std::process::id().to_string());
        let folder = workspace::Folder::make(folder)?;
        let write = |name: &str, text: &str| {
            let file = folder.path().join(name);
            fs::write(&file, text).doing(file.display())
        };
        write("package.json", "{ \"private\": true }\n")?;
        write("example.mjs", &readme_example("js")?)?;
        let tarball = only(&self.package, ".tgz")?;
        npm(folder.path(), &["install", "--omit=optional", &tarball.display().to_string()])?;
        let mut run = Command::new("node");
        run.current_dir(folder.path()).arg("example.mjs");
        server.tell(&mut run);
        process::run(&mut run, RUN)
    }

    /// The application of `examples/node`, over the tarball: its stores over SQLite and PostgreSQL, and a day of it against
    /// `server`.
    fn host(&self, server: &Server, install: Install) -> Outcome {
        let folder = workspace::scratch("node-host")?;
        let source = workspace::root().join("examples").join("node");
        copy(&source, &folder)?;
        let pins = source.join("checks").join("package.json");
        fs::copy(&pins, folder.join("package.json")).doing(pins.display())?;
        npm(&folder, &["install", "--no-package-lock", "--ignore-scripts"])?;
        // Not by npm, which would ask the registry for the packages with the native parts.
        let place = folder.join("node_modules").join("calsync");
        fs::create_dir_all(&place).doing(place.display())?;
        let mut unpack = Command::new("tar");
        unpack.args(["--strip-components=1", "-xzf"]).arg(only(&self.package, ".tgz")?).arg("-C").arg(&place);
        process::run(&mut unpack, RUN)?;
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

/// Makes the package anew, with its tests and the native part that was built.
pub(crate) fn npm_package(package: &Path, profile: &str) -> Outcome {
    fs::remove_dir_all(package).doing(package.display())?;
    copy(&workspace::root().join("bindings").join("node"), package)?;
    let mut name = Command::new("node");
    name.current_dir(package).args(["-p", "require('./platform.cjs').platform()"]);
    let name = process::output(&mut name, RUN)?;
    let native = workspace::target().join(profile).join(if cfg!(target_os = "macos") {
        "libcalsync_node.dylib"
    } else {
        "libcalsync_node.so"
    });
    let place = package.join(format!("calsync.{}.node", name.trim()));
    fs::copy(&native, &place).doing(place.display())?;
    Ok(())
}

fn npm(folder: &Path, arguments: &[&str]) -> Outcome {
    let mut npm = Command::new("npm");
    npm.current_dir(folder).args(arguments).args(["--no-audit", "--no-fund", "--silent"]);
    process::run(&mut npm, RUN)
}

/// The files of a package, without what was built or installed in it.
pub(crate) fn copy(from: &Path, to: &Path) -> Outcome {
    fs::create_dir_all(to).doing(to.display())?;
    for entry in fs::read_dir(from).doing(from.display())? {
        let entry = entry.doing(from.display())?;
        let (path, name) = (entry.path(), entry.file_name());
        if name == "node_modules" || path.extension().is_some_and(|end| end == "node") {
            continue;
        }
        if path.is_dir() {
            copy(&path, &to.join(name))?;
        } else {
            fs::copy(&path, to.join(name)).doing(path.display())?;
        }
    }
    Ok(())
}

fn folder() -> PathBuf {
    workspace::root().join("bindings").join("python")
}

/// The one file with this ending.
fn only(dir: &Path, ending: &str) -> Outcome<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).doing(dir.display())? {
        let path = entry.doing(dir.display())?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(ending)) {
            found.push(path);
        }
    }
    match found.as_slice() {
        [one] => Ok(one.clone()),
        _ => failed(format!("{} files *{ending} in {}, expected one", found.len(), dir.display())),
    }
}

/// The first example of a language in the README, as it stands there.
pub(crate) fn readme_example(language: &str) -> Outcome<String> {
    let readme = workspace::root().join("README.md");
    let text = fs::read_to_string(&readme).doing(readme.display())?;
    match example_in(&text, language) {
        Some(example) => Ok(example.to_owned()),
        None => failed(format!("README.md has no example in {language}")),
    }
}

fn example_in<'t>(text: &'t str, language: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("\n```{language}\n"))?;
    rest.split_once("\n```").map(|(example, _)| example)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_is_what_stands_between_its_fences() {
        let text = "# A\n\n```sh\nls\n```\n\n```python\nimport calsync\nprint(1)\n```\n";
        assert_eq!(example_in(text, "python"), Some("import calsync\nprint(1)"));
        assert_eq!(example_in(text, "ts"), None);
    }
}
