//! `calsync undo`.

use calsync_core::{
    engine::{SyncOptions, UndoReport},
    model::{LinkId, RunId},
    store::{RecordKind, RecordQuery},
};
use serde_json::{Value, json};

use crate::{
    HELD, IN_STEP,
    app::App,
    connect,
    error::CliError,
    lease::when_free,
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
            let undo = async || app.engine.undo(&joined.link, &*joined.provider, &run).await;
            let report = when_free(app, &joined.link.id, undo).await?;
            undone.push(as_json(&run, &report));
            if format == Format::Table {
                show(report)?;
            }
        }
        What::Last(count, _) => {
            // Not waited for: whoever is at the link would leave another last run.
            for (run, report) in app.engine.undo_last(&joined.link, &*joined.provider, *count).await? {
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
    let sync = async || app.engine.sync(&joined.link, &*joined.provider, &options).await;
    let report = when_free(app, &joined.link.id, sync).await?;
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

/// The link whose journal has a run, or the deletions of an earlier undo.
async fn link_of(app: &App, run: &str) -> Result<String, CliError> {
    let wanted = RunId::from(run);
    for link in &app.config.links {
        let id = LinkId::from(link.name.as_str());
        let (kind, run) = (RecordKind::Journal, Some(&wanted));
        let query = RecordQuery { kind, link: &id, event: None, run, after: None, limit: 1 };
        if !app.store.records(query).await?.is_empty() {
            return Ok(link.name.clone());
        }
    }
    Err(CliError::Unmet(format!("no run {run} that changed anything; `calsync log` lists them")))
}

fn as_json(run: &RunId, undone: &UndoReport) -> Value {
    json!({
        "run": run, "restored": undone.restored, "removed": undone.removed, "kept": undone.kept,
        "removed_there": undone.removed_there, "removal": undone.removal, "made_there": undone.made_there,
        "edited": undone.edited,
    })
}

fn show(undone: UndoReport) -> Result<(), CliError> {
    print(&format!(
        "brought back: {}, removed: {}, removed on the remote side: {}, left alone: {}\n",
        undone.restored, undone.removed, undone.removed_there, undone.kept
    ))?;
    if let Some(removal) = &undone.removal {
        print(&format!("the next run makes what was removed there again after `calsync undo {removal}`\n"))?;
    }
    if undone.made_there > 0 {
        print(&format!(
            "of those left alone {} were made on the remote side by this run, and stay: the link does not write there, or nothing tells \
             whether somebody edited them\n",
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
