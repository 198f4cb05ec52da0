//! `calsync calendars`.

use serde_json::json;

use crate::{
    IN_STEP,
    app::App,
    connect,
    error::CliError,
    output::{Format, print_json, print_table, tell},
};

pub(crate) async fn run(app: &App, format: Format) -> Result<u8, CliError> {
    let transport = connect::transport()?;
    let mut rows = Vec::new();
    let mut failed = Vec::new();
    for calendar in app.store.calendars().await? {
        rows.push(("store".to_owned(), calendar.name, calendar.id.to_string(), "read and write"));
    }
    for (name, connection) in &app.config.connections {
        let listed = async {
            let provider = connect::provider(app, name, connection, &transport).await?;
            Ok::<_, CliError>(provider.calendars().await?)
        };
        match listed.await {
            Ok(calendars) => {
                for calendar in calendars {
                    let access = if calendar.read_only { "read only" } else { "read and write" };
                    rows.push((name.clone(), calendar.name, calendar.id.to_string(), access));
                }
            }
            Err(error) => {
                let hint = app.hint(name, &error);
                tell(&format!("connection {name} ({}): {error}{hint}", app.whereabouts(name)));
                failed.push(error);
            }
        }
    }
    match format {
        Format::Json => {
            let calendars: Vec<_> = rows
                .iter()
                .map(|(connection, name, id, access)| {
                    json!({ "connection": connection, "name": name, "id": id, "access": access })
                })
                .collect();
            print_json(&json!({ "calendars": calendars }))?;
        }
        Format::Table => {
            let rows: Vec<Vec<String>> = rows
                .into_iter()
                .map(|(connection, name, id, access)| vec![connection, name, access.to_owned(), id])
                .collect();
            print_table(&["connection", "name", "access", "id"], &rows)?;
        }
    }
    if failed.is_empty() {
        return Ok(IN_STEP);
    }
    let credentials = failed.iter().any(CliError::needs_credentials);
    Err(CliError::Links { failed: failed.len(), all: app.config.connections.len(), credentials })
}
