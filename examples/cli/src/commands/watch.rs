//! What `calsync run NAME --watch` takes from the schedule: that one link, and nothing of the others.

use std::sync::Arc;

use async_trait::async_trait;
use calsync_core::{
    model::LinkId,
    schedule::Task,
    store::{
        Batch, Claim, ClaimRequest, Claims, DocQuery, Expectation, Later, LaterDoc, LaterQuery, Result,
        Store, StoreErrorKind, Write,
    },
};
use chrono::{DateTime, Utc};

use crate::app::App;

/// Claims the entry of one link when it is due: other workers may go on beside it, as beside any other.
pub(crate) struct OneLink {
    store: Arc<dyn Store>,
    tenant: String,
    key: String,
}

impl OneLink {
    pub(crate) fn new(app: &App, link: &str) -> Self {
        let key = Task::Sync(LinkId::from(link)).key();
        Self { store: app.store.clone(), tenant: app.config.tenant.clone(), key }
    }
}

#[async_trait]
impl Claims for OneLink {
    async fn claim(&self, request: ClaimRequest<'_>) -> Result<Vec<Claim>> {
        for space in request.spaces {
            let found = self.store.docs(space, DocQuery::Keys(&[&self.key])).await?.pop();
            let Some(mut doc) = found else { continue };
            let Some(since) = doc.due.filter(|due| *due <= request.now) else { continue };
            let expect = vec![Expectation::Doc {
                space: (*space).to_owned(),
                key: doc.key.clone(),
                version: Some(doc.version),
            }];
            doc.due = Some(request.until);
            let batch = Batch { expect, writes: vec![Write::PutDoc(doc.clone())], ..Batch::default() };
            match self.store.commit(batch).await {
                Ok(receipt) => {
                    doc.version = receipt.doc_versions.first().copied().unwrap_or_default();
                    let (tenant, store) = (self.tenant.clone(), self.store.clone());
                    return Ok(vec![Claim { tenant, store, doc, since }]);
                }
                // Another worker has it.
                Err(error) if matches!(error.kind, StoreErrorKind::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Vec::new())
    }

    async fn next_due(&self, spaces: &[&str]) -> Result<Option<DateTime<Utc>>> {
        for space in spaces {
            let found = self.store.docs(space, DocQuery::Keys(&[&self.key])).await?.pop();
            if let Some(doc) = found {
                return Ok(doc.due);
            }
        }
        Ok(None)
    }

    async fn due_later(&self, query: LaterQuery<'_>) -> Result<Later> {
        let found = self.store.docs(query.space, DocQuery::Keys(&[&self.key])).await?;
        let later = found.into_iter().filter(|doc| doc.due.is_some_and(|due| due > query.than));
        let (tenant, store) = (&self.tenant, &self.store);
        let docs = later.map(|doc| LaterDoc { tenant: tenant.clone(), store: store.clone(), doc });
        Ok(Later { docs: docs.collect(), next: None })
    }
}
