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

mod kept {
    use calsync_core::{
        store::{Batch, Doc, DocQuery, MemoryStore, Store, StoreErrorKind, Write},
        vault::{Keeper, KeeperError, SecretKey},
    };

    use super::*;

    const KEY: SecretKey<'static> = SecretKey { account: "home", provider: "caldav", field: "password" };

    fn keeper(store: &Arc<dyn Store>, keys: LocalKeys) -> Keeper {
        Keeper::new(store.clone(), Arc::new(vault(keys)), "acme")
    }

    fn store() -> Arc<dyn Store> {
        Arc::new(MemoryStore::default())
    }

    #[tokio::test]
    async fn a_secret_is_kept_replaced_and_forgotten() {
        let store = store();
        let keeper = keeper(&store, keys("k1", FIRST));
        assert!(keeper.get(KEY).await.expect("read").is_none());
        let first = keeper.put(KEY, &Secret::from("one"), None, None).await.expect("kept");
        let second = keeper.put(KEY, &Secret::from("two"), Some(&first), None).await.expect("replaced");
        let read = keeper.get(KEY).await.expect("read").expect("there");
        assert_eq!((read.secret.expose().as_str(), read.version), ("two", second.version));
        for over in [None, Some(&first)] {
            let error = keeper.put(KEY, &Secret::from("late"), over, None).await.expect_err("another row");
            let KeeperError::Store(error) = error else { panic!("{error}") };
            assert!(matches!(error.kind, StoreErrorKind::Conflict { .. }));
        }
        keeper.remove(KEY, None).await.expect("forgotten");
        assert!(keeper.get(KEY).await.expect("read").is_none());
    }

    /// Attack 18: names that hold the separators of a key are still two names.
    #[tokio::test]
    async fn odd_names_are_told_apart() {
        let store = store();
        let keeper = keeper(&store, keys("k1", FIRST));
        let odd = [
            SecretKey { account: "a\",\"b", provider: "c", field: "d" },
            SecretKey { account: "a", provider: "b\",\"c", field: "d" },
            SecretKey { account: "a", provider: "b", field: "c" },
            SecretKey { account: "", provider: "a", field: "bc" },
        ];
        for (n, key) in odd.iter().enumerate() {
            keeper.put(*key, &Secret::from(n.to_string()), None, None).await.expect("kept");
        }
        for (n, key) in odd.iter().enumerate() {
            let read = keeper.get(*key).await.expect("read").expect("there");
            assert_eq!(*read.secret.expose(), n.to_string(), "{key:?}");
        }
    }

    /// Attack 23: somebody who can write to the database moves a row, or brings an old one back.
    #[tokio::test]
    async fn rows_cannot_be_swapped_or_brought_back() {
        let store = store();
        let keeper = keeper(&store, keys("k1", FIRST));
        let other = SecretKey { account: "work", ..KEY };
        let first = keeper.put(KEY, &Secret::from("one"), None, None).await.expect("kept");
        let old = rows(&store).await.remove(0);
        keeper.put(KEY, &Secret::from("two"), Some(&first), None).await.expect("replaced");
        keeper.put(other, &Secret::from("theirs"), None, None).await.expect("kept");
        let all = rows(&store).await;
        let theirs = all.iter().find(|doc| doc.key.contains("work")).expect("there");
        write(&store, Doc::new("secrets", old.key.clone(), theirs.value.clone())).await;
        keeper.get(KEY).await.expect_err("the row of another account");
        // The number beside the sealed part says which version it is, and is sealed in.
        let forged = String::from_utf8(old.value).expect("JSON").replace("\"count\":1", "\"count\":2");
        write(&store, Doc::new("secrets", old.key, forged)).await;
        keeper.get(KEY).await.expect_err("an old row with a new number");
    }

    #[tokio::test]
    async fn all_rows_come_under_the_new_master_key() {
        let store = store();
        let old = keeper(&store, keys("k1", FIRST));
        let names: Vec<String> = (0..250).map(|n| format!("account-{n}")).collect();
        for account in &names {
            let key = SecretKey { account, ..KEY };
            old.put(key, &Secret::from(account.as_str()), None, None).await.expect("kept");
        }
        let both = keys("k2", SECOND).with_earlier("k1", &Secret::from(FIRST)).expect("a key");
        assert_eq!(keeper(&store, both.clone()).rewrap_all().await.expect("wrapped"), 250);
        assert_eq!(keeper(&store, both).rewrap_all().await.expect("nothing to do"), 0);
        let new = keeper(&store, keys("k2", SECOND));
        for account in &names {
            let read = new.get(SecretKey { account, ..KEY }).await.expect("read").expect("there");
            assert_eq!(read.secret.expose(), account);
        }
    }

    async fn rows(store: &Arc<dyn Store>) -> Vec<Doc> {
        store.docs("secrets", DocQuery::Page { after: None, limit: 10 }).await.expect("read")
    }

    async fn write(store: &Arc<dyn Store>, doc: Doc) {
        let batch = Batch { writes: vec![Write::PutDoc(doc)], ..Batch::default() };
        store.commit(batch).await.expect("written");
    }
}
