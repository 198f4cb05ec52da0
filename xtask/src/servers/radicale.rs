//! Radicale: passwords in a plain file, one folder per calendar.

use std::fs;
use std::path::Path;

use super::{PASSWORD, Recipe, USER, free_port};
use crate::board::{Doing, Outcome};
use crate::python::Python;

/// What one request may hold.
const LARGEST: u32 = 1_000_000;

pub(super) fn recipe(python: &Python, dir: &Path) -> Outcome<Recipe> {
    let port = free_port()?;
    let users = dir.join("users");
    fs::write(&users, format!("{USER}:{PASSWORD}\n")).doing(users.display())?;
    let config = dir.join("config");
    // `delay` is how long a wrong password is made to wait, in seconds. What is larger than `max_content_length`, in bytes, is
    // refused: the scenario of the languages has an event that is.
    let text = format!(
        "[server]\n\
         hosts = 127.0.0.1:{port}\n\
         max_content_length = {LARGEST}\n\
         [auth]\n\
         type = htpasswd\n\
         htpasswd_filename = {users}\n\
         htpasswd_encryption = plain\n\
         delay = 0\n\
         [storage]\n\
         filesystem_folder = {storage}\n\
         [web]\n\
         type = none\n\
         [logging]\n\
         level = warning\n",
        users = users.display(),
        storage = dir.join("storage").display(),
    );
    fs::write(&config, text).doing(config.display())?;
    let mut command = python.program("python");
    command.args(["-m", "radicale", "--config"]).arg(&config);
    let url = format!("http://127.0.0.1:{port}/");
    let provision = vec!["calendar".into(), format!("{url}{USER}/work/"), USER.into(), PASSWORD.into()];
    Ok(Recipe { command, port, url, provision })
}
