//! Xandikos: refuses passwords over plain HTTP, so it runs open and the credentials are ignored.

use std::path::Path;

use super::{PASSWORD, Recipe, USER, free_port};
use crate::board::Outcome;
use crate::python::Python;

pub(super) fn recipe(python: &Python, dir: &Path) -> Outcome<Recipe> {
    let port = free_port()?;
    let mut command = python.program("xandikos");
    command
        .args(["serve", "--defaults", "--no-detect-systemd", "--listen-address", "127.0.0.1", "--port"])
        .arg(port.to_string())
        .args(["--current-user-principal", &format!("/{USER}/"), "--directory"])
        .arg(dir.join("data"))
        .arg("--state-dir")
        .arg(dir.join("state"));
    let url = format!("http://127.0.0.1:{port}/");
    let provision =
        vec!["calendar".into(), format!("{url}{USER}/calendars/work/"), USER.into(), PASSWORD.into()];
    Ok(Recipe { command, port, url, provision })
}
