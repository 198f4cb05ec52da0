//! What the UIDs of a link's copies are made with.

use calsync_core::context::{Entropy, SystemEntropy};

/// Random characters nobody guesses: the UIDs made with them are others than those of the next user, whose link has the same name.
pub(crate) fn salt() -> Result<String, String> {
    let mut salt = [0; 16];
    SystemEntropy.fill(&mut salt).map_err(|error| format!("no randomness: {error}"))?;
    Ok(salt.iter().map(|byte| format!("{byte:02x}")).collect())
}
