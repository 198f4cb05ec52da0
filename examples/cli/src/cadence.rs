//! How often a link runs, from what the configuration says of it.

use calsync_core::schedule::{Cadence, Preset, Priority};
use chrono::TimeDelta;

use crate::{
    config::{LinkConfig, ProviderKind},
    error::CliError,
};

/// The cadence of a link: its own, or what suits its provider.
pub(crate) fn cadence(link: &LinkConfig, provider: ProviderKind) -> Result<Cadence, CliError> {
    let wrong = |key: &str, text: String| CliError::Config(format!("link {}: `{key}`: {text}", link.name));
    match (&link.every, &link.cron) {
        (Some(_), Some(_)) => Err(wrong("every", "write either `every` or `cron`".to_owned())),
        (Some(every), None) if every == "never" => Ok(Cadence::on_demand()),
        (Some(every), None) => {
            let interval = interval(every).ok_or_else(|| {
                wrong("every", format!("{every:?} is none of \"90s\", \"15m\", \"2h\", \"1d\" and \"never\""))
            })?;
            Cadence::every(interval).map_err(|error| wrong("every", error.to_string()))
        }
        (None, Some(cron)) => Cadence::cron(cron, link.zone.as_deref().unwrap_or("UTC"))
            .map_err(|error| wrong("cron", error.to_string())),
        (None, None) => Ok(match provider {
            ProviderKind::Caldav => Preset::CalDav,
            ProviderKind::Cozi => Preset::Cozi,
            ProviderKind::Google => Preset::Google,
            ProviderKind::Ics => Preset::Ics { refresh: None },
            ProviderKind::Microsoft => Preset::Microsoft,
        }
        .cadence()),
    }
}

/// Whether the configuration leaves it to the provider.
pub(crate) fn is_preset(link: &LinkConfig) -> bool {
    link.every.is_none() && link.cron.is_none()
}

pub(crate) fn priority(link: &LinkConfig) -> Priority {
    link.priority
}

/// A length of time somebody wrote, such as `90s`, `15m`, `2h` or `1d`.
pub(crate) fn interval(text: &str) -> Option<TimeDelta> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: i64 = number.parse().ok()?;
    match unit {
        "s" => TimeDelta::try_seconds(number),
        "m" => TimeDelta::try_minutes(number),
        "h" => TimeDelta::try_hours(number),
        "d" => TimeDelta::try_days(number),
        _ => None,
    }
}
