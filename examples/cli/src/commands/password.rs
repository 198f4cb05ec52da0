//! `calsync connect` and `calsync disconnect` of what is opened with a password: CalDAV, Cozi, a protected feed.

use std::io::{self, IsTerminal};

use calsync_core::provider::ChangesRequest;
use calsync_providers::http::Secret;
use serde_json::{Value, json};

use super::connect::{Way, resume};
use crate::{
    IN_STEP,
    account::{self, Password},
    app::App,
    config::{Connection, ProviderKind},
    connect,
    error::CliError,
    output::{Format, print, tell},
};

/// The longest line that is taken for a password.
const LONGEST: u64 = 4096;

pub(super) async fn connect(
    app: &App,
    name: &str,
    connection: &Connection,
    way: Way,
    format: Format,
) -> Result<u8, CliError> {
    if way == Way::Device {
        return Err(CliError::Config(format!(
            "connections.{name}: --device is for google and microsoft; this one is opened with a password"
        )));
    }
    if !connection.is_password_kept() {
        return Err(CliError::Config(format!(
            "connections.{name}: `password` says where it is already, or there is none: write password = \"vault\" and \
             this command asks for it and keeps it sealed in the store"
        )));
    }
    account::make_vault_key(app)?;
    let kept = Password::open(app, name, connection)?;
    // Whether what is there can be replaced is found out before anybody types.
    kept.get().await?;
    let username = connection.username.clone().unwrap_or_default();
    let password = ask(&format!("Password of {username} at {}: ", app.whereabouts(name)))?;
    if let Err(error) = try_out(app, name, connection, password.clone()).await {
        tell(&format!("{name}: this password was not kept"));
        return Err(error);
    }
    kept.keep(&password).await?;
    resume(app, name).await?;
    match format {
        Format::Json => print(&format!(
            "{}\n",
            json!({ "connection": name, "connected": true, "account": username, "missing_scopes": [] })
        ))?,
        Format::Table => print(&format!("connected {name} as {username}\n"))?,
    }
    Ok(IN_STEP)
}

/// One that the server refuses, or that nobody could try, is not worth keeping.
async fn try_out(app: &App, name: &str, connection: &Connection, password: Secret) -> Result<(), CliError> {
    let network = app.paced(name, connection, &connect::transport()?);
    let provider = connect::with_password(app, name, connection, Some(password), &network)?;
    let calendars = provider.calendars().await?;
    if connection.provider == ProviderKind::Ics
        && let Some(calendar) = calendars.first()
    {
        // Its list of calendars is no question to anybody: the feed itself is.
        provider.changes(&calendar.id, ChangesRequest::default()).await?;
    }
    Ok(())
}

/// From the terminal without showing it, or the first line of what is piped in.
fn ask(prompt: &str) -> Result<Secret, CliError> {
    let failed = |error| CliError::Io { what: "reading the password".to_owned(), error };
    let stdin = io::stdin();
    let line = if stdin.is_terminal() {
        Secret::from(rpassword::prompt_password(prompt).map_err(failed)?)
    } else {
        let mut line = String::new();
        io::BufRead::read_line(&mut io::Read::take(stdin.lock(), LONGEST), &mut line).map_err(failed)?;
        Secret::from(line)
    };
    let password = line.expose().trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        let text = "no password was given: type it, or pipe it in: `printenv NAME | calsync connect ...`";
        return Err(CliError::Unmet(text.to_owned()));
    }
    Ok(Secret::from(password))
}

pub(super) async fn disconnect(
    app: &App,
    name: &str,
    connection: &Connection,
    format: Format,
) -> Result<u8, CliError> {
    if !connection.is_password_kept() {
        return Err(CliError::Config(format!(
            "connections.{name}: nothing of it is kept here; `password` says where it is"
        )));
    }
    let kept = Password::open(app, name, connection)?;
    // What cannot be read, because its key is lost, can be forgotten all the same.
    if matches!(kept.get().await, Ok(None)) {
        return Err(CliError::Unmet(format!("{name} is not connected")));
    }
    kept.forget().await?;
    match format {
        Format::Json => print(&format!(
            "{}\n",
            json!({ "connection": name, "connected": false, "provider_told": Value::Null })
        ))?,
        Format::Table => {
            print(&format!("disconnected {name}; its password is forgotten here, and valid there\n"))?;
        }
    }
    Ok(IN_STEP)
}
