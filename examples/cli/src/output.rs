//! Tables for people, JSON for programs.

use std::{
    env,
    io::{self, IsTerminal, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use serde_json::{Value, json};

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

/// Whether a JSON object was printed: a command prints one.
static ANSWERED: AtomicBool = AtomicBool::new(false);

/// Says in JSON why a command failed, unless it has printed its object, which says so then.
pub(crate) fn print_failure(error: &CliError) {
    if !ANSWERED.load(Ordering::Relaxed) {
        let told = json!({ "error": { "code": error.code(), "message": error.to_string() } });
        // Whether or not somebody reads it.
        let _ = print(&format!("{told}\n"));
    }
}

/// Prints one JSON object.
pub(crate) fn print_json(value: &Value) -> Result<(), CliError> {
    ANSWERED.store(true, Ordering::Relaxed);
    print(&format!("{value:#}\n"))
}

/// Shows control characters as what they are: a title must not move the cursor, nor make another line, nor turn the text
/// after it around.
pub(crate) fn plain(text: &str) -> String {
    let is_odd = |char: char| {
        char.is_control()
            || matches!(
                char,
                '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
            )
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

/// A title in quotation marks, as [`plain`] as elsewhere: letters that are written with combining marks stay readable.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", plain(text).replace('"', "\\\""))
}

/// The longest value in a row on a terminal.
const CELL: usize = 60;
/// The longest in a row anywhere: longer than the name of any item that a person may want to copy. JSON has the whole.
const CELL_MAX: usize = 250;

/// [`plain`], and cut to what fits on a terminal.
pub(crate) fn cell(text: &str) -> String {
    let plain = plain(text);
    if io::stdout().is_terminal() { cut(&plain, CELL) } else { plain }
}

fn cut(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    text.chars().take(length - 1).chain(['…']).collect()
}

/// Whether tables have colours: on a terminal, unless `NO_COLOR` is set or the terminal has none; elsewhere where
/// `CLICOLOR_FORCE` asks for them.
fn has_colors() -> bool {
    let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_forced = env::var_os("CLICOLOR_FORCE").is_some_and(|value| !value.is_empty() && value != "0");
    let is_plain = env::var_os("TERM").is_some_and(|term| term == "dumb");
    !is_set("NO_COLOR") && (is_forced || io::stdout().is_terminal() && !is_plain)
}

const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const RED: &str = "\x1b[31m";
const BOLD: &str = "\x1b[1m";
const END: &str = "\x1b[0m";

/// What a cell begins with that says how something is, and its colour. Everything else has none.
const STATES: [(&str, &str); 22] = [
    ("in step", GREEN),
    ("in-step", GREEN),
    ("went well", GREEN),
    ("resolved", GREEN),
    ("decided", GREEN),
    ("held", YELLOW),
    ("open", YELLOW),
    ("answered", YELLOW),
    ("waits for", YELLOW),
    ("paused", YELLOW),
    ("backing-off", YELLOW),
    ("unscheduled", YELLOW),
    ("not finished", YELLOW),
    ("unknown", YELLOW),
    ("undone", YELLOW),
    ("failed", RED),
    ("credentials needed", RED),
    ("needs-reauth", RED),
    ("circuit-open", RED),
    ("wedged", RED),
    ("killed its workers", RED),
    ("not in the configuration", RED),
];

/// The colour of a whole cell; a title that is such a word has it too, which says nothing.
fn color(cell: &str) -> Option<&'static str> {
    let is_state =
        |state: &str| cell.strip_prefix(state).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
    STATES.iter().find(|(state, _)| is_state(state)).map(|(_, color)| *color)
}

/// Prints rows in columns as wide as they need to be.
pub(crate) fn print_table(head: &[&str], rows: &[Vec<String>]) -> Result<(), CliError> {
    print(&table(head, rows, has_colors()))
}

fn table(head: &[&str], rows: &[Vec<String>], has_colors: bool) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| cut(&plain(cell), CELL_MAX)).collect()).collect();
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>, style: &dyn Fn(&str) -> Option<&'static str>| {
        let (mut text, mut gap) = (String::new(), 0);
        for (cell, width) in cells.zip(&widths) {
            let length = cell.chars().count();
            if length > 0 {
                text.extend(std::iter::repeat_n(' ', gap));
                gap = 0;
                match style(cell).filter(|_| has_colors) {
                    Some(color) => text.extend([color, cell, END]),
                    None => text.push_str(cell),
                }
            }
            gap += width.saturating_sub(length) + 2;
        }
        text.push('\n');
        text
    };
    let mut text = line(&mut head.iter().copied(), &|_| Some(BOLD));
    for row in &rows {
        text.push_str(&line(&mut row.iter().map(String::as_str), &color));
    }
    text
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
            ("\u{200f}1 \u{61c}2", "\\u{200f}1 \\u{61c}2"),
            // As it comes from a Mac.
            ("U\u{308}bung", "U\u{308}bung"),
        ] {
            assert_eq!(plain(title), shown);
            assert_eq!(quoted(title), format!("\"{shown}\""));
        }
        assert_eq!(quoted("the \"x\""), "\"the \\\"x\\\"\"");
    }

    #[test]
    fn a_table_is_the_same_with_and_without_colours() {
        let rows = [
            ["one", "failed: no answer", "in step with you", "x "].map(str::to_owned).to_vec(),
            ["größer", "", "in step", "=\x1b[31m"].map(str::to_owned).to_vec(),
        ];
        let (plain, colored) =
            (table(&["link", "", "it", ""], &rows, false), table(&["link", "", "it", ""], &rows, true));
        assert_eq!(
            plain,
            "link                       it\n\
             one     failed: no answer  in step with you  x \n\
             größer                     in step           =\\u{1b}[31m\n"
        );
        assert!(!plain.contains('\x1b'));
        assert!(colored.contains(&format!("{RED}failed: no answer{END}")), "{colored}");
        assert!(
            colored.contains(&format!("{GREEN}in step{END}"))
                && !colored.contains(&format!("{GREEN}in step w"))
        );
        let stripped = [RED, GREEN, BOLD, END].iter().fold(colored, |text, code| text.replace(code, ""));
        assert_eq!(stripped, plain);
    }

    #[test]
    fn a_long_value_is_cut_where_a_line_is_short() {
        assert_eq!(cut(&"ü".repeat(60), CELL), "ü".repeat(60));
        assert_eq!(cut(&"ü".repeat(61), CELL), format!("{}…", "ü".repeat(59)));
        let row = ["u".repeat(2048), "why".to_owned()].to_vec();
        assert_eq!(
            table(&["uid", "it"], &[row], false).lines().last().unwrap().chars().count(),
            CELL_MAX + 5
        );
    }
}
