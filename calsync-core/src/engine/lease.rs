//! The lease of a link: one worker at a time, also among workers whose clocks are far apart.
//!
//! Whether a lease ran out is told by the clock of whoever asks for it. One that was taken by a clock ahead of ours, or before
//! ours was set back, would keep a link blocked for as long as the clocks are apart once its holder has died. A holder that
//! lives renews it, though: a lease that ends later than any lease lasts, and that nobody renewed while we looked on for as
//! long as one lasts, is taken over. That the holder may be alive after all is what the epochs are for.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};

use super::{Engine, EngineError};
use crate::{
    model::LinkId,
    store::{LeaseGrant, LeaseToken},
};

/// How long a lease lasts. A worker that dies is replaced after this; one that works renews in time.
pub(super) const LEASE: TimeDelta = TimeDelta::seconds(10);

/// Leases that end later than they can by our clock: until when, and since when we know that.
#[derive(Debug, Default)]
pub(super) struct Foreign(Mutex<HashMap<LinkId, (DateTime<Utc>, DateTime<Utc>)>>);

impl Foreign {
    /// Whether a lease that ends at `until` is dead, or else until when to wait.
    fn judge(&self, link: &LinkId, until: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), DateTime<Utc>> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if until <= now + LEASE {
            seen.remove(link);
            return Err(until);
        }
        let known = seen.entry(link.clone()).or_insert((until, now));
        if known.0 != until || now < known.1 {
            *known = (until, now);
        }
        let end = known.1 + LEASE;
        if now < end {
            return Err(end);
        }
        seen.remove(link);
        Ok(())
    }
}

impl Engine {
    pub(super) fn lease_name(link: &LinkId) -> String {
        format!("link:{link}")
    }

    /// Takes the lease of a link, or renews it for the holder that has it.
    pub(super) async fn hold_lease(&self, link: &LinkId, holder: &str) -> Result<LeaseToken, EngineError> {
        let name = Self::lease_name(link);
        let now = self.clock.now();
        let until = match self.store.acquire_lease(&name, holder, now, LEASE).await? {
            LeaseGrant::Granted(token) => return Ok(token),
            LeaseGrant::Held { until } => until,
        };
        self.foreign.judge(link, until, now).map_err(|until| EngineError::Busy { until })?;
        // At the moment it ends it is free; after that it is ours, and renewed by our own clock.
        for at in [until, now] {
            match self.store.acquire_lease(&name, holder, at, LEASE).await? {
                LeaseGrant::Granted(token) if at == now => return Ok(token),
                LeaseGrant::Granted(_) => {}
                LeaseGrant::Held { .. } => return Err(EngineError::Busy { until: now + LEASE }),
            }
        }
        Err(EngineError::Busy { until: now + LEASE })
    }
}
