//! `calsync undo`.

use calsync_core::{
    engine::{SyncOptions, UndoReport},
    model::RunId,
    store::{Record, RecordKind},
};
use serde_json::{Value, json};

use crate::{
    HELD, IN_STEP,
    app::App,
    connect,
    error::CliError,
    output::{Format, print, print_json},
};

/// What is to be taken back.
pub(crate) enum What {
    /// One run.
    Run(String),
    /// The last so many runs of a link.
    Last(usize, String),
}

pub(crate) async fn run(app: &App, what: &What, format: Format) -> Result<u8, CliError> {
    let link = match what {
        What::Last(_, link) => link.clone(),
        What::Run(run) => link_of(app, run).await?,
    };
    let links = app.links(Some(&link))?;
    let transport = connect::transport()?;
    let joined = connect::join(app, links[0], &transport).await?;
    let mut undone = Vec::new();
    match what {
        What::Run(run) => {
            let run = RunId::from(run.as_str());
            let report = app.engine.undo(&joined.link, &run).await?;
            undone.push(as_json(&run, &report));
            if format == Format::Table {
                show(report)?;
            }
        }
        What::Last(count, _) => {
            for (run, report) in app.engine.undo_last(&joined.link, *count).await? {
                undone.push(as_json(&run, &report));
                if format == Format::Table {
                    print(&format!("run {run}: "))?;
                    show(report)?;
                }
            }
        }
    }
    // What is made again there is made without telling anybody.
    let options = SyncOptions::default().withholding_people();
    let report = app.engine.sync(&joined.link, &*joined.provider, &options).await?;
    app.meter.clear();
    match format {
        Format::Json => print_json(&json!({
            "link": joined.link.id, "undone": undone, "pushed": report.counts.pushed, "held": report.plan.held,
        }))?,
        Format::Table => {
            print(&format!("carried to the remote side: {} writes\n", report.counts.pushed))?;
        }
    }
    Ok(if report.plan.held { HELD } else { IN_STEP })
}

async fn link_of(app: &App, run: &str) -> Result<String, CliError> {
    let link = app.records(RecordKind::Run).await?.into_iter().find_map(|record| match record {
        Record::Run(record) if record.id.as_str() == run => Some(record.link),
        _ => None,
    });
    let unknown = || CliError::Unmet(format!("no run {run}; `calsync log` lists them"));
    Ok(link.ok_or_else(unknown)?.to_string())
}

fn as_json(run: &RunId, undone: &UndoReport) -> Value {
    json!({
        "run": run, "restored": undone.restored, "removed": undone.removed, "kept": undone.kept,
        "made_there": undone.made_there, "edited": undone.edited,
    })
}

fn show(undone: UndoReport) -> Result<(), CliError> {
    print(&format!(
        "brought back: {}, removed: {}, left alone: {}\n",
        undone.restored, undone.removed, undone.kept
    ))?;
    if undone.made_there > 0 {
        print(&format!(
            "of those left alone {} were made on the remote side by this run, and stay: deleting the events here deletes them there, \
             and `calsync unlink LINK --remove` takes away all that a link wrote\n",
            undone.made_there
        ))?;
    }
    let named = u64::try_from(undone.edited.len()).unwrap_or(u64::MAX).saturating_add(undone.made_there);
    if undone.kept > named {
        print(&format!(
            "of {} nothing is left to take back: they were taken back before, or the run itself kept them\n",
            undone.kept - named
        ))?;
    }
    for event in undone.edited {
        print(&format!("edited since, left as it is: event {event}\n"))?;
    }
    Ok(())
}
