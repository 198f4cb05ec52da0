//! The public suffix list, in 50 KB: a program of its rules, as the crate `psl` is one, has 800 KB.
//!
//! `suffixes.bin` holds a hash of each rule, five bytes in order: `com`, and `*.` before the names whose parts are suffixes all
//! (`*.kawasaki.jp`). A name that is none and has the hash of one, of which there are 10,000 in a million million, is taken for a suffix:
//! then credentials stay where they are. The tests hold the list against that of `psl`.

const HASHES: &[u8] = include_bytes!("suffixes.bin");
const HASH: usize = 5;
/// Names that are none although the rule of their parent says so.
const EXCEPTIONS: &[&str] = &[
    "city.kawasaki.jp",
    "city.kitakyushu.jp",
    "city.kobe.jp",
    "city.nagoya.jp",
    "city.sapporo.jp",
    "city.sendai.jp",
    "city.yokohama.jp",
    "www.ck",
];

/// The name somebody registered: the suffix of a lower-case host with one label more. `None` when it is a suffix itself.
pub(super) fn registrable(host: &str) -> Option<&str> {
    if host.split('.').any(str::is_empty) {
        return None;
    }
    // From the whole name to its last label, which is a suffix in any case.
    let mut longer = None;
    for start in std::iter::once(0).chain(host.match_indices('.').map(|(dot, _)| dot + 1)) {
        let name = host.get(start..)?;
        if EXCEPTIONS.contains(&name) {
            return Some(name);
        }
        let parent = name.split_once('.').map(|(_, parent)| parent);
        let is_suffix = holds(&[name]) || parent.is_none_or(|parent| holds(&["*.", parent]));
        if is_suffix {
            return longer;
        }
        longer = Some(name);
    }
    None
}

fn holds(parts: &[&str]) -> bool {
    let wanted = hash(parts);
    let (rows, _) = HASHES.as_chunks::<HASH>();
    rows.binary_search(&wanted).is_ok()
}

/// FNV-1a in 64 bits, of which the last 40 are kept.
fn hash(parts: &[&str]) -> [u8; HASH] {
    let bytes = parts.iter().flat_map(|part| part.bytes());
    let whole = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let [_, _, _, kept @ ..] = whole.to_be_bytes();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, path::Path, process::Command};
    use url::Url;

    /// The rules of the list, as a host has them.
    fn rules() -> Vec<String> {
        let mut metadata = Command::new(env!("CARGO"));
        metadata.args(["metadata", "--format-version", "1", "--offline", "--manifest-path"]);
        metadata.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        let metadata: serde_json::Value = serde_json::from_slice(&metadata.output().unwrap().stdout).unwrap();
        let packages = metadata["packages"].as_array().unwrap();
        let psl = packages.iter().find(|package| package["name"] == "psl").unwrap();
        let folder = Path::new(psl["manifest_path"].as_str().unwrap()).parent().unwrap();
        let text = std::fs::read_to_string(folder.join("data/rules.txt")).unwrap();
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
        lines
            .map(|line| {
                let (mark, name) = match line.strip_prefix("*.") {
                    Some(name) => ("*.", name),
                    None => line.strip_prefix('!').map_or(("", line), |name| ("!", name)),
                };
                let url = Url::parse(&format!("http://{name}/")).unwrap();
                format!("{mark}{}", url.host_str().unwrap())
            })
            .collect()
    }

    fn listed(host: &str) -> Option<String> {
        let domain = psl::domain(host.as_bytes())?;
        Some(String::from_utf8_lossy(domain.as_bytes()).into_owned())
    }

    /// After an update of `psl`: `cargo test -p calsync-providers --lib http::suffixes -- --ignored`.
    #[test]
    #[ignore = "writes the file"]
    fn write_the_file() {
        let rules = rules();
        let hashes: BTreeSet<_> =
            rules.iter().filter(|rule| !rule.starts_with('!')).map(|rule| hash(&[rule])).collect();
        std::fs::write("src/http/suffixes.bin", hashes.into_iter().collect::<Vec<_>>().concat()).unwrap();
    }

    #[test]
    fn priv_06_the_suffixes_are_those_of_the_list() {
        let rules = rules();
        assert!(rules.len() > 9_000, "{}", rules.len());
        for rule in rules {
            let name = rule.trim_start_matches("*.").trim_start_matches('!');
            for host in [name.to_owned(), format!("a.{name}"), format!("b.a.{name}"), format!("c.b.a.{name}")]
            {
                let ours = registrable(&host);
                // The crate forgets that `ex.futurecms.at`, below which are suffixes, is one itself by `*.futurecms.at`.
                let is_forgotten = rule.starts_with("*.") && host == name && ours.is_none();
                assert!(is_forgotten || ours == listed(&host).as_deref(), "{host} by {rule}: {ours:?}");
            }
        }
        for host in ["example", "a.example", "b.a.example", "localhost", "com"] {
            assert_eq!(registrable(host), listed(host).as_deref(), "{host}");
        }
        for host in ["", ".", "a..com", ".com"] {
            assert_eq!(registrable(host), None, "{host}");
        }
    }
}
