//! What a copy shows.

use std::collections::HashSet;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::{
    HostOptions, Surroundings,
    template::{Filled, Template},
};
use crate::{
    model::{Alarm, AlarmAction, EventBody, Participant, ParticipationStatus, Person, Role},
    recurrence::later,
};

/// A field a copy may show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CopiedField {
    /// The title.
    Title,
    /// The description.
    Description,
    /// The place, with its coordinates.
    Location,
    /// Who is invited, and by whom. Whether they are written at all is for the link to say: some servers mail them.
    Attendees,
    /// The reminders, but those that would mail somebody.
    Reminders,
    /// Where to connect, and the link of the event.
    MeetingLink,
    /// The categories.
    Categories,
    /// The colour.
    Color,
    /// Whether it takes place.
    Status,
    /// Whether it takes up time.
    Busy,
    /// Who may see it.
    Privacy,
    /// The priority.
    Priority,
}

/// Which name an attendee gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Names {
    /// Their own.
    #[default]
    Given,
    /// Their address.
    Address,
}

/// Which address an attendee gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Addresses {
    /// Their own. Where the link says that people are written, some servers mail them.
    #[default]
    Real,
    /// One no mail can reach: `a@example.org` is `a_example.org@localhost`. The copy has no organiser then, and says neither
    /// what anybody answered nor who need not come.
    Cloaked,
}

impl Addresses {
    fn is_real(&self) -> bool {
        *self == Self::Real
    }
}

/// Changes what a copy shows. The event itself is never changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Transform {
    /// Shows fields as the event has them.
    Keep {
        /// Which.
        fields: Vec<CopiedField>,
    },
    /// Shows fields no more.
    Drop {
        /// Which.
        fields: Vec<CopiedField>,
    },
    /// Shows who is invited, under a name and an address of choice.
    KeepAttendees {
        /// Which name. Default: their own.
        #[serde(default)]
        names: Names,
        /// Which address. Default: their own.
        #[serde(default, skip_serializing_if = "Addresses::is_real")]
        addresses: Addresses,
    },
    /// Puts the links to connect into the description, for calendars that have no place for them.
    MeetingLinkInDescription {
        /// A text to be put before the description where there is a link: `{{meeting_link}}` is the first one, and the names
        /// of `prefix` below are filled in as there. Default: each link that is not in the description on a line of its own
        /// at its end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<String>,
    },
    /// Cuts the description made so far: one that is too long ends in `...`, which counts.
    CutDescription {
        /// The most characters it has then: 3 to 1,000,000.
        characters: u32,
    },
    /// Puts a text before the title made so far.
    PrefixTitle {
        /// The text. `{{calendar_name}}` and `{{title}}`, the event's own, are filled in; `{{{{` stands for `{{`.
        prefix: String,
    },
    /// Shows another title.
    ReplaceTitle {
        /// The title, as `prefix` above.
        title: String,
    },
    /// Shows a colour. A calendar that has only some shows the nearest of them.
    SetColor {
        /// A [`Color`](crate::model::Color).
        color: String,
    },
    /// Adds categories.
    AddCategories {
        /// Their names.
        categories: Vec<String>,
    },
    /// Shows these reminders and no others.
    SetReminders {
        /// Minutes before the start. Empty: none at all.
        minutes_before: Vec<u32>,
    },
    /// Blocks time around the event. Has no effect on whole days. The start of a series is left alone where moving it
    /// would move it to another day, or its rules name hours: the plan of an exporting link tells the loss `padding` then.
    PadTime {
        /// Minutes before. Default: 0.
        #[serde(default)]
        before: u16,
        /// Minutes after. Default: 0.
        #[serde(default)]
        after: u16,
    },
    /// Shows nothing but the time, whatever was shown so far.
    BusyOnly {
        /// The title. Default: `Busy`.
        #[serde(default = "super::busy")]
        title: String,
    },
    /// What a transform of the host does: see [`HostTransform`](super::HostTransform).
    Host {
        /// Its name in [`HostRules`](super::HostRules).
        rule: String,
        /// What is said to it. Default: nothing.
        #[serde(default, skip_serializing_if = "HostOptions::is_empty")]
        options: HostOptions,
        /// The version it has to have. Default: any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<String>,
    },
}

impl Transform {
    /// The template in it.
    pub(super) fn template(&self) -> Option<&str> {
        match self {
            Self::PrefixTitle { prefix } => Some(prefix),
            Self::ReplaceTitle { title } => Some(title),
            Self::MeetingLinkInDescription { before } => before.as_deref(),
            _ => None,
        }
    }

    /// Changes the content of a copy, given that of the event. What concerns a whole series is done elsewhere.
    pub(super) fn change(
        &self,
        copy: &mut EventBody,
        event: &EventBody,
        template: Option<&Template>,
        around: &Surroundings<'_>,
    ) {
        let filled = |behind: &str| {
            let title = event.title.as_deref().unwrap_or_default();
            let link = event.virtual_locations.first().map(|location| location.uri.as_str());
            let names =
                Filled { calendar_name: around.calendar_name, title, meeting_link: link.unwrap_or_default() };
            template.map(|template| template.fill(names, behind)).unwrap_or_default()
        };
        match self {
            Self::Keep { fields } => fields.iter().for_each(|field| field.copy(copy, event)),
            Self::Drop { fields } => {
                let bare = EventBody::new(copy.time.clone());
                fields.iter().for_each(|field| field.copy(copy, &bare));
            }
            Self::KeepAttendees { names, addresses } => {
                CopiedField::Attendees.copy(copy, event);
                if *names == Names::Address {
                    for participant in &mut copy.participants {
                        participant.person.name = Some(participant.person.address.clone());
                    }
                }
                if *addresses == Addresses::Cloaked {
                    cloak(copy);
                }
            }
            Self::MeetingLinkInDescription { before: None } => link_into_description(copy, event),
            Self::MeetingLinkInDescription { before: Some(_) } => {
                if !event.virtual_locations.is_empty() {
                    copy.description = Some(filled(copy.description.as_deref().unwrap_or_default()));
                }
            }
            Self::CutDescription { characters } => {
                if let Some(description) = &mut copy.description {
                    cut(description, *characters);
                }
            }
            Self::PrefixTitle { .. } => {
                copy.title = Some(filled(copy.title.as_deref().unwrap_or_default()));
            }
            Self::ReplaceTitle { .. } => copy.title = Some(filled("")),
            Self::SetColor { color } => copy.color = Some(color.clone()),
            Self::AddCategories { categories } => copy.categories.extend(categories.iter().cloned()),
            Self::SetReminders { minutes_before } => {
                let seconds = minutes_before.iter().map(|minutes| i64::from(*minutes) * 60);
                copy.alarms = seconds.map(Alarm::display_before).collect();
            }
            Self::PadTime { after, .. } => {
                if !copy.time.is_all_day() {
                    copy.time.end = later(&copy.time.end, TimeDelta::minutes(i64::from(*after)));
                }
            }
            Self::BusyOnly { .. } | Self::Host { .. } => {}
        }
    }
}

impl CopiedField {
    fn copy(self, to: &mut EventBody, from: &EventBody) {
        match self {
            Self::Title => to.title.clone_from(&from.title),
            Self::Description => to.description.clone_from(&from.description),
            Self::Location => {
                to.location.clone_from(&from.location);
                to.geo.clone_from(&from.geo);
            }
            Self::Attendees => {
                to.participants.clone_from(&from.participants);
                to.organizer.clone_from(&from.organizer);
            }
            Self::Reminders => {
                let alarms = from.alarms.iter().filter(|alarm| alarm.action != AlarmAction::Email);
                // Its text may be the title or say more than it.
                to.alarms = alarms.map(|alarm| Alarm { description: None, ..alarm.clone() }).collect();
            }
            Self::MeetingLink => {
                to.virtual_locations.clone_from(&from.virtual_locations);
                to.url.clone_from(&from.url);
            }
            Self::Categories => to.categories.clone_from(&from.categories),
            Self::Color => to.color.clone_from(&from.color),
            Self::Status => to.status = from.status,
            Self::Busy => to.free_busy = from.free_busy,
            Self::Privacy => to.privacy = from.privacy,
            Self::Priority => to.priority = from.priority,
        }
    }
}

/// People as a copy names them without being able to reach any.
fn cloak(copy: &mut EventBody) {
    copy.organizer = None;
    let mut cloaked: Vec<Participant> = Vec::with_capacity(copy.participants.len());
    let mut known = HashSet::with_capacity(copy.participants.len());
    for participant in &copy.participants {
        let Person { address, name } = &participant.person;
        let is_of_mail = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
        let local: String = address.chars().map(|c| if is_of_mail(c) { c } else { '_' }).collect();
        let person = Person { address: format!("{local}@localhost"), name: name.clone() };
        if local.is_empty() || !known.insert(person.key()) {
            continue;
        }
        cloaked.push(Participant {
            person,
            status: ParticipationStatus::NeedsAction,
            role: Role::Required,
            expect_reply: false,
        });
    }
    copy.participants = cloaked;
}

const OMITTED: &str = "...";

fn cut(text: &mut String, characters: u32) {
    let most = usize::try_from(characters).unwrap_or(usize::MAX);
    if text.chars().nth(most).is_none() {
        return;
    }
    let kept = text.char_indices().nth(most.saturating_sub(OMITTED.len())).map_or(0, |(at, _)| at);
    text.truncate(kept);
    text.push_str(OMITTED);
}

fn link_into_description(copy: &mut EventBody, event: &EventBody) {
    let mut description = copy.description.take().unwrap_or_default();
    for location in &event.virtual_locations {
        if !description.contains(&location.uri) {
            if !description.is_empty() {
                description.push('\n');
            }
            description.push_str(&location.uri);
        }
    }
    copy.description = Some(description).filter(|description| !description.is_empty());
}
