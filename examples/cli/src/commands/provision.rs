//! `calsync provision`: the table of a store that does not make its own.

use std::path::Path;

use serde_json::json;

use crate::{
    IN_STEP,
    config::{Config, Place},
    dynamodb,
    error::CliError,
    output::{Format, print_json, tell},
};

/// Makes what the store of the configuration needs.
pub(crate) async fn run(path: &Path, format: Format) -> Result<u8, CliError> {
    let config = Config::read(path)?;
    let mut made = false;
    if let Some(Place::Dynamodb(table)) = config.place() {
        dynamodb::make(table).await?;
        if format == Format::Table {
            tell("the table is there");
        }
        made = true;
    } else if format == Format::Table {
        tell("this store makes its tables when it is opened");
    }
    if format == Format::Json {
        print_json(&json!({ "made": made }))?;
    }
    Ok(IN_STEP)
}
