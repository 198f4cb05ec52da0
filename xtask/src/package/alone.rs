//! What was built, installed where nothing else is, and the examples of the READMEs run from it: outside of the tree, against an
//! emulator that is in the package.

use std::fs;
use std::path::Path;
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

/// In a virtual environment, by pip, with what the wheel names.
pub(super) fn python(wheel: &Path) -> Outcome {
    let folder = outside("python")?;
    let venv = folder.path().join("venv");
    process::run(Command::new(interpreter()).args(["-m", "venv"]).arg(&venv), RUN)?;
    let bin = venv.join("bin");
    let mut pip = Command::new(bin.join("pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check"]).arg(wheel);
    process::run(&mut pip, RUN)?;
    put(folder.path(), "example.py", &readme::example("README.md", "Use it from Python", "python")?)?;
    let mut run = Command::new(bin.join("python"));
    run.current_dir(folder.path()).arg(script("with_emulator.py")).arg("example.py");
    ran(run.env_remove("PYTHONPATH"))
}

/// In a project that names nothing, by npm.
pub(super) fn node(tarballs: &Tarballs) -> Outcome {
    let folder = outside("node")?;
    put(folder.path(), "package.json", "{ \"private\": true }\n")?;
    put(folder.path(), "example.mjs", &readme::example("README.md", "Use it from Node", "js")?)?;
    // Modules are looked for from the script upwards.
    let script = workspace::root().join("xtask").join("node").join("with_emulator.mjs");
    fs::copy(&script, folder.path().join("with_emulator.mjs")).doing(script.display())?;
    tarballs.install(folder.path())?;
    npm(folder.path(), &["ls", "--all"])?;
    let mut run = Command::new("node");
    run.current_dir(folder.path()).args(["with_emulator.mjs", "example.mjs"]);
    ran(run.env_remove("NODE_PATH"))
}

/// In a project that names nothing but the jar, by Maven.
pub(super) fn kotlin(jar: &Jar) -> Outcome {
    let folder = outside("kotlin")?;
    let repository = folder.path().join("repository");
    known(&repository)?;
    jar.install(&repository)?;
    let source = workspace::root().join("xtask").join("kotlin");
    workspace::copy(&source, folder.path())?;
    let main = folder.path().join("src").join("main").join("kotlin");
    put(&main, "Example.kt", &readme::example("README.md", "Use it from Kotlin", "kotlin")?)?;
    let mut mvn = Command::new("mvn");
    mvn.current_dir(folder.path()).args(["--batch-mode", "--quiet", "package"]);
    process::run(mvn.arg(format!("-Dmaven.repo.local={}", repository.display())), BUILD)?;
    let mut run = Command::new("java");
    run.current_dir(folder.path()).args([
        "-classpath",
        "target/classes:target/libraries/*",
        "WithEmulatorKt",
        "ExampleKt",
    ]);
    ran(run.env_remove("CLASSPATH"))
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
fn ran(example: &mut Command) -> Outcome {
    let said = process::output(example, RUN)?;
    print!("{said}");
    if said.contains("1 went out") { Ok(()) } else { failed("the example sent nothing") }
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
