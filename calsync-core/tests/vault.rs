//! Secrets at rest.
#![cfg(feature = "vault")]
#![allow(clippy::expect_used, reason = "helpers of tests may fail loudly")]

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use calsync_core::{
    context::Entropy,
    secret::Secret,
    vault::{Envelope, LocalKeys, Sealed, SecretName, Vault, VaultErrorKind},
};

/// Counts up: never the same bytes twice, and the same in every run.
#[derive(Default)]
struct Counting(AtomicU8);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) -> std::io::Result<()> {
        for byte in bytes {
            *byte = self.0.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

struct Dry;

impl Entropy for Dry {
    fn fill(&self, _: &mut [u8]) -> std::io::Result<()> {
        Err(std::io::Error::other("no randomness"))
    }
}

/// Bytes 0 to 31, and 32 to 63.
const FIRST: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const SECOND: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";

const NAME: SecretName<'static> =
    SecretName { tenant: "acme", account: "home", provider: "google", field: "refresh", version: 3 };

fn keys(id: &str, key: &str) -> LocalKeys {
    LocalKeys::new(id, &Secret::from(key), Arc::new(Counting::default())).expect("a key")
}

fn vault(keys: LocalKeys) -> Envelope {
    Envelope::new(Arc::new(keys), Arc::new(Counting::default()))
}

#[tokio::test]
async fn a_secret_opens_under_its_own_name_only() {
    let vault = vault(keys("k1", FIRST));
    for secret in ["", "token", "Grüße \u{1f511}", &"x".repeat(100_000)] {
        let sealed = vault.seal(&NAME, &Secret::from(secret)).await.expect("sealed");
        assert_eq!(vault.open(&NAME, &sealed).await.expect("open").expose(), secret);
    }
    let sealed = vault.seal(&NAME, &Secret::from("token")).await.expect("sealed");
    let others = [
        ("tenant", SecretName { tenant: "evil", ..NAME }),
        ("account", SecretName { account: "work", ..NAME }),
        ("provider", SecretName { provider: "caldav", ..NAME }),
        ("field", SecretName { field: "access", ..NAME }),
        ("an older row", SecretName { version: 4, ..NAME }),
        ("parts run together", SecretName { tenant: "acmeh", account: "ome", ..NAME }),
    ];
    for (case, name) in others {
        let error = vault.open(&name, &sealed).await.expect_err(case);
        assert_eq!(error.kind, VaultErrorKind::Tampered, "{case}");
    }
}

#[tokio::test]
async fn no_byte_can_be_changed_or_cut() {
    let vault = vault(keys("k1", FIRST));
    let sealed = vault.seal(&NAME, &Secret::from("token")).await.expect("sealed");
    let whole = sealed.as_bytes();
    for at in 0..whole.len() {
        let mut changed = whole.to_vec();
        changed[at] ^= 1;
        vault.open(&NAME, &Sealed::from_bytes(changed)).await.expect_err("changed");
        vault.open(&NAME, &Sealed::from_bytes(&whole[..at])).await.expect_err("cut");
    }
    let longer = [whole, &[0]].concat();
    vault.open(&NAME, &Sealed::from_bytes(longer)).await.expect_err("longer");
}

/// Attack 23, and the name a person would give it: the ciphertext of one row under the key of another.
#[tokio::test]
async fn the_same_secret_never_looks_the_same() {
    let vault = vault(keys("k1", FIRST));
    let first = vault.seal(&NAME, &Secret::from("token")).await.expect("sealed");
    let second = vault.seal(&NAME, &Secret::from("token")).await.expect("sealed");
    assert_ne!(first.as_bytes(), second.as_bytes());
}

#[tokio::test]
async fn the_master_key_changes_and_the_secrets_stay() {
    let secret = Secret::from("token");
    let old = vault(keys("k1", FIRST)).seal(&NAME, &secret).await.expect("sealed");
    let without = vault(keys("k2", SECOND));
    let error = without.open(&NAME, &old).await.expect_err("the old key is gone");
    assert_eq!(error.kind, VaultErrorKind::UnknownKey { id: "k1".to_owned() });
    let both = vault(keys("k2", SECOND).with_earlier("k1", &Secret::from(FIRST)).expect("a key"));
    assert!(both.open(&NAME, &old).await.expect("open").same(&secret));
    let new = both.rewrap(&NAME, &old).await.expect("wrapped again").expect("another key");
    assert!(without.open(&NAME, &new).await.expect("open").same(&secret));
    assert!(both.rewrap(&NAME, &new).await.expect("nothing to do").is_none());
    let other = SecretName { account: "work", ..NAME };
    assert_eq!(both.rewrap(&other, &old).await.expect_err("another row").kind, VaultErrorKind::Tampered);
}

#[test]
fn keys_that_protect_nothing_are_refused() {
    let table = [
        ("nothing", ""),
        ("zeros", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ("all the same", "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="),
        ("too short", "AAECAwQFBgcICQoLDA0ODw=="),
        ("too long", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIj"),
        ("a password", "correct horse battery staple"),
    ];
    for (case, key) in table {
        let made = LocalKeys::new("k", &Secret::from(key), Arc::new(Counting::default()));
        assert_eq!(made.map(|_| ()).expect_err(case).kind, VaultErrorKind::WeakKey, "{case}");
    }
}

#[tokio::test]
async fn without_randomness_nothing_is_sealed() {
    let vault = Envelope::new(Arc::new(keys("k1", FIRST)), Arc::new(Dry));
    let error = vault.seal(&NAME, &Secret::from("token")).await.expect_err("no randomness");
    assert_eq!(error.kind, VaultErrorKind::Unavailable);
}

/// Written once and opened by every later version. Opened by another implementation too: AESGCM of Python's
/// `cryptography`, with the layout of [`Sealed`] and the associated data of [`SecretName`].
#[tokio::test]
async fn what_was_sealed_before_still_opens() {
    let hex = include_str!("data/sealed_1.hex").trim();
    let bytes: Vec<u8> = (0..hex.len() / 2)
        .map(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).expect("hexadecimal"))
        .collect();
    let vault = vault(keys("k1", FIRST));
    assert_eq!(vault.open(&NAME, &Sealed::from_bytes(bytes)).await.expect("open").expose(), "token");
}

#[tokio::test]
async fn priv_04_nothing_of_a_secret_is_shown() {
    let keys = keys("k1", FIRST);
    let shown = format!("{keys:?}");
    assert!(!shown.contains(FIRST) && !shown.contains("1, 2, 3"), "{shown}");
    let vault = vault(keys);
    let sealed = vault.seal(&NAME, &Secret::from("hunter2")).await.expect("sealed");
    assert!(!String::from_utf8_lossy(sealed.as_bytes()).contains("hunter2"));
    assert_eq!(format!("{sealed:?}"), format!("Sealed({} bytes)", sealed.as_bytes().len()));
}
