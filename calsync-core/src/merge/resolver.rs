//! The host's own word in a conflict.

use std::{collections::BTreeMap, error::Error};

use async_trait::async_trait;

use super::Choice;
use crate::{
    diff::Field,
    model::{Event, EventId, LinkId},
};

/// An event whose two sides changed the same fields to different values.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct ContestedEvent<'a> {
    /// The link.
    pub link: &'a LinkId,
    /// The event in the store.
    pub event_id: &'a EventId,
    /// What the local side held when both last agreed; `None` at a first meeting.
    pub base: Option<&'a Event>,
    /// The local side now.
    pub local: &'a Event,
    /// The remote side now.
    pub remote: &'a Event,
    /// The contested fields. Everything else is merged already.
    pub fields: &'a [Field],
}

impl<'a> ContestedEvent<'a> {
    /// A contested event, as the engine hands it to a resolver.
    pub fn new(
        (link, event_id): (&'a LinkId, &'a EventId),
        base: Option<&'a Event>,
        (local, remote): (&'a Event, &'a Event),
        fields: &'a [Field],
    ) -> Self {
        Self { link, event_id, base, local, remote, fields }
    }
}

/// Choices by field. Fields that are not in it stay open.
pub type Resolution = BTreeMap<Field, Choice>;

/// Why a resolver could not decide. Its text is the host's own and is not recorded.
pub type ResolverError = Box<dyn Error + Send + Sync>;

/// Decides contested fields under [`ConflictPolicy::Resolver`](super::ConflictPolicy::Resolver).
///
/// A function `Fn(&ContestedEvent<'_>) -> Result<Resolution, ResolverError>` is one.
///
/// # Behavior
///
/// - The same question must get the same answer: a preview and the run after it both ask.
/// - The run waits for it under its lease; one that takes longer than the lease lasts (10 seconds) may lose it.
/// - An `Err` or a panic decides nothing: the conflict stays open, and is asked again when the pair is looked at again.
/// - Fields it names that are not contested are ignored.
#[async_trait]
pub trait ConflictResolver: Send + Sync {
    /// Decides the contested fields of one event.
    ///
    /// # Errors
    ///
    /// When it cannot decide; the conflict then waits for a person.
    async fn resolve(&self, conflict: &ContestedEvent<'_>) -> Result<Resolution, ResolverError>;
}

#[async_trait]
impl<F> ConflictResolver for F
where
    F: Fn(&ContestedEvent<'_>) -> Result<Resolution, ResolverError> + Send + Sync,
{
    async fn resolve(&self, conflict: &ContestedEvent<'_>) -> Result<Resolution, ResolverError> {
        self(conflict)
    }
}
