//! `calsync schema`: the JSON Schema of filters and transforms, for a form, an editor or a check before a deployment.

use crate::{IN_STEP, error::CliError, output::print};

/// What a link's `copies` may hold in `start` and `steps`.
const PIPELINE: &str = include_str!("../../../../docs/schema/pipeline.json");

/// Prints it. It is JSON either way.
pub(crate) fn run() -> Result<u8, CliError> {
    print(PIPELINE)?;
    Ok(IN_STEP)
}
