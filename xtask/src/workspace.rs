//! Where things are: the workspace root, and the folder that everything made or downloaded goes to.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::board::{Doing, Outcome};

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

/// A folder under `target/xtask`, made when absent.
pub(crate) fn scratch(name: &str) -> Outcome<PathBuf> {
    let dir = target().join("xtask").join(name);
    fs::create_dir_all(&dir).doing(format_args!("cannot make {}", dir.display()))?;
    Ok(dir)
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
