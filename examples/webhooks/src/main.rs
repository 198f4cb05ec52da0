//! `cargo run -p webhooks`: an emulated Microsoft account calls this program when its calendar changes.
#![allow(clippy::print_stdout, reason = "the example tells what happens")]

use std::sync::Arc;

use calsync_core::{
    context::{Clock, IdSource, RandomIds, SystemClock},
    engine::{Engine, Link, SyncOptions},
    provider::{Provider, WatchRequest},
    store::MemoryStore,
};
use calsync_providers::{
    http::{AddressPolicy, ReqwestOptions, ReqwestTransport, Secret},
    microsoft::{MicrosoftConfig, MicrosoftProvider},
    webhook::{Channel, ChannelOptions, Hints, Known, plan},
};
use calsync_testkit::microsoft::{GraphOptions, GraphServer};
use serde_json::json;
use webhooks::Hooks;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(RandomIds::new()?));
    let hooks = Hooks::new(clock.clone(), Hints::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}/graph", listener.local_addr()?);
    tokio::spawn(axum::serve(listener, hooks.router()).into_future());

    let account = GraphServer::start(GraphOptions::default())?;
    account.set_now(clock.now());
    let network = Arc::new(ReqwestTransport::new(&ReqwestOptions::default())?);
    let config = MicrosoftConfig::new(Arc::new(Secret::from("secret")));
    let config = config.at(account.url(), AddressPolicy::AllowPrivate);
    let provider = MicrosoftProvider::new(config, network)?;
    let engine = Engine::new(Arc::new(MemoryStore::default()), clock.clone(), ids.clone());
    let link = Link::new("office", "work", account.default_calendar());

    // The id and the secret are nobody's to guess. The account asks the address first whether it wants the calls.
    let (id, secret, options) = (ids.fresh(), ids.fresh(), ChannelOptions::graph());
    let request = WatchRequest { id: &id, address: &address, secret: &secret, lifetime: options.lifetime };
    let watch = provider.watch(&link.remote, request).await?;
    hooks.know(&watch.id, Known { secret: Secret::from(secret), resource: watch.resource.clone() }, "office");
    let channel = Channel::new(watch, clock.now());
    let plan = plan(&options, &[channel], (0, clock.now()), 0, clock.now());
    println!("the channel is open; it is looked at again on {}", plan.next.format("%F"));
    engine.sync(&link, &provider, &SyncOptions::default()).await?;

    let lunch = json!({
        "subject": "lunch", "start": {"dateTime": "2026-01-06T12:00:00", "timeZone": "UTC"},
        "end": {"dateTime": "2026-01-06T13:00:00", "timeZone": "UTC"},
    });
    account.add(&account.default_calendar(), &lunch)?;
    println!("somebody made an event; waiting until the calls have been quiet for five seconds");
    for link_name in hooks.due().await {
        let report = engine.sync(&link, &provider, &SyncOptions::default()).await?;
        println!("{link_name} was pulled: {} came in", report.counts.created);
    }
    Ok(())
}
