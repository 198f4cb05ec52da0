//! `[[links]]`: what is kept in step with what.

use calsync_core::{
    engine::{CopyEdits, CopyRules, CopyWindow},
    merge::{ConflictPolicy, DeletionPolicy},
    pipeline::{Pipeline, Start, Step},
    plan::Direction,
    provider::PeoplePolicy,
    schedule::Priority,
};
use chrono::TimeDelta;
use serde::Deserialize;

use super::{Connection, ProviderKind, zone};
use crate::error::CliError;

/// A link.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkConfig {
    /// Its name; it keeps its state under it.
    pub(crate) name: String,
    /// The calendar in the store, made when absent.
    pub(crate) calendar: String,
    /// The connection, by name.
    pub(crate) connection: String,
    /// Display name, id or URL of the remote calendar. An ICS or Cozi connection has one calendar only and
    /// needs none.
    #[serde(default)]
    pub(crate) remote: String,
    /// `two-way` (default), `import` or `export`.
    pub(crate) direction: Option<Direction>,
    /// `remote-wins` (default), `local-wins`, `newest-wins`, `keep-both` or `manual`.
    #[serde(default)]
    pub(crate) conflicts: ConflictPolicy,
    /// `keep-edit` (default), `by-conflicts` (as `conflicts` where that names a side, else the edit survives), `delete`,
    /// `remote-wins` or `local-wins`. On a link that goes one way a copy that somebody deletes comes back when this names the
    /// side of its source.
    #[serde(default)]
    pub(crate) deletions: DeletionPolicy,
    /// What becomes of a copy that somebody edits, on a link that imports or exports: `leave` (default), `restore` or
    /// `detach`.
    pub(crate) edits: Option<CopyEdits>,
    /// Whether the people of an event are written to the remote side, which mails them there: `withhold` (default) or
    /// `write`.
    #[serde(default)]
    pub(crate) people: PeoplePolicy,
    /// How often a run looks at the copies for what people did to them, on a link that exports: `30m`, `1h`. What is there to
    /// be written is always written on what is there. Default: every run looks.
    pub(crate) check_copies_every: Option<String>,
    /// How often `calsync worker` runs it: `15m`, `2h`, `1d`; `never`: when it is asked. Default: what suits its provider.
    pub(crate) every: Option<String>,
    /// Instead of `every`, a cron expression of five fields.
    pub(crate) cron: Option<String>,
    /// The zone of `cron`, such as `Europe/Berlin`. Default: UTC.
    pub(crate) zone: Option<String>,
    /// `high`, `normal` (default) or `low`.
    #[serde(default)]
    pub(crate) priority: Priority,
    /// What is copied and what the copies show, on a link that imports or exports. Default: a link that exports shows when
    /// somebody is busy, and nothing else; one that imports is whole.
    pub(crate) copies: Option<CopiesConfig>,
}

/// Filters and transforms of a link.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CopiesConfig {
    /// The name of the calendar that is copied, for `{{calendar_name}}`. Default: that of the calendar in the store.
    calendar_name: Option<String>,
    /// The addresses of its owner.
    #[serde(default)]
    owner: Vec<String>,
    /// Its zone. Default: UTC.
    zone: Option<String>,
    /// Random characters the UIDs of copies are made with, beside the link's name, where the copies do not show their event's.
    uid_salt: Option<String>,
    /// Which part of the calendar is copied, by time, on a link that exports. Default: all of it.
    window: Option<CopyWindow>,
    /// What a copy begins as. Default: `{ type = "busy-only" }`.
    #[serde(default)]
    start: Start,
    /// The steps.
    #[serde(default)]
    steps: Vec<Step>,
}

impl LinkConfig {
    /// Says what is missing or contradicts itself.
    pub(super) fn check(&self, connection: &Connection, direction: Direction) -> Result<(), CliError> {
        let name = &self.name;
        let wrong = |text: String| Err(CliError::Config(text));
        if self.calendar.is_empty() {
            return wrong(format!("link {name}: `calendar` is empty: give the calendar in the store a name"));
        }
        if self.conflicts == ConflictPolicy::Resolver {
            return wrong(format!(
                "link {name}: `conflicts` is \"resolver\", but there is no program here to ask: write \"manual\" \
                 and answer with `calsync conflicts answer`"
            ));
        }
        crate::cadence::cadence(self, connection.provider)?;
        if self.zone.is_some() && self.cron.is_none() {
            return wrong(format!("link {name}: `zone` is the zone of `cron`, and there is no `cron`"));
        }
        if self.edits.is_some() && direction == Direction::TwoWay {
            return wrong(format!(
                "link {name}: `edits` is about copies, and a link that goes both ways has none: write direction = \
                 \"import\" or direction = \"export\", or remove `edits`"
            ));
        }
        if self.check_copies_every.is_some() && direction != Direction::Export {
            return wrong(format!(
                "link {name}: `check_copies_every` is about copies this link writes: write direction = \"export\", or remove it"
            ));
        }
        self.copies_checked()?;
        if let Some(copies) = &self.copies {
            if direction == Direction::TwoWay {
                return wrong(format!(
                    "link {name}: `copies` leaves events and fields out, which would come back as deleted from a link \
                     that goes both ways: write direction = \"import\" or direction = \"export\""
                ));
            }
            let rules =
                copies.rules(self).map_err(|problem| CliError::Config(format!("link {name}: {problem}")))?;
            let compiled = rules
                .pipeline
                .compile()
                .map_err(|problem| CliError::Config(format!("link {name}: copies, {problem}")))?;
            let tells = direction == Direction::Import
                && matches!(connection.provider, ProviderKind::Google | ProviderKind::Microsoft);
            if let Some(step) = compiled.asks_for_the_owner().filter(|_| copies.owner.is_empty() && !tells) {
                return wrong(format!(
                    "link {name}: the step {step:?} keeps out what the owner of the calendar declined, and nobody says who that \
                     is: write their addresses into `copies.owner`, or the step into the link that imports the calendar from \
                     Google or Microsoft, which tell"
                ));
            }
            if let Some(window) = &copies.window {
                if direction != Direction::Export {
                    return wrong(format!(
                        "link {name}: `copies.window` is of the link that exports: move it there, or write direction = \
                         \"export\""
                    ));
                }
                if let Some(problem) = window.problem() {
                    return wrong(format!("link {name}: copies.window: {problem}"));
                }
            }
        }
        match connection.provider {
            ProviderKind::Ics if self.direction.is_some_and(Direction::exports) => {
                return wrong(format!(
                    "link {name}: `direction` writes to the remote side, but an ICS feed can only be read: \
                     write direction = \"import\""
                ));
            }
            ProviderKind::Caldav | ProviderKind::Google | ProviderKind::Microsoft
                if self.remote.is_empty() =>
            {
                return wrong(format!(
                    "link {name}: `remote` is missing: write the display name, id or URL of a calendar; `calsync \
                     calendars` lists them"
                ));
            }
            ProviderKind::Ics
            | ProviderKind::Cozi
            | ProviderKind::Caldav
            | ProviderKind::Google
            | ProviderKind::Microsoft => {}
        }
        Ok(())
    }
}

impl LinkConfig {
    /// How often the copies are looked at.
    pub(crate) fn copies_checked(&self) -> Result<TimeDelta, CliError> {
        let Some(every) = &self.check_copies_every else { return Ok(TimeDelta::zero()) };
        crate::cadence::interval(every).filter(|every| *every >= TimeDelta::zero()).ok_or_else(|| {
            CliError::Config(format!(
                "link {}: `check_copies_every`: {every:?} is none of \"90s\", \"15m\", \"2h\" and \"1d\"",
                self.name
            ))
        })
    }
}

impl CopiesConfig {
    /// The rules of the link these are of.
    pub(super) fn rules(&self, link: &LinkConfig) -> Result<CopyRules, String> {
        let mut rules = CopyRules::new(Pipeline { start: self.start.clone(), steps: self.steps.clone() });
        rules.calendar_name = self.calendar_name.clone().unwrap_or_else(|| link.calendar.clone());
        rules.owner.clone_from(&self.owner);
        rules.window = self.window;
        rules.uid_salt.clone_from(&self.uid_salt);
        if let Some(name) = &self.zone {
            rules.zone = zone("copies.zone", name)?;
        }
        Ok(rules)
    }
}
