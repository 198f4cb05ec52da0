//! The wheel and the source distribution.

use std::fs;
use std::path::{Path, PathBuf};

use crate::board::{Doing, Outcome};
use crate::package::{BUILD, Profile, RUN};
use crate::process;
use crate::python::Python;
use crate::workspace::{self, only};

const MANIFEST: [&str; 2] = ["--manifest-path", "bindings/python/Cargo.toml"];

/// What the package is built and checked with.
pub(crate) fn tools() -> Outcome<Python> {
    Python::environment("bindings-venv", "bindings.txt")
}

/// Builds the wheel into `folder`, which it is alone in, with the maturin of `tools`.
pub(crate) fn wheel(tools: &Python, folder: &Path, profile: Profile) -> Outcome<PathBuf> {
    let mut maturin = tools.program("maturin");
    maturin.arg("build").args(MANIFEST).args(["--profile", profile.name(), "--out"]).arg(folder);
    process::run(maturin.env("CARGO_TARGET_DIR", workspace::target()), BUILD)?;
    only(folder, ".whl")
}

/// Installs the wheel, and nothing of what it needs.
pub(crate) fn install(python: &Python, wheel: &Path) -> Outcome {
    let mut pip = python.program("pip");
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--force-reinstall"]);
    process::run(pip.arg(wheel), RUN)
}

/// Makes the source distribution in `folder`, which it is alone in, and a wheel from nothing else.
pub(super) fn source(folder: &Path) -> Outcome<PathBuf> {
    let tools = tools()?;
    let mut maturin = tools.program("maturin");
    process::run(maturin.arg("sdist").args(MANIFEST).arg("--out").arg(folder), RUN)?;
    let source = only(folder, ".tar.gz")?;
    let wheels = workspace::scratch("python-from-source")?;
    let mut pip = tools.program("pip");
    pip.args(["wheel", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation"]);
    pip.arg("--wheel-dir").arg(&wheels).arg(&source);
    // Optimising would only take longer.
    pip.env("CARGO_TARGET_DIR", workspace::target()).env("MATURIN_PEP517_ARGS", "--profile dev");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let bin = Path::new(tools.program("pip").get_program()).parent().map(Path::to_path_buf);
    let paths = bin.into_iter().chain(std::env::split_paths(&path));
    pip.env("PATH", std::env::join_paths(paths).doing("PATH")?);
    process::run(&mut pip, BUILD)?;
    fs::remove_dir_all(&wheels).doing(wheels.display())?;
    Ok(source)
}
