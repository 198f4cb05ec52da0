//! The history of conflicts for a spreadsheet.

use std::fmt::Write;

use serde_json::Value;

use crate::store::{ConflictRecord, ConflictState, FieldConflict};

/// The columns, in their order. Further ones may be added at the end.
const HEAD: [&str; 18] = [
    "conflict",
    "at",
    "link",
    "run",
    "event",
    "item",
    "uid",
    "state",
    "policy",
    "field",
    "base",
    "local",
    "remote",
    "outcome",
    "decided_by",
    "who",
    "decided_at",
    "copy",
];

/// Conflicts as CSV (RFC 4180): a line per contested field, one for a deletion against an edit, with a head line.
///
/// Every cell is quoted. Values are JSON, but for texts, which are as they were written. A cell that a spreadsheet
/// could take for a formula begins with an apostrophe: what stands in a stranger's invitation must not be executed on
/// the machine of whoever reads the history. The whole versions are left out; export JSON for those.
pub fn conflicts_csv<'a>(conflicts: impl IntoIterator<Item = &'a ConflictRecord>) -> String {
    let mut out = String::new();
    line(&mut out, HEAD);
    for conflict in conflicts {
        if conflict.fields.is_empty() {
            row(&mut out, conflict, None);
        }
        for field in &conflict.fields {
            row(&mut out, conflict, Some(field));
        }
    }
    out
}

fn row(out: &mut String, conflict: &ConflictRecord, field: Option<&FieldConflict>) {
    let settled = match field {
        Some(field) => field.settled.as_ref(),
        None => conflict.settled.as_ref(),
    };
    let state = match conflict.state {
        ConflictState::Open => "open",
        ConflictState::Resolved => "resolved",
    };
    let by = settled.and_then(|settled| serde_json::to_value(settled.by).ok());
    let name = field.map_or_else(|| "deletion".to_owned(), |field| field.field.to_string());
    let value = |of: fn(&FieldConflict) -> &Value| field.map(|field| text(of(field))).unwrap_or_default();
    line(
        out,
        [
            conflict.id.as_str(),
            &conflict.at.to_rfc3339(),
            conflict.link.as_str(),
            conflict.run.as_str(),
            conflict.event_id.as_str(),
            conflict.remote_id.as_str(),
            &conflict.uid,
            state,
            &conflict.policy,
            &name,
            &value(|field| &field.base),
            &value(|field| &field.local),
            &value(|field| &field.remote),
            field.map_or("", |field| &field.outcome),
            by.as_ref().and_then(Value::as_str).unwrap_or(""),
            settled.and_then(|settled| settled.who.as_deref()).unwrap_or(""),
            &settled.map(|settled| settled.at.to_rfc3339()).unwrap_or_default(),
            conflict.copy.as_ref().map_or("", |copy| copy.as_str()),
        ],
    );
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// One line, every cell quoted and none of them a formula.
pub(super) fn line<'a>(out: &mut String, cells: impl IntoIterator<Item = &'a str>) {
    for (number, cell) in cells.into_iter().enumerate() {
        let comma = if number > 0 { "," } else { "" };
        let guard = if is_formula(cell) { "'" } else { "" };
        // Writing to a string does not fail.
        let _ = write!(out, "{comma}\"{guard}{}\"", cell.replace('"', "\"\""));
    }
    out.push_str("\r\n");
}

/// Whether a spreadsheet may read a cell as a formula. Some skip blanks and control characters before they look, and
/// read the full-width forms of East Asian keyboards like the ASCII ones.
fn is_formula(cell: &str) -> bool {
    let skipped = |c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}';
    let shown = cell.trim_start_matches(skipped);
    shown.starts_with(['=', '+', '-', '@', '|', '%', '＝', '＋', '－', '＠'])
        || cell.starts_with(['\t', '\r', '\n'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_could_execute_is_text() {
        #[rustfmt::skip]
        let table = [
            ("=1+1",                      "\"'=1+1\""),
            ("+49 30 1",                  "\"'+49 30 1\""),
            ("-2",                        "\"'-2\""),
            ("@SUM(A1)",                  "\"'@SUM(A1)\""),
            (" =cmd|' /C calc'!A0",       "\"' =cmd|' /C calc'!A0\""),
            ("\t=1",                      "\"'\t=1\""),
            ("\r\n=1",                    "\"'\r\n=1\""),
            ("\u{feff}=1",                "\"'\u{feff}=1\""),
            ("＝1",                       "\"'＝1\""),
            ("a=b",                       "\"a=b\""),
            ("say \"=1\", please",        "\"say \"\"=1\"\", please\""),
            ("",                          "\"\""),
        ];
        for (cell, expected) in table {
            let mut out = String::new();
            line(&mut out, [cell]);
            assert_eq!(out, format!("{expected}\r\n"));
        }
    }
}
