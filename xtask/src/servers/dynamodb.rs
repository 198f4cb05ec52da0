//! DynamoDB Local, from Maven Central. The testkit starts and stops it; here it is made sure that there is one.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::apt;
use super::postgres::Install;
use crate::board::{Doing, Outcome, Stop};
use crate::process;
use crate::workspace;

const FETCH: Duration = Duration::from_secs(300);
/// What tells that all of it was copied.
const DONE: &str = "complete";

/// Makes sure that there is a DynamoDB Local, and a Java to run it.
pub(crate) fn install(install: Install) -> Outcome {
    if std::env::var_os("CALSYNC_TEST_DYNAMODB").is_some() {
        return Ok(());
    }
    for (program, package) in [("java", "default-jre-headless"), ("mvn", "maven")] {
        let needed = program == "java" || std::env::var_os("CALSYNC_DYNAMODB_LOCAL").is_none();
        if needed && !process::exists(program) {
            if install == Install::Forbidden {
                return Err(Stop::Skipped(format!("{program} is not installed")));
            }
            apt::install("DynamoDB Local", &[package])?;
        }
    }
    if std::env::var_os("CALSYNC_DYNAMODB_LOCAL").is_some() {
        return Ok(());
    }
    let folder = workspace::root().join("target/xtask/dynamodb-local");
    if folder.join(DONE).exists() {
        return Ok(());
    }
    fetch(&folder).map_err(|stop| Stop::absent(format!("DynamoDB Local could not be fetched: {stop}")))
}

fn fetch(folder: &Path) -> Outcome {
    let _alone = workspace::installing("dynamodb-local")?;
    let mut maven = Command::new("mvn");
    maven.args(["-q", "-B", "dependency:copy-dependencies"]);
    maven.arg("-f").arg(workspace::root().join("xtask/dynamodb-local/pom.xml"));
    maven.arg(format!("-DoutputDirectory={}", folder.display()));
    process::run(&mut maven, FETCH)?;
    std::fs::write(folder.join(DONE), "").doing(folder.display())
}
