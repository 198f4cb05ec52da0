//! What comes in from outside: the time and fresh identifiers.

use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};

/// Tells the time. Nothing in calsync reads a clock by itself.
pub trait Clock: Send + Sync {
    /// Now, in UTC. May jump either way; no order of edits is ever derived from it.
    fn now(&self) -> DateTime<Utc>;
}

/// Makes identifiers that are never given out twice.
pub trait IdSource: Send + Sync {
    /// A fresh identifier of `[A-Za-z0-9-]`, at most 64 characters, unguessable where it names a remote resource.
    fn fresh(&self) -> String;
}

/// Gives bytes nobody can guess: keys, nonces, one-time codes.
pub trait Entropy: Send + Sync {
    /// Fills `bytes`.
    ///
    /// # Errors
    ///
    /// When there is no randomness to give. The bytes must not be used then.
    fn fill(&self, bytes: &mut [u8]) -> std::io::Result<()>;
}

/// The operating system's randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) -> std::io::Result<()> {
        getrandom::fill(bytes).map_err(std::io::Error::other)
    }
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> DateTime<Utc> {
        std::time::SystemTime::now().into()
    }
}

/// Identifiers of 32 hexadecimal digits, unguessable to whoever does not know the seed.
pub struct RandomIds {
    seed: [u8; 32],
    count: AtomicU64,
}

impl RandomIds {
    /// Seeds from the operating system's randomness.
    ///
    /// # Errors
    ///
    /// When the operating system has none to give.
    pub fn new() -> std::io::Result<Self> {
        let mut seed = [0; 32];
        SystemEntropy.fill(&mut seed)?;
        Ok(Self::from_seed(seed))
    }

    /// The same seed gives the same sequence: for tests and simulation.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self { seed, count: AtomicU64::new(0) }
    }
}

impl IdSource for RandomIds {
    fn fresh(&self) -> String {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        blake3::keyed_hash(&self.seed, &count.to_le_bytes()).to_hex()[..32].to_owned()
    }
}

impl std::fmt::Debug for RandomIds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RandomIds(..)")
    }
}
