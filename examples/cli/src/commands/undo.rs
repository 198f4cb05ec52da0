//! `calsync undo`.

use calsync_core::{
    engine::SyncOptions,
    model::RunId,
    store::{Record, RecordKind},
};

use crate::{HELD, IN_STEP, app::App, connect, error::CliError, output::print};

pub(crate) async fn run(app: &App, run: &str) -> Result<u8, CliError> {
    let link = app.records(RecordKind::Run).await?.into_iter().find_map(|record| match record {
        Record::Run(record) if record.id.as_str() == run => Some(record.link),
        _ => None,
    });
    let Some(link) = link else {
        return Err(CliError::Unmet(format!("no run {run}; `calsync log` lists them")));
    };
    let links = app.links(Some(link.as_str()))?;
    let transport = connect::transport()?;
    let joined = connect::join(app, links[0], &transport).await?;
    let undone = app.engine.undo(&joined.link, &RunId::from(run)).await?;
    print(&format!(
        "brought back: {}, removed: {}, left alone: {}\n",
        undone.restored, undone.removed, undone.kept
    ))?;
    let report = app.engine.sync(&joined.link, &*joined.provider, &SyncOptions::default()).await?;
    print(&format!("carried to the remote side: {} writes\n", report.counts.pushed))?;
    Ok(if report.plan.held { HELD } else { IN_STEP })
}
