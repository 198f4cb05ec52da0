//! Tables for people, JSON for programs.

use std::io::{self, IsTerminal, Write};

use serde_json::Value;

use crate::error::CliError;

/// How a command answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For a person.
    Table,
    /// One JSON object.
    Json,
}

impl Format {
    pub(crate) fn from_flag(json: bool) -> Self {
        if json { Self::Json } else { Self::Table }
    }
}

/// Prints to standard output. A reader that went away is no error.
pub(crate) fn print(text: &str) -> Result<(), CliError> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CliError::Io { what: "output".to_owned(), error })
        }
        _ => Ok(()),
    }
}

/// Tells a person something on standard error. That nobody reads it changes nothing about the run.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(io::stderr().lock(), "calsync: {text}");
}

/// Prints one JSON object.
pub(crate) fn print_json(value: &Value) -> Result<(), CliError> {
    print(&format!("{value:#}\n"))
}

/// Shows control characters as what they are: a title must not move the cursor, nor make another line.
pub(crate) fn plain(text: &str) -> String {
    let is_odd = |char: char| {
        char.is_control()
            || matches!(char, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut plain = String::with_capacity(text.len());
    for char in text.chars() {
        if is_odd(char) {
            plain.extend(char.escape_default());
        } else {
            plain.push(char);
        }
    }
    plain
}

/// The longest value in a row on a terminal.
const CELL: usize = 60;

/// [`plain`], and cut on a terminal: a program or a file gets the whole.
pub(crate) fn cell(text: &str) -> String {
    let plain = plain(text);
    if io::stdout().is_terminal() { cut(&plain) } else { plain }
}

fn cut(text: &str) -> String {
    if text.chars().count() <= CELL {
        return text.to_owned();
    }
    text.chars().take(CELL - 1).chain(['…']).collect()
}

/// Prints rows in columns as wide as they need to be.
pub(crate) fn print_table(head: &[&str], rows: &[Vec<String>]) -> Result<(), CliError> {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| plain(cell)).collect()).collect();
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (cell, width) in cells.zip(&widths) {
            text.push_str(&format!("{cell:<width$}  "));
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
        text
    };
    let mut text = line(&mut head.iter().copied());
    for row in &rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    print(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_cannot_write_anywhere_else() {
        for (title, shown) in [
            ("Besprechung – Überblick 📅", "Besprechung – Überblick 📅"),
            ("a\nb\tc\r", "a\\nb\\tc\\r"),
            ("\u{1b}[2Jgone", "\\u{1b}[2Jgone"),
            ("evil\u{202e}txt", "evil\\u{202e}txt"),
        ] {
            assert_eq!(plain(title), shown);
        }
    }

    #[test]
    fn a_long_value_is_cut_where_a_line_is_short() {
        assert_eq!(cut(&"ü".repeat(60)), "ü".repeat(60));
        assert_eq!(cut(&"ü".repeat(61)), format!("{}…", "ü".repeat(59)));
    }
}
