//! `calsync conflicts`.

use calsync_core::store::{ConflictState, Record, RecordKind};
use serde_json::json;

use crate::{
    IN_STEP,
    app::App,
    error::CliError,
    output::{Format, print_json, print_table},
};

pub(crate) async fn run(app: &App, format: Format) -> Result<u8, CliError> {
    let conflicts: Vec<_> = app
        .records(RecordKind::Conflict)
        .await?
        .into_iter()
        .filter_map(|record| match record {
            Record::Conflict(conflict) => Some(conflict),
            Record::Quarantine(_) | Record::Run(_) | Record::Journal(_) => None,
        })
        .collect();
    match format {
        Format::Json => print_json(&json!({ "conflicts": conflicts }))?,
        Format::Table => {
            let mut rows = Vec::new();
            for conflict in &conflicts {
                let state = match conflict.state {
                    ConflictState::Open => "open",
                    ConflictState::Resolved => "decided",
                };
                let start = || {
                    vec![
                        conflict.at.format("%F %T").to_string(),
                        conflict.link.to_string(),
                        conflict.uid.clone(),
                        state.to_owned(),
                    ]
                };
                if conflict.fields.is_empty() {
                    let mut row = start();
                    row.push("deleted against edited".to_owned());
                    row.push(conflict.policy.clone());
                    rows.push(row);
                }
                for field in &conflict.fields {
                    let mut row = start();
                    row.push(field.field.to_string());
                    row.push(field.outcome.clone());
                    row.extend([&field.base, &field.local, &field.remote].map(ToString::to_string));
                    rows.push(row);
                }
            }
            print_table(&["at", "link", "uid", "state", "field", "kept", "was", "here", "there"], &rows)?;
        }
    }
    Ok(IN_STEP)
}
