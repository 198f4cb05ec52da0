//! `VALARM` (RFC 5545 section 3.6.6).

use crate::ical::ContentLine;
use crate::ical::text::unescape;
use crate::ical::value::{IcalDuration, TimeValue};
use crate::model::{Alarm, AlarmAction, AlarmTrigger, RelativeTo};

/// The `DESCRIPTION` a display alarm is written with when it has none of its own: RFC 5545 demands one.
pub(crate) const DEFAULT_DESCRIPTION: &str = "Reminder";

/// An alarm as its lines come in.
#[derive(Default)]
pub(crate) struct AlarmLines {
    trigger: Option<AlarmTrigger>,
    action: Option<AlarmAction>,
    has_foreign_action: bool,
    description: Option<String>,
}

impl AlarmLines {
    /// Takes a line of the alarm.
    pub(crate) fn take(&mut self, line: &ContentLine<'_>) {
        if line.is("TRIGGER") && self.trigger.is_none() {
            self.trigger = trigger(line);
        } else if line.is("ACTION") && self.action.is_none() {
            let action = line.value().trim();
            self.action = [
                ("DISPLAY", AlarmAction::Display),
                ("AUDIO", AlarmAction::Audio),
                ("EMAIL", AlarmAction::Email),
            ]
            .into_iter()
            .find_map(|(name, known)| action.eq_ignore_ascii_case(name).then_some(known));
            self.has_foreign_action = self.action.is_none();
        } else if line.is("DESCRIPTION") && self.description.is_none() {
            let text = unescape(line.value());
            if !text.trim().is_empty() && text != DEFAULT_DESCRIPTION {
                self.description = Some(text.into_owned());
            }
        }
    }

    /// The alarm, if it goes off at a known time and does a known thing. Apple's `ACTION:NONE` is no alarm.
    pub(crate) fn finish(self) -> Option<Alarm> {
        if self.has_foreign_action {
            return None;
        }
        Some(Alarm {
            trigger: self.trigger?,
            action: self.action.unwrap_or_default(),
            description: self.description,
        })
    }
}

fn trigger(line: &ContentLine<'_>) -> Option<AlarmTrigger> {
    if let Some(duration) = IcalDuration::parse(line.value()) {
        let from_end = line.param("RELATED").is_some_and(|related| related.eq_ignore_ascii_case("END"));
        return Some(AlarmTrigger::Offset {
            seconds: duration.total_seconds(),
            relative_to: if from_end { RelativeTo::End } else { RelativeTo::Start },
        });
    }
    match TimeValue::parse(line.value())? {
        TimeValue::Utc(instant) => Some(AlarmTrigger::Absolute(instant)),
        TimeValue::Date(_) | TimeValue::Local(_) => None,
    }
}
