//! An account at Google or Microsoft, emulated, with a local side and an engine.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    dead_code,
    reason = "a test that cannot go on panics; not every test uses everything"
)]

use std::sync::Arc;

use calsync_core::{
    engine::{Link, SyncOptions, SyncReport},
    provider::Provider,
    store::MemoryStore,
    zone::Zone,
};
use calsync_providers::{
    google::{GoogleConfig, GoogleProvider},
    http::{AddressPolicy, ReqwestOptions, ReqwestTransport, Secret},
    microsoft::{MicrosoftConfig, MicrosoftProvider},
};
use calsync_testkit::{
    google::{GoogleOptions, GoogleServer},
    microsoft::{GraphOptions, GraphServer},
    world::World,
};
use chrono::TimeDelta;

/// Shared by all who look at the account.
#[derive(Clone)]
pub(crate) enum Server {
    Google(Arc<GoogleServer>),
    Graph(Arc<GraphServer>),
}

/// One local side with its link to the account.
pub(crate) struct Lab {
    pub(crate) world: World,
    pub(crate) server: Server,
    pub(crate) provider: Box<dyn Provider>,
    pub(crate) link: Link,
}

fn transport() -> Arc<ReqwestTransport> {
    Arc::new(ReqwestTransport::new(&ReqwestOptions::default()).unwrap())
}

/// A calendar at Google in a zone.
pub(crate) fn google(zone: &str) -> Lab {
    let options = GoogleOptions { zone: zone.to_owned(), ..GoogleOptions::default() };
    Lab::on(Server::Google(Arc::new(GoogleServer::start(options).unwrap())), zone)
}

/// A calendar at Microsoft, with floating times in a zone.
pub(crate) fn microsoft(zone: &str) -> Lab {
    Lab::on(Server::Graph(Arc::new(GraphServer::start(GraphOptions::default()).unwrap())), zone)
}

impl Lab {
    /// A local side of its own at an account.
    pub(crate) fn on(server: Server, zone: &str) -> Self {
        let world = World::new(Arc::new(MemoryStore::default()), 5);
        let token = Arc::new(Secret::from("secret"));
        let (provider, calendar): (Box<dyn Provider>, String) = match &server {
            Server::Google(server) => {
                let config = GoogleConfig::new(token).at(server.url(), AddressPolicy::AllowPrivate);
                let provider = GoogleProvider::new(config, transport()).unwrap();
                (Box::new(provider.with_clock(world.clock.clone())), "ann@example.com".to_owned())
            }
            Server::Graph(server) => {
                let mut config = MicrosoftConfig::new(token).at(server.url(), AddressPolicy::AllowPrivate);
                config.floating_zone = Zone::from_iana(zone).unwrap();
                let provider = MicrosoftProvider::new(config, transport()).unwrap();
                (Box::new(provider.with_clock(world.clock.clone())), server.default_calendar())
            }
        };
        let link = Link::new("link", world.calendar.as_str(), calendar.as_str());
        Self { world, server, provider, link }
    }

    pub(crate) async fn sync(&self) -> SyncReport {
        self.world.clock.advance(TimeDelta::seconds(30));
        self.world.engine.sync(&self.link, &*self.provider, &SyncOptions::default()).await.unwrap()
    }

    /// Nothing is left to do, twice.
    pub(crate) async fn rests(&self, case: &str) {
        for _ in 0..2 {
            let report = self.sync().await;
            assert!(report.plan.operations.is_empty(), "{case}: {:?}", report.plan.operations);
        }
    }
}
