//! The secret in the address of a feed.

use std::{fmt, fmt::Write, io};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{context::Entropy, secret::Secret};

/// The hash of a token: what is kept of it. Whoever reads the store cannot ask for the feed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenHash(blake3::Hash);

impl TokenHash {
    /// Of what was sent in an address, with or without `.ics` at its end.
    pub fn of(sent: &str) -> Self {
        let token = sent.strip_suffix(".ics").unwrap_or(sent);
        // A token has 256 random bits: there is nothing a slow hash would add.
        Self(blake3::Hash::from_bytes(blake3::derive_key(
            "calsync 2026-11 token of a published feed",
            token.as_bytes(),
        )))
    }

    /// In 64 hexadecimal digits: a key to look a feed up by. How long that takes tells of the hash at most, and nobody
    /// finds a token to a hash.
    pub fn to_hex(&self) -> String {
        self.0.to_hex().to_string()
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

impl Serialize for TokenHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.to_hex().as_str())
    }
}

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        blake3::Hash::from_hex(text.as_bytes()).map(Self).map_err(serde::de::Error::custom)
    }
}

/// The tokens a feed answers to: one, and for a while the one before it. Each audience has a feed, and a ring, of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRing {
    current: TokenHash,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<(TokenHash, DateTime<Utc>)>,
}

impl TokenRing {
    /// A first token, of 32 random bytes in 64 hexadecimal digits. It is shown this once: only its hash is kept.
    ///
    /// # Errors
    /// When there is no randomness to give.
    pub fn issue(entropy: &dyn Entropy) -> io::Result<(Self, Secret<String>)> {
        let token = fresh(entropy)?;
        Ok((Self { current: TokenHash::of(token.expose()), previous: None }, token))
    }

    /// Another token. The one before it is good for `overlap` longer, so that subscribers can move; with none, or less, it
    /// is good no more.
    ///
    /// # Errors
    /// When there is no randomness to give. Nothing has changed then.
    pub fn rotate(
        &mut self,
        entropy: &dyn Entropy,
        now: DateTime<Utc>,
        overlap: TimeDelta,
    ) -> io::Result<Secret<String>> {
        let token = fresh(entropy)?;
        let until = now.checked_add_signed(overlap).filter(|until| *until > now);
        self.previous = until.map(|until| (self.current, until));
        self.current = TokenHash::of(token.expose());
        Ok(token)
    }

    /// Whether a feed answers to what was sent, with or without `.ics` at its end. The time it takes tells nothing of the
    /// token.
    pub fn accepts(&self, sent: &str, now: DateTime<Utc>) -> bool {
        let sent = TokenHash::of(sent);
        let before = self.previous.as_ref().is_some_and(|(hash, until)| *hash == sent && now < *until);
        (self.current == sent) | before
    }

    /// What the present token is kept as.
    pub fn current(&self) -> TokenHash {
        self.current
    }

    /// What the one before it is kept as, and until when it is good.
    pub fn previous(&self) -> Option<(TokenHash, DateTime<Utc>)> {
        self.previous
    }
}

fn fresh(entropy: &dyn Entropy) -> io::Result<Secret<String>> {
    let mut bytes = zeroize::Zeroizing::new([0; 32]);
    entropy.fill(&mut *bytes)?;
    let mut token = String::with_capacity(64);
    for byte in bytes.iter() {
        let _ = write!(token, "{byte:02x}");
    }
    Ok(Secret::new(token))
}
