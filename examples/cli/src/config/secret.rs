//! Secrets that are kept outside of the configuration.

use std::{env, fs, path::Path};

use calsync_providers::http::Secret;

use crate::error::CliError;

/// What a key of the configuration says is kept elsewhere. That it is not there is about credentials, that the key says
/// something else is about the configuration.
pub(super) fn credential(
    place: &str,
    source: &str,
    folder: &Path,
    forms: &str,
) -> Result<Secret<String>, CliError> {
    match stored(source, folder) {
        Some(found) => found.map_err(|text| CliError::Credentials(format!("{place}: {text}"))),
        None => Err(CliError::Config(format!("{place}: write {forms}"))),
    }
}

/// A secret kept outside of the configuration. `None` when the source is neither `env:` nor `file:`.
pub(crate) fn stored(source: &str, folder: &Path) -> Option<Result<Secret<String>, String>> {
    let value = match source.split_once(':')? {
        ("env", variable) => env::var(variable)
            .map_err(|_| format!("the environment variable {variable} is not set: set it, or use file:PATH")),
        ("file", path) => fs::read_to_string(folder.join(path))
            .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
            .map_err(|error| format!("cannot read {path}: {error}")),
        _ => return None,
    };
    Some(value.map(Secret::new))
}
