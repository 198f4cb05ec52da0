//! `[[feeds]]`: what `calsync feed serve` publishes.

use calsync_core::{
    model::CalendarId,
    pipeline::{Pipeline, Start, Step},
    publish::{Detail, FeedForm, FeedOptions, Published},
    secret::Secret,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

use super::zone;
use crate::cadence::interval;

/// The longest a window reaches to one side, in days.
const FARTHEST: u32 = 36_600;

/// A feed: one for each audience.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FeedConfig {
    /// Its name; its token is kept under it.
    pub(crate) name: String,
    /// The calendar in the store.
    pub(crate) calendar: String,
    /// `busy-only` (default) or `details`: what is marked private is busy-only all the same.
    #[serde(default)]
    pub(crate) detail: Detail,
    /// `events` (default), or `free-busy`: busy times, for programs.
    #[serde(default)]
    pub(crate) form: FeedForm,
    /// The name subscribers see.
    title: Option<String>,
    /// What it is about.
    description: Option<String>,
    /// Its colour, a CSS name.
    color: Option<String>,
    /// The title of what is not shown. Default: `Busy`.
    busy_title: Option<String>,
    /// The calendar's zone. Default: UTC.
    zone: Option<String>,
    /// The addresses of its owner: what they declined takes none of their time.
    #[serde(default)]
    owner: Vec<String>,
    /// Days back. Default: 30.
    back: Option<u32>,
    /// Days ahead. Default: 180.
    ahead: Option<u32>,
    /// How often subscribers are asked to come back: `30m`, `1h` (default), `1d`.
    refresh: Option<String>,
    /// What `{{calendar_name}}` stands for. Default: `calendar`.
    calendar_name: Option<String>,
    /// Filters and transforms, which begin with the whole event; `detail` cuts what they leave.
    #[serde(default)]
    steps: Vec<Step>,
}

impl std::fmt::Debug for FeedConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FeedConfig").field("name", &self.name).finish_non_exhaustive()
    }
}

impl FeedConfig {
    /// The feed, as it is published since a moment.
    pub(crate) fn published(&self, since: DateTime<Utc>) -> Result<Published, String> {
        let calendar_name = self.calendar_name.as_deref().unwrap_or(&self.calendar);
        if self.calendar.is_empty() {
            return Err("`calendar` is empty: name a calendar of the store".to_owned());
        }
        // The publisher sets the time and the secret of each request.
        let mut options = FeedOptions::new(since, Secret::new([0; 32]));
        options.detail = self.detail;
        options.name.clone_from(&self.title);
        options.description.clone_from(&self.description);
        options.color.clone_from(&self.color);
        options.owner.clone_from(&self.owner);
        if let Some(title) = &self.busy_title {
            options.busy_title.clone_from(title);
        }
        if let Some(name) = &self.zone {
            options.zone = zone("zone", name)?;
        }
        for (key, days, reach) in
            [("back", self.back, &mut options.back), ("ahead", self.ahead, &mut options.ahead)]
        {
            match days {
                Some(days) if days > FARTHEST => return Err(format!("`{key}` is at most {FARTHEST} days")),
                Some(days) => *reach = TimeDelta::days(i64::from(days)),
                None => {}
            }
        }
        if let Some(text) = &self.refresh {
            let often = interval(text).filter(|often| *often >= TimeDelta::minutes(1));
            options.refresh =
                often.ok_or_else(|| format!("`refresh`: {text:?} is none of \"15m\", \"2h\" and \"1d\""))?;
        }
        let published =
            Published::new(CalendarId::from(self.calendar.as_str()), options).in_form(self.form).since(since);
        if self.steps.is_empty() {
            return Ok(published);
        }
        let pipeline = Pipeline { start: Start::Everything {}, steps: self.steps.clone() };
        published.through(&pipeline, calendar_name).map_err(|problem| problem.to_string())
    }
}
