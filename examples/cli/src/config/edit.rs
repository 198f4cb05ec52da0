//! The text of a configuration with a link more or less. All else in it stays as it was written, comments included.

use std::{fs, io, io::Write as _, path::Path};

use toml::{Table, Value};

/// The keys of a link, in the order they are written.
pub(crate) type Keys<'a> = [(&'a str, Option<&'a str>)];

/// The text with a link at its end.
pub(crate) fn with_link(text: &str, keys: &Keys<'_>) -> String {
    let mut text = text.trim_end().to_owned();
    text.push_str("\n\n[[links]]\n");
    for (key, value) in keys {
        if let Some(value) = value {
            text.push_str(&format!("{key} = {}\n", quoted(value)));
        }
    }
    text
}

/// A text as TOML: of a text it asks for one escape more than JSON.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// The text without the link of this name; `None` where it is not written as a `[[links]]` of its own, which a person has to
/// take out.
pub(crate) fn without_link(text: &str, name: &str) -> Option<String> {
    let mut whole: Table = toml::from_str(text).ok()?;
    let links = whole.get_mut("links")?.as_array_mut()?;
    let is_named = |link: &Value| link.get("name").and_then(Value::as_str) == Some(name);
    let at = links.iter().position(is_named)?;
    links.remove(at);
    if links.is_empty() {
        whole.remove("links");
    }
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let header = |line: &str| line.trim_start().starts_with('[').then(|| line.replace([' ', '\t'], ""));
    let starts: Vec<usize> = (0..lines.len())
        .filter(|line| header(lines[*line]).is_some_and(|header| header.starts_with("[[links]]")))
        .collect();
    let start = *starts.get(at)?;
    let is_inner = |header: &str| header.starts_with("[links.") || header.starts_with("[[links.");
    let next = (start + 1..lines.len())
        .find(|line| header(lines[*line]).is_some_and(|header| !is_inner(&header)))
        .unwrap_or(lines.len());
    // What is said above the next table belongs to that.
    let is_said = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    let end = (start + 1..next).rev().find(|line| !is_said(lines[*line])).map_or(next, |line| line + 1);
    let mut kept = lines[..start].concat();
    kept.push_str(lines[end..].concat().trim_start_matches(['\r', '\n']));
    // A line within a text may look like a table: what is left has to be the rest, and nothing else.
    (toml::from_str::<Table>(&kept).ok()? == whole).then_some(kept)
}

/// Puts a text in the place of a file, whole or not at all, for whoever could read it before.
pub(crate) fn replace(file: &Path, text: &str) -> io::Result<()> {
    // The file itself, where this is a symbolic link to it.
    let file = fs::canonicalize(file)?;
    let mut new = file.clone().into_os_string();
    new.push(".new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    // It may hold passwords.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = options.open(&new)?;
    out.write_all(text.as_bytes())?;
    out.set_permissions(fs::metadata(&file)?.permissions())?;
    out.sync_all()?;
    fs::rename(&new, &file)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "store = \"sqlite:x\" # here\n\n[connections.a]\nprovider = \"ics\"\n\n# the first\n[[links]]\nname = \"one\"\n\n\
        [links.copies]\nowner = []\n[[links.copies.steps]]\nname = \"s\"\n\n# the second\n[[ links ]]\nname = \"two\"\n\n# an account\n\
        [connections.b]\nprovider = \"ics\"\n";

    #[test]
    fn a_link_more_and_a_link_less_leave_the_rest_as_it_was() {
        let keys = [("name", Some("thr\"ee")), ("remote", None), ("calendar", Some("ü\u{7f}"))];
        let more = with_link(TEXT, &keys);
        assert!(more.starts_with(TEXT.trim_end()));
        let read: Table = toml::from_str(&more).unwrap();
        assert_eq!(read["links"][2]["name"].as_str(), Some("thr\"ee"));
        assert_eq!(read["links"][2]["calendar"].as_str(), Some("ü\u{7f}"));
        assert!(read["links"][2].get("remote").is_none());
        assert_eq!(without_link(&more, "thr\"ee").unwrap().trim_end(), TEXT.trim_end());

        let without = without_link(TEXT, "one").unwrap();
        assert!(
            !without.contains("copies") && without.contains("# the second") && without.contains("# here")
        );
        let without = without_link(&without, "two").unwrap();
        assert!(without.contains("# an account\n[connections.b]"), "{without}");
        assert!(!without.contains("links"));
    }

    #[test]
    fn what_is_written_otherwise_is_left_to_a_person() {
        for text in [
            "links = [{ name = \"one\" }, { name = \"two\" }]\n",
            "note = \"\"\"\n[[links]]\nname = \"one\"\n\"\"\"\n[[links]]\nname = \"one\"\n",
            "[[links]]\nname = \"other\"\n",
            "no toml",
        ] {
            assert_eq!(without_link(text, "one"), None, "{text}");
        }
    }
}
