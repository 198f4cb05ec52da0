//! The public suffix list in 52 KB, for libraries that have no room for the code of the crate `psl`.
//!
//! A rule of the list is kept as five bytes of its hash, and the hashes are in order. A rule is always found; what is no
//! rule is taken for one once in a hundred million names, which makes two hosts of one owner strangers and never the other
//! way round. The rules are those of the version of `psl` the tests are built with, which say how to make the table anew.

/// Rules as they are in the list, in their ASCII form: `co.uk`, `*.ck`, `!www.ck`.
const TABLE: &[u8] = include_bytes!("suffixes.bin");

/// Bytes of a hash that are kept.
const WIDTH: usize = 5;

/// The registrable domain of a host in lower case: the public suffix with one label more. `None` for a public suffix.
pub(super) fn domain(host: &str) -> Option<&str> {
    let (body, dot) = host.strip_suffix('.').map_or((host, 0), |body| (body, 1));
    if body.is_empty() || body.starts_with('.') || body.contains("..") {
        return None;
    }
    let mut before = None;
    let mut rest = body;
    loop {
        let parent = rest.split_once('.').map(|(_, parent)| parent);
        if is_rule("!", rest) {
            return host.get(body.len() - rest.len()..);
        }
        let found = is_rule("", rest) || parent.is_some_and(|parent| is_rule("*.", parent));
        match parent {
            Some(parent) if !found => before = Some(std::mem::replace(&mut rest, parent)),
            // A last label no rule names is a suffix as well.
            _ => break,
        }
    }
    let registrable: &str = before?;
    host.get(body.len() - registrable.len()..body.len() + dot)
}

fn is_rule(kind: &str, name: &str) -> bool {
    let wanted = hash(kind, name);
    let (hashes, _) = TABLE.as_chunks::<WIDTH>();
    hashes.binary_search(&wanted).is_ok()
}

/// FNV-1a, of which the lower bytes are kept: only rules have to be told from names, and who chooses a name gains
/// nothing from one that is taken for a rule.
fn hash(kind: &str, name: &str) -> [u8; WIDTH] {
    let whole = kind.bytes().chain(name.bytes()).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let [_, _, _, kept @ ..] = whole.to_be_bytes();
    kept
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, env, fs, path::PathBuf, process::Command};

    use url::Url;

    use super::*;

    /// The list as the crate has it, each rule in its ASCII form.
    fn rules() -> Vec<String> {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let known =
            Command::new(cargo).args(["metadata", "--format-version", "1", "--locked"]).output().unwrap();
        let known: serde_json::Value = serde_json::from_slice(&known.stdout).unwrap();
        let all = known["packages"].as_array().unwrap();
        let psl = all.iter().find(|package| package["name"] == "psl").unwrap();
        let list =
            PathBuf::from(psl["manifest_path"].as_str().unwrap()).with_file_name("data").join("rules.txt");
        let ascii = |rule: &str| {
            let at = rule.find(|letter| letter != '!' && letter != '*' && letter != '.').unwrap();
            let url = Url::parse(&format!("https://{}/", &rule[at..])).unwrap();
            format!("{}{}", &rule[..at], url.host_str().unwrap())
        };
        fs::read_to_string(list).unwrap().lines().map(ascii).collect()
    }

    #[test]
    fn the_table_says_what_the_crate_says() {
        let rules = rules();
        let hashes: BTreeSet<_> = rules.iter().map(|rule| hash("", rule)).collect();
        assert!(hashes.len() > 10_000, "the list is not where it was");
        let table: Vec<u8> = hashes.into_iter().flatten().collect();
        if env::var_os("CALSYNC_WRITE_SUFFIXES").is_some() {
            let place = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/suffixes.bin");
            fs::write(place, &table).unwrap();
        }
        let how =
            "CALSYNC_WRITE_SUFFIXES=1 cargo test -p calsync-providers the_table_says, and once more without";
        assert!(table == TABLE, "the crate has another list: {how}");
        for rule in &rules {
            let name = rule.trim_start_matches(['!', '*', '.']);
            for host in [
                name.to_owned(),
                format!("a.{name}"),
                format!("b.a.{name}"),
                format!("c.b.a.{name}."),
                format!("x{name}"),
            ] {
                let theirs = psl::domain(host.as_bytes()).map(|domain| domain.as_bytes().to_owned());
                let ours = domain(&host).map(|domain| domain.as_bytes().to_owned());
                // The crate forgets a rule with an asterisk for the names that have rules of their own below them.
                let forgotten = || {
                    let (_, parent) = host.split_once('.').unwrap();
                    ours.is_none() && rules.contains(&format!("*.{parent}"))
                };
                assert!(ours == theirs || forgotten(), "{host}: {ours:?}, the crate {theirs:?}");
            }
        }
    }

    #[test]
    fn names_that_are_none() {
        for host in ["", ".", "..", ".a.example.com", "a..example.com", "com", "localhost", "co.uk", "a.ck"] {
            assert_eq!(domain(host), None, "{host}");
        }
        assert_eq!(domain("www.ck"), Some("www.ck"));
        assert_eq!(domain("b.a.nowhere"), Some("a.nowhere"));
    }
}
