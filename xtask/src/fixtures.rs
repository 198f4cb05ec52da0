//! Calendar files that other projects ship with their sources, read from the package registries.
//!
//! They are not kept in this repository: their licences are theirs, and there are hundreds of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::board::{Doing, Outcome, failed};
use crate::process;
use crate::python::Python;
use crate::workspace;

const LIMIT: Duration = Duration::from_secs(300);

enum Registry {
    Pypi,
    Npm,
}

/// A pinned package and how many `.ics` files it carries: a count that differs means that something else was downloaded.
struct Package {
    registry: Registry,
    name: &'static str,
    version: &'static str,
    files: usize,
}

const PACKAGES: [Package; 4] = [
    Package { registry: Registry::Pypi, name: "icalendar", version: "7.3.0", files: 164 },
    Package { registry: Registry::Pypi, name: "recurring-ical-events", version: "3.8.2", files: 96 },
    // Its calendars are not in the source package, only its tests are: 0 is what there is.
    Package { registry: Registry::Pypi, name: "x-wr-timezone", version: "2.0.1", files: 0 },
    // The last version whose package has the samples; from 1.2 on it carries the library alone.
    Package { registry: Registry::Npm, name: "ical.js", version: "1.1.2", files: 43 },
];

/// Downloads and unpacks what is missing; returns the folder with one folder per package.
pub(crate) fn download(python: &Python) -> Outcome<PathBuf> {
    let all = workspace::scratch("fixtures")?;
    for package in &PACKAGES {
        let dir = all.join(format!("{}-{}", package.name, package.version));
        if !dir.exists() {
            // Made under another name and renamed when complete: an interrupted download is not taken for a whole one.
            let part = all.with_file_name("fixtures.part");
            if part.exists() {
                fs::remove_dir_all(&part).doing(part.display())?;
            }
            fs::create_dir_all(&part).doing(part.display())?;
            fetch(python, package, &part)?;
            fs::rename(&part, &dir).doing(dir.display())?;
        }
        let found = count_ics(&dir)?;
        println!("{} {}: {found} .ics files", package.name, package.version);
        if found != package.files {
            return failed(format!("{} has {found} .ics files, not {}", dir.display(), package.files));
        }
    }
    Ok(all)
}

fn fetch(python: &Python, package: &Package, dir: &Path) -> Outcome {
    let (name, version) = (package.name, package.version);
    match package.registry {
        Registry::Pypi => {
            let mut pip = python.program("pip");
            pip.args([
                "download",
                "--quiet",
                "--disable-pip-version-check",
                "--no-deps",
                "--no-binary",
                name,
            ])
            .arg("--dest")
            .arg(dir)
            .arg(format!("{name}=={version}"));
            process::run(&mut pip, LIMIT)?;
        }
        Registry::Npm => {
            if !process::exists("npm") {
                return failed("npm is needed to download the sources of ical.js");
            }
            let mut npm = Command::new("npm");
            npm.args(["pack", "--silent", "--pack-destination"]).arg(dir).arg(format!("{name}@{version}"));
            process::run(&mut npm, LIMIT)?;
        }
    }
    for entry in fs::read_dir(dir).doing(dir.display())? {
        let archive = entry.doing(dir.display())?.path();
        if archive.extension().is_some_and(|end| end == "gz" || end == "tgz") {
            let mut tar = Command::new("tar");
            tar.arg("--extract").arg("--gzip").arg("--no-same-owner").arg("--file").arg(&archive);
            tar.arg("--directory").arg(dir);
            process::run(&mut tar, LIMIT)?;
            fs::remove_file(&archive).doing(archive.display())?;
        }
    }
    Ok(())
}

fn count_ics(dir: &Path) -> Outcome<usize> {
    let mut count = 0;
    for entry in fs::read_dir(dir).doing(dir.display())? {
        let entry = entry.doing(dir.display())?;
        let path = entry.path();
        if entry.file_type().doing(path.display())?.is_dir() {
            count += count_ics(&path)?;
        } else if path.extension().is_some_and(|end| end == "ics") {
            count += 1;
        }
    }
    Ok(count)
}
