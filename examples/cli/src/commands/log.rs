//! `calsync log`.

use calsync_core::store::{Record, RecordKind, RunOutcome};
use serde_json::json;

use crate::{
    IN_STEP,
    app::App,
    error::CliError,
    output::{Format, print_json, print_table},
};

pub(crate) async fn run(app: &App, format: Format) -> Result<u8, CliError> {
    let mut runs: Vec<_> = app
        .records(RecordKind::Run)
        .await?
        .into_iter()
        .filter_map(|record| match record {
            Record::Run(run) => Some(run),
            Record::Conflict(_) | Record::Quarantine(_) | Record::Journal(_) => None,
        })
        .collect();
    runs.sort_by(|a, b| a.id.cmp(&b.id));
    match format {
        Format::Json => print_json(&json!({ "runs": runs }))?,
        Format::Table => {
            let rows: Vec<Vec<String>> = runs
                .iter()
                .map(|run| {
                    let outcome = match &run.outcome {
                        RunOutcome::Running => "not finished".to_owned(),
                        RunOutcome::InStep => "in step".to_owned(),
                        RunOutcome::Held => format!("held: plan {}", run.held_plan.as_deref().unwrap_or("?")),
                        RunOutcome::Failed { error } => format!("failed: {error}"),
                        RunOutcome::Undone => "undone".to_owned(),
                    };
                    vec![
                        run.id.to_string(),
                        run.started.format("%F %T").to_string(),
                        run.link.to_string(),
                        run.counts.created.to_string(),
                        run.counts.updated.to_string(),
                        run.counts.deleted.to_string(),
                        run.counts.pushed.to_string(),
                        outcome,
                    ]
                })
                .collect();
            print_table(
                &["run", "started", "link", "created", "updated", "deleted", "pushed", "outcome"],
                &rows,
            )?;
        }
    }
    Ok(IN_STEP)
}
