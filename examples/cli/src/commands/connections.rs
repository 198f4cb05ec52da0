//! `calsync connections`: how each connection stands by what a worker has seen, without asking anybody.

use calsync_core::{model::LinkId, schedule::ConnectionState};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::schedule::{schedule, shown, word};
use crate::{
    IN_STEP,
    account::sign_in_ends,
    app::App,
    config::Connection,
    connect,
    error::CliError,
    output::{Format, print_json, print_table},
};

/// A connection, and what is known of it.
struct Known<'a> {
    name: &'a str,
    connection: &'a Connection,
    links: Vec<LinkId>,
    /// `None`: no worker has seen it yet.
    state: Option<ConnectionState>,
    /// When a person has to sign in again, where that is known.
    ends: Option<DateTime<Utc>>,
}

pub(crate) async fn run(app: &App, format: Format) -> Result<u8, CliError> {
    let (schedule, transport) = (schedule(app), connect::transport()?);
    let mut all = Vec::new();
    for (name, connection) in &app.config.connections {
        let links = app.config.links.iter().filter(|link| link.connection == *name);
        let links: Vec<LinkId> = links.map(|link| LinkId::from(link.name.as_str())).collect();
        let state = schedule.connection(&links).await?;
        // Where the key of the vault is not there, all the rest is known.
        let ends = sign_in_ends(app, name, connection, &transport).await.unwrap_or_default();
        all.push(Known { name, connection, links, state, ends });
    }
    match format {
        Format::Json => {
            let connections: Vec<Value> = all.iter().map(Known::json).collect();
            print_json(&json!({ "connections": connections }))?;
        }
        Format::Table => {
            let rows: Vec<Vec<String>> = all.iter().map(Known::row).collect();
            print_table(
                &["connection", "provider", "links", "status", "since", "why", "sign-in until"],
                &rows,
            )?;
        }
    }
    Ok(IN_STEP)
}

impl Known<'_> {
    fn status(&self) -> &'static str {
        self.state.as_ref().map_or("unscheduled", |state| word(&state.status))
    }

    fn json(&self) -> Value {
        let state = self.state.as_ref();
        json!({
            "name": self.name,
            "provider": self.connection.provider.word(),
            "links": self.links,
            "status": self.status(),
            "since": state.and_then(|state| state.since),
            "reason": state.and_then(|state| state.reason.as_deref()),
            "standing_so": state.map(|state| &state.links[..]).unwrap_or_default(),
            "credentials_end": self.ends.map(|end| end.to_rfc3339_opts(SecondsFormat::Secs, true)),
        })
    }

    fn row(&self) -> Vec<String> {
        let state = self.state.as_ref();
        let links: Vec<&str> = self.links.iter().map(LinkId::as_str).collect();
        vec![
            self.name.to_owned(),
            self.connection.provider.word().to_owned(),
            links.join(", "),
            self.status().to_owned(),
            shown(state.and_then(|state| state.since)),
            state.and_then(|state| state.reason.clone()).unwrap_or_default(),
            shown(self.ends),
        ]
    }
}
