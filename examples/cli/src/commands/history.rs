//! `calsync history`: runs, what they did and why, conflicts, in the order of time.

use calsync_core::{
    engine::{history, history_csv},
    store::RecordKind,
};
use clap::Args;
use serde_json::json;

use crate::{
    IN_STEP,
    app::App,
    error::CliError,
    output::{Format, cell, print, print_json, print_table},
};

#[derive(Args)]
pub(crate) struct HistoryArgs {
    /// Only of this link.
    #[arg(long, value_name = "NAME")]
    link: Option<String>,
    /// Print it for a spreadsheet: comma-separated, no cell a formula.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Name items and UIDs, too, as the servers do. They hold addresses, and sometimes titles: leave them out of what others read.
    #[arg(long)]
    names: bool,
}

pub(crate) async fn run(app: &App, args: HistoryArgs, format: Format) -> Result<u8, CliError> {
    let mut records = Vec::new();
    for link in app.links(args.link.as_deref())? {
        for kind in [RecordKind::Run, RecordKind::Journal, RecordKind::Conflict] {
            records.extend(app.records_of(&link.name, kind).await?);
        }
    }
    let mut entries = history(&records);
    if !args.names {
        for entry in &mut entries {
            (entry.item, entry.uid) = (String::new(), String::new());
        }
    }
    match format {
        _ if args.csv => print(&history_csv(&entries))?,
        Format::Json => print_json(&json!({ "history": entries }))?,
        Format::Table => {
            let rows: Vec<Vec<String>> = entries
                .iter()
                .map(|entry| {
                    let what = if entry.what.is_empty() { &entry.outcome } else { &entry.what };
                    let mut about = entry.why.clone();
                    if let Some(counts) = entry.counts {
                        let counts = [
                            (counts.created, "created"),
                            (counts.updated, "updated"),
                            (counts.deleted, "deleted"),
                            (counts.pushed, "pushed"),
                        ];
                        let counts = counts.iter().filter(|(count, _)| *count > 0);
                        let counts: Vec<String> =
                            counts.map(|(count, what)| format!("{count} {what}")).collect();
                        let both = [about, counts.join(", ")];
                        about =
                            both.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ");
                    } else if !entry.fields.is_empty() {
                        about = format!("{about} ({})", entry.fields.join(", ")).trim_start().to_owned();
                    }
                    vec![
                        entry.at.format("%F %T").to_string(),
                        entry.link.clone(),
                        entry.kind.to_owned(),
                        what.clone(),
                        cell(if entry.uid.is_empty() { &entry.event } else { &entry.uid }),
                        about,
                    ]
                })
                .collect();
            print_table(&["at", "link", "", "what", "event", "about"], &rows)?;
        }
    }
    Ok(IN_STEP)
}
