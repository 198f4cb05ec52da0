//! One component of the original, line by line, and the edits that change single properties of it.

use std::borrow::Cow;
use std::ops::Range;

use crate::ical::ContentLine;
use crate::ical::read::AlarmLines;
use crate::ical::walk::{Token, Walker};
use crate::model::Alarm;

use super::edits::Edits;

/// A property of the component itself.
pub(crate) struct PropertyLine<'a> {
    pub(crate) span: Range<usize>,
    text: Cow<'a, str>,
}

impl PropertyLine<'_> {
    /// The line taken apart; junk gives an empty line nobody looks for.
    pub(crate) fn line(&self) -> Option<ContentLine<'_>> {
        ContentLine::parse(&self.text)
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// A `VALARM` that could be read.
pub(crate) struct AlarmPlace {
    pub(crate) span: Range<usize>,
    pub(crate) alarm: Alarm,
}

/// The lines of one component.
pub(crate) struct ComponentLines<'a> {
    input: &'a [u8],
    max_depth: usize,
    pub(crate) properties: Vec<PropertyLine<'a>>,
    pub(crate) alarms: Vec<AlarmPlace>,
    /// Where a new property goes: behind the last one, before the sub-components.
    pub(crate) property_end: usize,
    /// Where a new sub-component goes: before the `END`.
    pub(crate) component_end: usize,
}

impl<'a> ComponentLines<'a> {
    /// Takes the component at `span` apart.
    pub(crate) fn of(input: &'a [u8], span: Range<usize>, max_depth: usize) -> Self {
        let mut lines = Self {
            input,
            max_depth,
            properties: Vec::new(),
            alarms: Vec::new(),
            property_end: span.start,
            component_end: span.end,
        };
        let mut walker = Walker::new(input, span, max_depth);
        let mut alarm: Option<(AlarmLines, usize)> = None;
        let mut has_children = false;
        while let Ok(Some(token)) = walker.next_token() {
            match token {
                Token::Begin { line, .. } if walker.depth() == 1 => lines.property_end = line.end(),
                Token::Begin { name, line } => {
                    has_children = true;
                    if walker.depth() == 2 && name.eq_ignore_ascii_case(b"VALARM") {
                        alarm = Some((AlarmLines::default(), line.offset()));
                    }
                }
                Token::Property(property) if walker.depth() == 1 => {
                    if !has_children {
                        lines.property_end = property.span().end;
                    }
                    lines.properties.push(PropertyLine { span: property.span(), text: property.text() });
                }
                Token::Property(property) => {
                    if let (2, Some((alarm, _)), Some(line)) =
                        (walker.depth(), &mut alarm, ContentLine::parse(&property.text()))
                    {
                        alarm.take(&line);
                    }
                }
                Token::End { line, .. } => {
                    let end = line.map_or(walker.offset(), |line| line.end());
                    match walker.depth() {
                        0 => lines.component_end = line.map_or(walker.offset(), |line| line.offset()),
                        1 => {
                            if let Some((alarm, start)) = alarm.take()
                                && let Some(alarm) = alarm.finish()
                            {
                                lines.alarms.push(AlarmPlace { span: start..end, alarm });
                            }
                        }
                        _ => {}
                    }
                }
                Token::Junk(_) => {}
            }
        }
        lines
    }

    /// The lines of a component inside this one.
    pub(crate) fn sub_component(&self, span: Range<usize>) -> Self {
        Self::of(self.input, span, self.max_depth)
    }

    /// The lines of a property, in order.
    pub(crate) fn named<'s>(
        &'s self,
        name: &'s str,
    ) -> impl Iterator<Item = &'s PropertyLine<'a>> + use<'s, 'a> {
        self.properties.iter().filter(move |property| property.line().is_some_and(|line| line.is(name)))
    }

    /// Where another line of a property goes: behind the last one there is.
    pub(crate) fn place_for(&self, name: &str) -> usize {
        self.named(name).last().map_or(self.property_end, |property| property.span.end)
    }

    pub(crate) fn delete_all(&self, name: &str, edits: &mut Edits<'_>) {
        self.named(name).for_each(|property| edits.delete(property.span.clone()));
    }

    /// Gives a single-valued property a value: on its first line, whose other parameters stay, or on a new one. `None`
    /// takes all its lines away. `params` start with `;`.
    pub(crate) fn set(&self, name: &str, value: Option<(&str, &str)>, stale: &[&str], edits: &mut Edits<'_>) {
        match (value, self.named(name).next()) {
            (None, _) => self.delete_all(name, edits),
            (Some((params, value)), None) => {
                edits.insert(self.property_end, [&format!("{name}{params}:{value}")]);
            }
            (Some((params, value)), Some(property)) => {
                let old = property.line();
                let line = old.map(|old| with_value(&old, name, params, value, stale)).unwrap_or_default();
                if line != property.text() {
                    edits.replace(property.span.clone(), &line);
                }
            }
        }
    }
}

/// A line with a new value and new `params`, its other parameters kept but for the `stale` ones.
pub(crate) fn with_value(
    old: &ContentLine<'_>,
    name: &str,
    params: &str,
    value: &str,
    stale: &[&str],
) -> String {
    let mut line = old.name().to_owned();
    for param in old.params().filter(|param| !stale.iter().any(|stale| param.is(stale))) {
        line.push(';');
        line.push_str(param.name());
        line.push('=');
        let raw = param.raw_value();
        // The original got away with a colon outside of quotes; a reader of ours need not.
        let quote = if raw.contains(':') && !raw.contains('"') { "\"" } else { "" };
        line.push_str(quote);
        line.extend(raw.chars().filter(|char| !char.is_control() || *char == '\t'));
        line.push_str(quote);
    }
    line.push_str(params);
    line.push(':');
    line.push_str(value);
    // A parameter that was broken before must not swallow the new value.
    if ContentLine::parse(&line).is_some_and(|line| line.value() == value) {
        return line;
    }
    format!("{name}{params}:{value}")
}
