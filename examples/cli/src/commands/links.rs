//! `calsync links`: the links of the configuration; one more, one less.

use std::{fs, path::Path};

use calsync_core::plan::Direction;
use clap::Args;
use serde_json::{Value, json};

use super::clean::{self, PartArgs, UnlinkArgs};
use crate::{
    IN_STEP,
    app::App,
    config::{Config, edit, salt::salt},
    error::CliError,
    output::{Format, print, print_json, print_table, tell},
};

#[derive(Args)]
pub(crate) struct AddArgs {
    /// Its name; it keeps its state under it.
    name: String,
    /// The calendar in the store, made when absent.
    #[arg(long, value_name = "NAME")]
    calendar: String,
    /// A connection of the configuration.
    #[arg(long, value_name = "NAME")]
    connection: String,
    /// Display name, id or URL of the remote calendar; not needed for a feed or for Cozi.
    #[arg(long)]
    remote: Option<String>,
    /// `two-way`, `import` or `export`.
    #[arg(long)]
    direction: Option<String>,
    /// `remote-wins`, `local-wins`, `newest-wins`, `keep-both` or `manual`.
    #[arg(long)]
    conflicts: Option<String>,
    /// How often a worker runs it: `15m`, `2h`, `1d`, `never`.
    #[arg(long)]
    every: Option<String>,
}

pub(crate) async fn list(app: &App, format: Format) -> Result<u8, CliError> {
    let (mut found, mut rows) = (Vec::<Value>::new(), Vec::new());
    for link in &app.config.links {
        let direction = json!(app.config.direction(link));
        let state = app.store.link(&link.name.as_str().into()).await?;
        let last = state.and_then(|state| state.last_success);
        rows.push(vec![
            link.name.clone(),
            link.calendar.clone(),
            direction.as_str().unwrap_or_default().to_owned(),
            link.connection.clone(),
            link.remote.clone(),
            last.map(|last| last.format("%F %T").to_string()).unwrap_or_default(),
        ]);
        found.push(json!({
            "name": link.name, "calendar": link.calendar, "direction": direction, "connection": link.connection,
            "remote": link.remote, "last_success": last,
        }));
    }
    match format {
        Format::Json => print_json(&json!({ "links": found }))?,
        Format::Table => {
            let head = ["link", "calendar", "direction", "connection", "remote", "last in step"];
            print_table(&head, &rows)?;
        }
    }
    Ok(IN_STEP)
}

/// Writes a link into the configuration, which must be right with it.
pub(crate) fn add(config: &Path, args: &AddArgs, format: Format) -> Result<u8, CliError> {
    let keys = [
        ("name", Some(args.name.as_str())),
        ("calendar", Some(&args.calendar)),
        ("connection", Some(&args.connection)),
        ("remote", args.remote.as_deref()),
        ("direction", args.direction.as_deref()),
        ("conflicts", args.conflicts.as_deref()),
        ("every", args.every.as_deref()),
    ];
    let mut text = edit::with_link(&read(config)?, &keys);
    let parsed = Config::parse(&text, config)?;
    let added = parsed.links.last().filter(|link| parsed.direction(link) == Direction::Export);
    if added.is_some() {
        // What it shows without a word, in words; and UIDs that nobody can make again from those of the events.
        let salt = salt().map_err(CliError::Unmet)?;
        text.push_str(&format!(
            "\n[links.copies]\nstart = {{ type = \"busy-only\" }}\nuid_salt = {}\n",
            edit::quoted(&salt)
        ));
        Config::parse(&text, config)?;
    }
    write(config, &text)?;
    match format {
        Format::Json => print_json(&json!({ "link": args.name, "added": true }))?,
        Format::Table => print(&format!(
            "{0}: added; `calsync sync --link {0} --dry-run` shows what it would do\n",
            args.name
        ))?,
    }
    Ok(IN_STEP)
}

/// Unlinks, and takes the link out of the configuration.
pub(crate) async fn remove(app: &App, config: &Path, args: PartArgs, format: Format) -> Result<u8, CliError> {
    let done = clean::unlink(app, &UnlinkArgs { part: args, earlier: None }, format).await?;
    let Some(name) = done.forgotten else { return Ok(done.code) };
    match edit::without_link(&read(config)?, &name) {
        Some(text) => write(config, &text)?,
        None => tell(&format!(
            "link {name}: it is not written as a [[links]] of its own: take it out of {} yourself",
            config.display()
        )),
    }
    Ok(done.code)
}

fn read(config: &Path) -> Result<String, CliError> {
    fs::read_to_string(config).map_err(|error| CliError::ConfigFile { path: config.to_owned(), error })
}

fn write(config: &Path, text: &str) -> Result<(), CliError> {
    edit::replace(config, text)
        .map_err(|error| CliError::Io { what: format!("writing {}", config.display()), error })
}
