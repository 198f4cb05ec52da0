//! The names of fields as a language has them.

use std::io;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

/// How the names in a result are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// `read_only`.
    Snake,
    /// `readOnly`. Written so at once: to rename every name of ten thousand events afterwards takes longer than reading them.
    Camel,
}

impl Names {
    /// A value as JSON.
    ///
    /// # Errors
    ///
    /// When the value has no form in JSON.
    pub fn write<T: Serialize>(self, value: &T) -> serde_json::Result<String> {
        match self {
            Self::Snake => serde_json::to_string(value),
            Self::Camel => {
                let mut text = Vec::with_capacity(256);
                value.serialize(&mut Serializer::with_formatter(&mut text, Camel { in_name: false }))?;
                String::from_utf8(text).map_err(serde::ser::Error::custom)
            }
        }
    }
}

struct Camel {
    in_name: bool,
}

impl Formatter for Camel {
    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.in_name = true;
        CompactFormatter.begin_object_key(writer, first)
    }

    fn end_object_key<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.in_name = false;
        Ok(())
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if !self.in_name || !fragment.contains('_') {
            return writer.write_all(fragment.as_bytes());
        }
        let mut name = String::with_capacity(fragment.len());
        let mut letters = fragment.chars().peekable();
        while let Some(letter) = letters.next() {
            match letters.peek() {
                Some(next) if letter == '_' && next.is_ascii_lowercase() => {
                    name.push(next.to_ascii_uppercase());
                    letters.next();
                }
                _ => name.push(letter),
            }
        }
        writer.write_all(name.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Names;

    #[test]
    fn names_change_and_values_stay() {
        let cases = [
            (json!({ "read_only": "read_only" }), r#"{"readOnly":"read_only"}"#),
            (json!({ "a_b_c": [{ "keep_local_copy": true }] }), r#"{"aBC":[{"keepLocalCopy":true}]}"#),
            (json!({ "20260105T180000Z": { "n_1": 1 } }), r#"{"20260105T180000Z":{"n_1":1}}"#),
            (json!({ "plain": ["x_y", "\"_a\""] }), r#"{"plain":["x_y","\"_a\""]}"#),
        ];
        for (value, written) in cases {
            assert_eq!(Names::Camel.write(&value).unwrap(), written);
            assert_eq!(Names::Snake.write(&value).unwrap(), value.to_string());
        }
    }
}
