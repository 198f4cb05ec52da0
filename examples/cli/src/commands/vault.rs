//! `calsync vault`.

use calsync_core::vault::Keeper;
use clap::Subcommand;
use serde_json::json;

use crate::{
    IN_STEP, account,
    app::App,
    error::CliError,
    output::{Format, print, print_json},
};

/// What is done with the key that tokens are sealed with.
#[derive(Clone, Copy, Subcommand)]
pub(crate) enum VaultCommand {
    /// Bring everything that is sealed under `vault_key`; the keys in `vault_keys_earlier` can be forgotten after it.
    Rewrap,
}

pub(crate) async fn run(app: &App, command: VaultCommand, format: Format) -> Result<u8, CliError> {
    let VaultCommand::Rewrap = command;
    let keeper = Keeper::new(app.store.clone(), account::vault(app)?, app.config.tenant.as_str());
    let count = keeper.rewrap_all().await.map_err(|error| {
        CliError::Unmet(format!("{error}; is the key it was sealed with in `vault_keys_earlier`?"))
    })?;
    let key = account::key_id(app);
    match format {
        Format::Json => print_json(&json!({ "rewrapped": count, "key": key.to_string() }))?,
        Format::Table => print(&format!("{count} secrets were brought under the key {key}\n"))?,
    }
    Ok(IN_STEP)
}
