//! A sealed secret as bytes.

use std::fmt;

use super::{KeyId, Result, VaultError, VaultErrorKind, WrappedKey, keys::NONCE};

/// The only layout so far.
const LAYOUT: u8 = 1;

/// A sealed secret: `1`, the length and text of the master key's id, the length and bytes of the wrapped data key, the
/// nonce, the ciphertext with its tag. Lengths are 16 bits, big endian.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

/// A sealed secret taken apart.
pub(super) struct Parts<'a> {
    pub(super) key: WrappedKey,
    pub(super) nonce: &'a [u8],
    pub(super) ciphertext: &'a [u8],
}

impl Sealed {
    /// What was read from a database; it is looked at when it is opened.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// What to write to a database.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn pack(key: &WrappedKey, nonce: &[u8], ciphertext: &[u8]) -> Result<Self> {
        let mut bytes = vec![LAYOUT];
        for part in [key.key.0.as_bytes(), &key.bytes] {
            let length = u16::try_from(part.len())
                .map_err(|_| VaultError::new("sealing a secret", VaultErrorKind::Malformed))?;
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes.extend_from_slice(nonce);
        bytes.extend_from_slice(ciphertext);
        Ok(Self(bytes))
    }

    pub(super) fn parts(&self) -> Result<Parts<'_>> {
        take_apart(&self.0).ok_or_else(|| VaultError::new("opening a secret", VaultErrorKind::Malformed))
    }
}

fn take_apart(bytes: &[u8]) -> Option<Parts<'_>> {
    let (layout, rest) = bytes.split_first()?;
    if *layout != LAYOUT {
        return None;
    }
    let (id, rest) = lengthed(rest)?;
    let (wrapped, rest) = lengthed(rest)?;
    let (nonce, ciphertext) = rest.split_at_checked(NONCE)?;
    let id = KeyId(std::str::from_utf8(id).ok()?.to_owned());
    Some(Parts { key: WrappedKey { key: id, bytes: wrapped.to_vec() }, nonce, ciphertext })
}

fn lengthed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}
