//! Where things are: the workspace root, and the folder that everything made or downloaded goes to.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::board::{Doing, Outcome, failed};
use crate::process;

/// Building the whole workspace, from nothing.
const BUILD: Duration = Duration::from_secs(1800);

/// The workspace's root folder.
pub(crate) fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// Cargo's target folder.
pub(crate) fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// What every step of the test run builds with. One set of features for all of them: cargo would build the crates, and what
/// they depend on, once more for each other set.
pub(crate) const WHOLE: [&str; 2] = ["--workspace", "--all-features"];

/// A small test beside a program that is built: with none, cargo leaves out the features that only tests ask of what everybody
/// depends on, and builds all of it once more.
const AS_TESTS: [&str; 2] = ["--test", "store_debug"];

/// Builds a program of the workspace as the tests are built.
pub(crate) fn build(name: &str) -> Outcome {
    let mut build = process::cargo();
    process::run(build.arg("build").args(WHOLE).args(["--bin", name]).args(AS_TESTS), BUILD)
}

/// A folder under `target/xtask`, made when absent.
pub(crate) fn scratch(name: &str) -> Outcome<PathBuf> {
    let dir = target().join("xtask").join(name);
    fs::create_dir_all(&dir).doing(format_args!("cannot make {}", dir.display()))?;
    Ok(dir)
}

/// Held until it is dropped, while something is installed that another xtask may want as well: that one waits. Whoever holds it and
/// asks for it again waits for itself.
pub(crate) fn installing(what: &str) -> Outcome<File> {
    let path = scratch("installing")?.join(what);
    let lock = File::create(&path).doing(path.display())?;
    lock.lock().doing(path.display())?;
    Ok(lock)
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

/// The one file with this ending.
pub(crate) fn only(dir: &Path, ending: &str) -> Outcome<PathBuf> {
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

/// Whether this process may install packages and change users.
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// A folder that is removed when this is dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Takes over `path`, which must not exist yet.
    pub(crate) fn make(path: PathBuf) -> Outcome<Self> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).doing(format_args!("cannot make {}", parent.display()))?;
        }
        fs::create_dir(&path).doing(format_args!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("cannot remove {}: {error}", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn who_installs_is_waited_for() {
        let first = installing("test").unwrap();
        drop(installing("test-other").unwrap());
        let (tell, told) = mpsc::channel();
        let second = thread::spawn(move || {
            let _second = installing("test").unwrap();
            tell.send(()).unwrap();
        });
        assert!(told.recv_timeout(Duration::from_millis(200)).is_err());
        drop(first);
        assert!(told.recv_timeout(Duration::from_secs(60)).is_ok());
        second.join().unwrap();
    }
}
