//! Texts with names in them: `[{{calendar_name}}] `. Braces that are braces are written twice: `{{{{`.

/// A template, cut at its names.
#[derive(Clone, Debug)]
pub(super) struct Template(Vec<Piece>);

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    CalendarName,
    Title,
    MeetingLink,
}

/// What the names stand for.
#[derive(Clone, Copy)]
pub(super) struct Filled<'a> {
    pub(super) calendar_name: &'a str,
    pub(super) title: &'a str,
    pub(super) meeting_link: &'a str,
}

/// A template longer than this is refused.
const MAX_CHARACTERS: usize = 1_000;

impl Template {
    /// Reads a template.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let characters = text.chars().count();
        if characters > MAX_CHARACTERS {
            return Err(format!(
                "a template of {characters} characters passes the limit of {MAX_CHARACTERS}"
            ));
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            pieces.push(Piece::Text(before.to_owned()));
            if let Some(after) = after.strip_prefix("{{") {
                pieces.push(Piece::Text("{{".to_owned()));
                rest = after;
                continue;
            }
            let (name, after) =
                after.split_once("}}").ok_or_else(|| "a template has {{ without }}".to_owned())?;
            pieces.push(match name.trim() {
                "calendar_name" => Piece::CalendarName,
                "title" => Piece::Title,
                "meeting_link" => Piece::MeetingLink,
                other => {
                    return Err(format!(
                        "a template names {other:?}; there are calendar_name, title and meeting_link"
                    ));
                }
            });
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Self(pieces))
    }

    /// The text with its names filled in, and more behind it: not looked at again, so that a title with `{{` in it stays one.
    pub(super) fn fill(&self, names: Filled<'_>, behind: &str) -> String {
        let pieces = || {
            self.0.iter().map(|piece| match piece {
                Piece::Text(text) => text,
                Piece::CalendarName => names.calendar_name,
                Piece::Title => names.title,
                Piece::MeetingLink => names.meeting_link,
            })
        };
        let mut filled = String::with_capacity(pieces().map(str::len).sum::<usize>() + behind.len());
        filled.extend(pieces());
        filled.push_str(behind);
        filled
    }
}
