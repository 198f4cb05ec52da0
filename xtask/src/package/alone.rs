//! What was built, installed where nothing else is, and the examples of the READMEs run from it: outside of the tree, against an
//! emulator that is in the package.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::board::{Doing, Outcome, failed};
use crate::package::kotlin::Jar;
use crate::package::node::{Tarballs, npm};
use crate::package::{BUILD, RUN, readme};
use crate::process;
use crate::python::{interpreter, script};
use crate::servers::sweep;
use crate::workspace::{self, Folder};

/// How the folders begin; then comes the id of the process that made them.
const PREFIX: &str = "calsync-package-";

/// What the examples of a sync say in the end.
const SENT: &str = "1 went out";
/// What the example of the parts says in the end.
const PLANNED: &str = "merge delete-local Busy 7 slots";

/// The heading in the README of each package below which a store of the host is tested.
const STORE_TESTS: &str = "Tests of your own store";
/// The page and its headings below which a host tests itself against an emulator.
const EMULATORS: &str = "docs/emulators.md";
const EMULATOR_TESTS: [&str; 2] = ["A test with an emulator", "OAuth at an emulator"];
/// What is such a store, in each language: that of the package's own tests.
const PYTHON_STORE: &str = "bindings/python/tests/dict_store.py";
const NODE_STORE: &str = "bindings/node/test/map-store.mjs";
const KOTLIN_STORE: &str = "bindings/mobile/kotlin/src/test/kotlin/io/calsync/MapStore.kt";
const WITH_EMULATOR: &str = "xtask/node/with_emulator.mjs";

/// In a virtual environment, by pip, with what the wheel names.
pub(super) fn python(wheel: &Path) -> Outcome {
    let folder = outside("python")?;
    let venv = folder.path().join("venv");
    process::run(Command::new(interpreter()).args(["-m", "venv"]).arg(&venv), RUN)?;
    let bin = venv.join("bin");
    let mut pip = Command::new(bin.join("pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check"]).arg(wheel);
    process::run(&mut pip, RUN)?;
    let mut pytest = Command::new(bin.join("pip"));
    pytest
        .args(["install", "--quiet", "--disable-pip-version-check", "pytest", "--constraint"])
        .arg(script("bindings.txt"));
    process::run(&mut pytest, RUN)?;
    put(folder.path(), "example.py", &readme::example("README.md", "Use it from Python", "python")?)?;
    let mut run = Command::new(bin.join("python"));
    run.current_dir(folder.path()).arg(script("with_emulator.py")).arg("example.py");
    ran(run.env_remove("PYTHONPATH"), SENT)?;
    put(folder.path(), "parts.py", &readme::example("README.md", "Use its parts alone", "python")?)?;
    let mut parts = Command::new(bin.join("python"));
    ran(parts.current_dir(folder.path()).arg("parts.py").env_remove("PYTHONPATH"), PLANNED)?;

    fs::copy(source(PYTHON_STORE), folder.path().join("dict_store.py")).doing(PYTHON_STORE)?;
    put(folder.path(), "my_store.py", "from dict_store import DictStore as MyStore")?;
    put(
        folder.path(),
        "test_my_store.py",
        &readme::example("bindings/python/README.md", STORE_TESTS, "python")?,
    )?;
    for (number, heading) in EMULATOR_TESTS.iter().enumerate() {
        let name = format!("test_emulator_{number}.py");
        put(folder.path(), &name, &readme::example(EMULATORS, heading, "python")?)?;
    }
    let mut tests = Command::new(bin.join("python"));
    tests.current_dir(folder.path()).args([
        "-m",
        "pytest",
        "--verbose",
        "--no-header",
        "-p",
        "no:cacheprovider",
    ]);
    each_case(&process::output(tests.env_remove("PYTHONPATH"), RUN)?)
}

/// In a project that names nothing, by npm.
pub(super) fn node(tarballs: &Tarballs) -> Outcome {
    let folder = outside("node")?;
    put(folder.path(), "package.json", "{ \"private\": true }\n")?;
    put(folder.path(), "example.mjs", &readme::example("README.md", "Use it from Node", "js")?)?;
    // Modules are looked for from the script upwards.
    fs::copy(source(WITH_EMULATOR), folder.path().join("with_emulator.mjs")).doing(WITH_EMULATOR)?;
    tarballs.install(folder.path())?;
    npm(folder.path(), &["ls", "--all"])?;
    let mut run = Command::new("node");
    run.current_dir(folder.path()).args(["with_emulator.mjs", "example.mjs"]);
    ran(run.env_remove("NODE_PATH"), SENT)?;

    let store =
        fs::read_to_string(source(NODE_STORE)).doing(NODE_STORE)?.replace("'../index.mjs'", "'calsync'");
    put(folder.path(), "my-store.mjs", &format!("{store}\nexport {{ MapStore as MyStore }};"))?;
    put(folder.path(), "my-store.test.mjs", &readme::example("bindings/node/README.md", STORE_TESTS, "js")?)?;
    let mut tests = Command::new("node");
    tests.current_dir(folder.path()).args(["--test", "my-store.test.mjs"]);
    for (number, heading) in EMULATOR_TESTS.iter().enumerate() {
        let name = format!("emulator-{number}.test.mjs");
        put(folder.path(), &name, &readme::example(EMULATORS, heading, "js")?)?;
        tests.arg(name);
    }
    each_case(&process::output(tests.env_remove("NODE_PATH"), RUN)?)
}

/// In a project that names nothing but the jar, by Maven.
pub(super) fn kotlin(jar: &Jar) -> Outcome {
    let folder = outside("kotlin")?;
    let repository = folder.path().join("repository");
    known(&repository)?;
    jar.install(&repository)?;
    workspace::copy(&source("xtask/kotlin"), folder.path())?;
    let [main, test] = ["main", "test"].map(|part| folder.path().join("src").join(part).join("kotlin"));
    put(&main, "Example.kt", &readme::example("README.md", "Use it from Kotlin", "kotlin")?)?;
    put(&test, "MyStoreTest.kt", &readme::example("bindings/mobile/README.md", STORE_TESTS, "kotlin")?)?;
    put(&test, "MyStore.kt", "typealias MyStore = io.calsync.MapStore")?;
    fs::copy(source(KOTLIN_STORE), test.join("MapStore.kt")).doing(KOTLIN_STORE)?;
    let mut mvn = Command::new("mvn");
    mvn.current_dir(folder.path()).args(["--batch-mode", "--quiet", "package"]);
    mvn.arg(format!("-Dcalsync.version={}", jar.version()));
    process::run(mvn.arg(format!("-Dmaven.repo.local={}", repository.display())), BUILD)?;
    let mut run = Command::new("java");
    run.current_dir(folder.path()).args([
        "-classpath",
        "target/classes:target/libraries/*",
        "WithEmulatorKt",
        "ExampleKt",
    ]);
    ran(run.env_remove("CLASSPATH"), SENT)?;
    let report = folder.path().join("target/surefire-reports/TEST-MyStoreTest.xml");
    each_case(&fs::read_to_string(&report).doing(report.display())?)
}

/// A Maven repository that has what this machine has downloaded already, and nothing of calsync.
fn known(repository: &Path) -> Outcome {
    let group = repository.join("io");
    fs::create_dir_all(&group).doing(group.display())?;
    let Some(home) = std::env::var_os("HOME") else { return Ok(()) };
    let downloaded = Path::new(&home).join(".m2").join("repository");
    link(&downloaded, repository, "io")?;
    link(&downloaded.join("io"), &group, "calsync")
}

/// Links to everything that is in a folder, if there is one, but for the entry of this name.
fn link(from: &Path, to: &Path, but: &str) -> Outcome {
    let Ok(entries) = fs::read_dir(from) else { return Ok(()) };
    for entry in entries {
        let entry = entry.doing(from.display())?;
        if entry.file_name() != but {
            std::os::unix::fs::symlink(entry.path(), to.join(entry.file_name())).doing(to.display())?;
        }
    }
    Ok(())
}

/// Runs an example, whose last line says what came of it.
fn ran(example: &mut Command, came: &str) -> Outcome {
    let said = process::output(example, RUN)?;
    print!("{said}");
    if said.contains(came) { Ok(()) } else { failed(format!("the example does not say \"{came}\"")) }
}

/// Looks for a case by its name in what a test runner said: a store without tests passes them all.
fn each_case(said: &str) -> Outcome {
    if said.contains("lease_needs_a_duration") {
        Ok(())
    } else {
        failed("the cases for stores are no tests with their names")
    }
}

fn source(path: &str) -> PathBuf {
    workspace::root().join(path)
}

/// A folder outside of the tree, in which no search upwards finds anything of it.
fn outside(what: &str) -> Outcome<Folder> {
    let all = std::env::temp_dir();
    sweep(&all, PREFIX)?;
    Folder::make(all.join(format!("{PREFIX}{}-{what}", std::process::id())))
}

fn put(folder: &Path, name: &str, text: &str) -> Outcome {
    fs::create_dir_all(folder).doing(folder.display())?;
    let file = folder.join(name);
    fs::write(&file, format!("{text}\n")).doing(file.display())
}
