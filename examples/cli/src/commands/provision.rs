//! `calsync provision`: the table of a store that does not make its own.

use std::path::Path;

use crate::{
    IN_STEP,
    config::{Config, Place},
    dynamodb,
    error::CliError,
    output::tell,
};

/// Makes what the store of the configuration needs.
pub(crate) async fn run(path: &Path) -> Result<u8, CliError> {
    let config = Config::read(path)?;
    if let Some(Place::Dynamodb(table)) = config.place() {
        dynamodb::make(table).await?;
        tell("the table is there");
    } else {
        tell("this store makes its tables when it is opened");
    }
    Ok(IN_STEP)
}
