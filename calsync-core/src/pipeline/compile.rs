//! A pipeline checked and made ready.

use regex::{Regex, RegexBuilder};

use super::{
    Action, Filter, Pipeline, Start, Transform, Within,
    host::{HostRule, HostRules},
    template::Template,
};
use crate::model::Color;

/// A pipeline cannot be used. The fault is the configuration's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("step {step:?}: {reason}")]
pub struct PipelineError {
    /// The name of the step.
    pub step: String,
    /// What is wrong with it.
    pub reason: String,
}

/// A pipeline ready to be applied: its patterns are compiled.
#[derive(Clone, Debug)]
pub struct CompiledPipeline {
    pub(super) start: Start,
    pub(super) steps: Vec<CompiledStep>,
}

#[derive(Clone, Debug)]
pub(super) struct CompiledStep {
    pub(super) name: String,
    pub(super) action: Action,
    pub(super) include: Option<Regex>,
    pub(super) exclude: Option<Regex>,
    pub(super) template: Option<Template>,
    pub(super) host: Option<HostRule>,
}

const MAX_STEPS: usize = 100;
const MAX_NAME: usize = 100;
const MAX_PATTERN: usize = 1_000;
/// Memory of one compiled pattern, and of its cache.
const MAX_COMPILED: usize = 1 << 20;

impl CompiledPipeline {
    /// The name of the first step that lets everything through where nobody knows who the owner of the calendar is: one that
    /// keeps out what they declined.
    pub fn asks_for_the_owner(&self) -> Option<&str> {
        let asks = |step: &&CompiledStep| matches!(step.action, Action::Filter(Filter::NotDeclined {}));
        self.steps.iter().find(asks).map(|step| step.name.as_str())
    }
}

impl Pipeline {
    /// Checks every step and compiles its patterns. One that names a rule of the host needs
    /// [`compile_with`](Self::compile_with).
    ///
    /// # Errors
    /// A pattern that is no regular expression, has more than 1,000 characters or compiles to more than 1 MiB, a template with
    /// an unknown name or of more than 1,000 characters, a step without a name or with one of more than 100 characters or used
    /// twice, more than 100 steps, a filter that asks nothing or goes by hours and names minutes, a description cut to fewer
    /// than 3 characters, a colour that is none.
    pub fn compile(&self) -> Result<CompiledPipeline, PipelineError> {
        self.compile_with(&HostRules::default())
    }

    /// The same with the rules of the host.
    ///
    /// # Errors
    /// As there, and: a rule the host has not, or has in another version than the step asks for, and options it refuses.
    pub fn compile_with(&self, host: &HostRules) -> Result<CompiledPipeline, PipelineError> {
        let mut steps: Vec<CompiledStep> = Vec::new();
        for step in &self.steps {
            let error = |reason: String| PipelineError { step: step.name.clone(), reason };
            if step.name.is_empty() || step.name.chars().count() > MAX_NAME {
                return Err(error(format!("a name has 1 to {MAX_NAME} characters")));
            }
            if steps.iter().any(|other| other.name == step.name) {
                return Err(error("another step has this name".to_owned()));
            }
            if steps.len() == MAX_STEPS {
                return Err(error(format!("there are more than {MAX_STEPS} steps")));
            }
            let mut compiled = CompiledStep {
                name: step.name.clone(),
                action: step.action.clone(),
                include: None,
                exclude: None,
                template: None,
                host: host.find(&step.action).map_err(error)?,
            };
            match &step.action {
                Action::Filter(filter) => {
                    asks_something(filter).map_err(|reason| error(reason.to_owned()))?;
                    goes_by_hours(filter).map_err(|reason| error(reason.to_owned()))?;
                    if let Filter::Title { include, exclude } = filter {
                        compiled.include = include.as_deref().map(pattern).transpose().map_err(error)?;
                        compiled.exclude = exclude.as_deref().map(pattern).transpose().map_err(error)?;
                    }
                }
                Action::Transform(transform) => {
                    can_be_done(transform).map_err(error)?;
                    compiled.template =
                        transform.template().map(Template::parse).transpose().map_err(error)?;
                }
            }
            steps.push(compiled);
        }
        Ok(CompiledPipeline { start: self.start.clone(), steps })
    }
}

/// A regular expression in time linear in what it is matched against.
fn pattern(text: &str) -> Result<Regex, String> {
    let characters = text.chars().count();
    if characters > MAX_PATTERN {
        return Err(format!("a pattern of {characters} characters passes the limit of {MAX_PATTERN}"));
    }
    let built = RegexBuilder::new(text).size_limit(MAX_COMPILED).dfa_size_limit(MAX_COMPILED).build();
    built.map_err(|problem| format!("{text:?} is no usable regular expression: {problem}"))
}

/// A filter that asks nothing is a slip: somebody meant to keep something out.
fn asks_something(filter: &Filter) -> Result<(), &'static str> {
    let asks = match filter {
        Filter::Title { include, exclude } => include.is_some() || exclude.is_some(),
        Filter::Category { include, exclude }
        | Filter::Calendar { include, exclude }
        | Filter::Organizer { include, exclude }
        | Filter::Attendee { include, exclude } => !include.is_empty() || !exclude.is_empty(),
        Filter::Duration { at_least, at_most } => at_least.is_some() || at_most.is_some(),
        Filter::Status { exclude } => !exclude.is_empty(),
        Filter::NotDeclined {}
        | Filter::Timed { .. }
        | Filter::TimeFrame { .. }
        | Filter::Busy { .. }
        | Filter::OwnOnly {}
        | Filter::NotCopied {}
        | Filter::Host { .. } => true,
    };
    if asks { Ok(()) } else { Err("the filter asks nothing: it needs an include or an exclude, or a bound") }
}

/// Minutes nobody looks at are a slip.
fn goes_by_hours(filter: &Filter) -> Result<(), &'static str> {
    match filter {
        Filter::TimeFrame { from, to, within: Within::EitherHour | Within::BothHours, .. }
            if from.minutes() % 60 != 0 || to.minutes() % 60 != 0 =>
        {
            Err("`within` goes by hours: `from` and `to` are full ones then")
        }
        _ => Ok(()),
    }
}

/// The fewest and the most characters a description is cut to.
const CUT: std::ops::RangeInclusive<u32> = 3..=1_000_000;

fn can_be_done(transform: &Transform) -> Result<(), String> {
    match transform {
        Transform::CutDescription { characters } if !CUT.contains(characters) => Err(format!(
            "a description is cut to {} characters at least, and to {} at most",
            CUT.start(),
            CUT.end()
        )),
        Transform::SetColor { color } if Color::parse(color).is_none() => {
            Err(format!("{color:?} is neither a CSS name of a colour nor #RRGGBB"))
        }
        _ => Ok(()),
    }
}
