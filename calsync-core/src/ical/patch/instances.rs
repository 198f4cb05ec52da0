//! `RRULE`, `EXRULE`, `RDATE` and `EXDATE` of the master.
//!
//! Every value that is there is looked at with the new start: one that still says what the target says stays as it is
//! written, whatever its form; the others go, and what is missing is added.

use std::collections::BTreeSet;

use crate::ical::read::{Zones, instance_key, read_rdate, read_rule};
use crate::ical::write::property::{self, TimeForm};
use crate::ical::write::zones::ZoneNames;
use crate::model::{Event, EventTime, Override, RecurrenceId, RuleEntry};

use super::component::{ComponentLines, with_value};
use super::edits::Edits;

/// Changes the rules; those that mean the same keep their lines, unless the start turned to another form and the `UNTIL`
/// has to follow.
pub(crate) fn patch_rules(
    lines: &ComponentLines<'_>,
    name: &str,
    target: &[RuleEntry],
    series: &Series<'_>,
    edits: &mut Edits<'_>,
) {
    let start = series.target_start;
    let mut wanted: Vec<RuleEntry> = target.iter().map(|rule| property::fitting(rule, start)).collect();
    let mut stale = Vec::new();
    for property in lines.named(name) {
        let rule = property.line().map(|line| {
            let rule = read_rule(line.value());
            if series.changes_form() { rule } else { property::fitting(&rule, start) }
        });
        match wanted.iter().position(|wanted| Some(wanted) == rule.as_ref()) {
            Some(at) => drop(wanted.remove(at)),
            None => stale.push(property),
        }
    }
    // What is there stays as it is; a rule without a meaning does not come.
    let mut wanted = wanted.into_iter().filter(|rule| rule.fatal_problem().is_none());
    for property in stale {
        match wanted.next() {
            Some(rule) => edits.replace(property.span.clone(), &property::rule(name, &rule, start)),
            None => edits.delete(property.span.clone()),
        }
    }
    for rule in wanted {
        edits.insert(lines.place_for(name), [&property::rule(name, &rule, start)]);
    }
}

/// What is known of the series before and after.
pub(crate) struct Series<'s> {
    current: &'s Event,
    target: &'s Event,
    current_start: &'s EventTime,
    target_start: &'s EventTime,
}

impl<'s> Series<'s> {
    /// `None` unless both have a master.
    pub(crate) fn of(current: &'s Event, target: &'s Event) -> Option<Self> {
        Some(Self {
            current,
            target,
            current_start: &current.master.as_ref()?.time.start,
            target_start: &target.master.as_ref()?.time.start,
        })
    }

    /// Whether the start turns into another form (a date, a floating time, an instant): then all that says which
    /// instance it means has to follow.
    pub(crate) fn changes_form(&self) -> bool {
        TimeForm::of(self.current_start) != TimeForm::of(self.target_start)
    }

    /// The instance a value names in the target.
    pub(crate) fn target_key(&self, value: &EventTime) -> RecurrenceId {
        instance_key(value, Some(self.target_start), &self.target.rules)
    }

    /// What the event says of the value's instance, before and after.
    fn states(&self, value: &EventTime) -> (Option<&Override>, Option<&Override>) {
        let old = instance_key(value, Some(self.current_start), &self.current.rules);
        (self.current.overrides.get(&old), self.target.overrides.get(&self.target_key(value)))
    }

    /// Whether something stronger than the value spoke for its instance before, and still does.
    fn is_shadowed(&self, value: &EventTime) -> bool {
        matches!(
            self.states(value),
            (Some(Override::Changed { .. }), Some(Override::Changed { .. }))
                | (Some(Override::Excluded), Some(Override::Excluded))
        )
    }
}

/// Changes excluded and added dates.
pub(crate) fn patch_dates(
    lines: &ComponentLines<'_>,
    series: &Series<'_>,
    zones: &mut Zones<'_>,
    names: &mut ZoneNames,
    edits: &mut Edits<'_>,
) {
    let keeps_form = |value: &EventTime| {
        !series.changes_form() || TimeForm::of(value) == TimeForm::of(series.target_start)
    };
    let mut excluded = BTreeSet::new();
    let mut added = BTreeSet::new();
    for property in lines.named("EXDATE") {
        let Some(line) = property.line().map(|line| line.split_at_last_colon()) else {
            continue;
        };
        let kept = keep_values(line.value(), |value| match zones.value(value, &line, "EXDATE") {
            Err(_) => true,
            Ok(time) => {
                let key = series.target_key(&time);
                let says_so = series.target.overrides.get(&key) == Some(&Override::Excluded);
                let stays = keeps_form(&time) && (says_so || series.is_shadowed(&time));
                if stays && says_so {
                    excluded.insert(key);
                }
                stays
            }
        });
        rewrite(property.span.clone(), kept, &line, "EXDATE", edits);
    }
    for property in lines.named("RDATE") {
        let Some(line) = property.line().map(|line| line.split_at_last_colon()) else {
            continue;
        };
        let kept = keep_values(line.value(), |value| match read_rdate(value, &line, zones) {
            Err(_) => true,
            Ok((time, end)) => {
                let key = series.target_key(&time);
                let says_so = series.target.overrides.get(&key) == Some(&Override::Added { end });
                let stays = keeps_form(&time) && (says_so || series.is_shadowed(&time));
                if stays && says_so {
                    added.insert(key);
                }
                stays
            }
        });
        rewrite(property.span.clone(), kept, &line, "RDATE", edits);
    }
    let (exdate_place, rdate_place) = (lines.place_for("EXDATE"), lines.place_for("RDATE"));
    for (key, instance) in &series.target.overrides {
        match instance {
            Override::Excluded if !excluded.contains(key) => {
                let line = property::time("EXDATE", &key.to_time(series.target_start), names);
                edits.insert(exdate_place, [&line]);
            }
            Override::Added { end } if !added.contains(key) => {
                let line = property::rdate(&key.to_time(series.target_start), end.as_ref(), names);
                edits.insert(rdate_place, [&line]);
            }
            _ => {}
        }
    }
}

/// The values that stay, or `None` when all do.
fn keep_values(values: &str, mut keep: impl FnMut(&str) -> bool) -> Option<Vec<&str>> {
    let all: Vec<&str> = values.split(',').collect();
    let kept: Vec<&str> =
        all.iter().copied().filter(|value| value.trim().is_empty() || keep(value)).collect();
    (kept.len() < all.len()).then_some(kept)
}

fn rewrite(
    span: std::ops::Range<usize>,
    kept: Option<Vec<&str>>,
    line: &crate::ical::ContentLine<'_>,
    name: &str,
    edits: &mut Edits<'_>,
) {
    match kept {
        None => {}
        Some(values) if values.iter().all(|value| value.trim().is_empty()) => edits.delete(span),
        Some(values) => edits.replace(span, &with_value(line, name, "", &values.join(","), &[])),
    }
}
