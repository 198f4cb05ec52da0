//! Feeds that are stored compressed (`.ics.gz`), as opposed to compressed on the way.

use std::io::Read;

use flate2::read::MultiGzDecoder;

use super::config::IcsLimits;
use super::error::{FeedError, Found};

/// Below this, a high ratio is a small feed that repeats itself.
const RATIO_FROM: usize = 1_000_000;

/// Unpacks a gzip body; any other comes back as it is.
///
/// # Errors
///
/// When it unpacks to too much, breaks off, or is compressed twice.
pub(super) fn unpack(body: Vec<u8>, limits: &IcsLimits) -> Result<Vec<u8>, FeedError> {
    if !body.starts_with(&[0x1f, 0x8b]) {
        return Ok(body);
    }
    let mut decoder = MultiGzDecoder::new(body.as_slice());
    let mut out = Vec::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let read = decoder.read(&mut chunk).map_err(|_| FeedError::Truncated)?;
        if read == 0 {
            break;
        }
        out.extend_from_slice(&chunk[..read]);
        if out.len() > limits.max_bytes {
            return Err(FeedError::TooLarge { limit: limits.max_bytes });
        }
        if out.len() > RATIO_FROM && out.len() / body.len() > limits.max_ratio {
            return Err(FeedError::Bomb { limit: limits.max_ratio });
        }
    }
    if out.starts_with(&[0x1f, 0x8b]) {
        return Err(FeedError::NotCalendar { found: Found::Gzip });
    }
    Ok(out)
}
