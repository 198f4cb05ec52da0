//! The lease of a link: one worker at a time, also among workers whose clocks are far apart.
//!
//! Whether a lease ran out is told by the clock of whoever asks for it. One that was taken by a clock ahead of ours, or before
//! ours was set back, would keep a link blocked for as long as the clocks are apart once its holder has died. A holder that
//! lives renews it, though: a lease that ends later than any lease lasts, and that nobody renewed while we looked on for as
//! long as one lasts, is taken over. That the holder may be alive after all is what the epochs are for.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{Engine, EngineError};
use crate::{
    model::LinkId,
    store::{Batch, Doc, DocQuery, LeaseGrant, LeaseToken, Write},
};

/// How long a lease lasts. A worker that dies is replaced after this; one that works renews in time.
pub(super) const LEASE: TimeDelta = TimeDelta::seconds(10);

/// Where it is written down which leases end later than they can. In the store, since the next one who asks may be another
/// process.
const SPACE: &str = "leases";

/// A lease that ends later than it can by somebody's clock.
#[derive(Serialize, Deserialize)]
struct Sighting {
    until: DateTime<Utc>,
    /// Since when that is known.
    since: DateTime<Utc>,
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
            LeaseGrant::Held { until } if until <= now + LEASE => return Err(EngineError::Busy { until }),
            LeaseGrant::Held { until } => until,
        };
        self.look_on(link, until, now).await?;
        // At the moment it ends it is free; after that it is ours, and renewed by our own clock.
        for at in [until, now] {
            match self.store.acquire_lease(&name, holder, at, LEASE).await? {
                LeaseGrant::Granted(token) if at == now => return Ok(token),
                LeaseGrant::Granted(_) => {}
                LeaseGrant::Held { .. } => break,
            }
        }
        Err(EngineError::Busy { until: now + LEASE })
    }

    /// Returns once nobody has renewed a lease for as long as one lasts.
    async fn look_on(
        &self,
        link: &LinkId,
        until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), EngineError> {
        let found = self.store.docs(SPACE, DocQuery::Keys(&[link.as_str()])).await?.pop();
        let known = found.and_then(|doc| doc.read::<Sighting>());
        let since = known.filter(|known| known.until == until && known.since <= now).map(|known| known.since);
        match since {
            Some(since) if now - since >= LEASE => Ok(()),
            Some(since) => Err(EngineError::Busy { until: since + LEASE }),
            None => {
                let value = serde_json::to_vec(&Sighting { until, since: now }).unwrap_or_default();
                let writes = vec![Write::PutDoc(Doc::new(SPACE, link.as_str(), value))];
                self.store.commit(Batch { writes, ..Batch::default() }).await?;
                Err(EngineError::Busy { until: now + LEASE })
            }
        }
    }
}
