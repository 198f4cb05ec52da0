//! `transform`: what copies of events show.

use calsync_core::{
    model::{Event, LinkId},
    pipeline::{Pipeline, Surroundings, uid_key},
};
use serde::{Deserialize, Serialize};

use crate::{Failure, args, dispatch, model::EventModel};

/// What is copied of one event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Copied {
    /// The event as the copy holds it; absent: it is not copied.
    pub event: Option<EventModel>,
    /// The name of the step that keeps it out; absent where it is copied, and where it takes no time and the copies are busy-only.
    pub left_out_by: Option<String>,
}

pub(crate) fn transform(args: args::Transform) -> Result<Vec<Copied>, Failure> {
    let wrong = |reason: String| Failure::invalid(reason).about("transform");
    let pipeline: Pipeline = dispatch::read("pipeline", &args.pipeline)?;
    let compiled = pipeline.compile().map_err(|error| wrong(error.to_string()))?;
    let around = args.around.unwrap_or_default();
    if around.owner.is_empty()
        && let Some(step) = compiled.asks_for_the_owner()
    {
        return Err(wrong(format!("the step {step:?} keeps out nothing unless `owner` has addresses")));
    }
    let salt = args.uid_salt.as_ref().map(|salt| salt.expose()).filter(|salt| !salt.is_empty());
    let key = match (salt, pipeline.hides_uids()) {
        (_, false) => None,
        (Some(salt), true) => Some(uid_key(&LinkId::from(args.link.as_str()), Some(salt))),
        // A key that everybody knows would hide nothing.
        (None, true) => {
            let reason = "a pipeline that hides the UIDs of events needs `uid_salt`";
            return Err(wrong(reason.to_owned()));
        }
    };
    let around = Surroundings {
        calendar: &around.calendar,
        calendar_name: &around.calendar_name,
        owner: &around.owner,
        zone: &around.zone,
        uid_key: key.as_ref(),
        is_copy: around.is_copy,
        declined: None,
    };
    let copied = |event: EventModel| {
        let event = Event::from(event);
        let failed = |error: calsync_core::pipeline::RuleFailure| wrong(error.to_string());
        let copy = compiled.apply(&event, &around).map_err(failed)?;
        let left_out_by = match copy {
            Some(_) => None,
            None => compiled.refused_by(&event, &around).map_err(failed)?.map(str::to_owned),
        };
        Ok(Copied { event: copy.map(|copy| copy.into_owned().into()), left_out_by })
    };
    args.events.into_iter().map(copied).collect()
}
