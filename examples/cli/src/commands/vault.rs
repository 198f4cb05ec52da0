//! `calsync vault`.

use calsync_core::vault::Keeper;
use clap::Subcommand;

use crate::{IN_STEP, account, app::App, error::CliError, output::print};

/// What is done with the key that tokens are sealed with.
#[derive(Clone, Copy, Subcommand)]
pub(crate) enum VaultCommand {
    /// Bring everything that is sealed under `vault_key`; the keys in `vault_keys_earlier` can be forgotten after it.
    Rewrap,
}

pub(crate) async fn run(app: &App, command: VaultCommand) -> Result<u8, CliError> {
    let VaultCommand::Rewrap = command;
    let keeper = Keeper::new(app.store.clone(), account::vault(app)?, app.config.tenant.as_str());
    let count = keeper.rewrap_all().await.map_err(|error| {
        CliError::Unmet(format!("{error}; is the key it was sealed with in `vault_keys_earlier`?"))
    })?;
    print(&format!("{count} secrets were brought under the key {}\n", account::key_id(app)))?;
    Ok(IN_STEP)
}
