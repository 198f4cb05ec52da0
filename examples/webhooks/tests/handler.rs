//! The handler between the emulator and the schedule.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use calsync_core::{
    context::{Clock as _, RandomIds},
    model::{LinkId, RemoteCalendarId},
    schedule::{Preset, Priority, Schedule, Task},
    store::{Channels as _, MemoryStore, Store, StoreChannels},
};
use calsync_providers::{
    http::{AddressPolicy, HttpRequest, HttpTransport, ReqwestOptions, ReqwestTransport, Secret},
    microsoft::{MicrosoftConfig, MicrosoftProvider},
    webhook::{ChannelKey, ChannelOptions, Keeper, Tending},
};
use calsync_testkit::{
    microsoft::{GraphOptions, GraphServer},
    world::VirtualClock,
};
use serde_json::json;

/// A subscription is validated, called, and ended by the service; a stranger's call changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn con_09_calls_of_the_service_become_pulls_and_those_of_strangers_do_not() {
    let clock = Arc::new(VirtualClock::default());
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let channels = Arc::new(StoreChannels::new(store.clone()));
    let ids = Arc::new(RandomIds::from_seed([1; 32]));
    let key = ChannelKey::new(b"sixteen bytes or").unwrap();
    let keeper = Keeper::new(channels.clone(), key, clock.clone(), ids);
    let schedule = Schedule::new(store, clock.clone());
    let link = LinkId::from("office");
    let (sync, renew) = (Task::Sync(link.clone()), Task::Renew(link.clone()));
    for task in [&sync, &renew] {
        schedule.put(task, &Preset::Microsoft.cadence(), Priority::Normal).await.unwrap();
    }
    let pending = async |task: &Task| schedule.entry(task).await.unwrap().pending.is_some();
    // The emulator calls from a task of its own.
    let called = async |task: &Task| {
        while !pending(task).await {
            tokio::task::yield_now().await;
        }
    };

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/calsync{}", listener.local_addr().unwrap(), webhooks::GRAPH);
    tokio::spawn(axum::serve(listener, webhooks::router(keeper.clone(), schedule.clone())).into_future());

    let server = GraphServer::start(GraphOptions::default()).unwrap();
    let network = Arc::new(ReqwestTransport::new(&ReqwestOptions::default()).unwrap());
    let config = MicrosoftConfig::new(Arc::new(Secret::from("secret")));
    let config = config.at(server.url(), AddressPolicy::AllowPrivate);
    let provider = MicrosoftProvider::new(config, network.clone()).unwrap().with_clock(clock.clone());
    let calendar = RemoteCalendarId::from(server.default_calendar());
    let options = ChannelOptions::graph();
    let about = Tending {
        link: &link,
        calendar: &calendar,
        provider: &provider,
        address: &address,
        options: &options,
    };
    let tended = keeper.tend(about, &schedule).await.expect("the address gives the token back");
    assert_eq!((tended.opened, server.subscriptions()), (1, 1));
    // What changed before it was open nobody is told of: the link is pulled once.
    assert!(pending(&sync).await);
    schedule.remove(&sync).await.unwrap();
    schedule.put(&sync, &Preset::Microsoft.cadence(), Priority::Normal).await.unwrap();
    let name = channels.read(&link).await.unwrap().row.channels[0].channel.watch.id.clone();

    let mut stranger = HttpRequest::new(http::Method::POST, url::Url::parse(&address).unwrap())
        .body(json!({"value": [{"subscriptionId": name, "clientState": "guess"}]}).to_string());
    stranger.addresses = AddressPolicy::AllowPrivate;
    let answer = network.send(stranger.clone()).await.unwrap();
    assert_eq!((answer.status.as_u16(), pending(&sync).await), (202, false));
    stranger.url.set_path("/somewhere/else");
    assert_eq!(network.send(stranger).await.unwrap().status.as_u16(), 404);

    let event = json!({
        "subject": "lunch", "start": {"dateTime": "2026-01-06T12:00:00", "timeZone": "UTC"},
        "end": {"dateTime": "2026-01-06T13:00:00", "timeZone": "UTC"},
    });
    server.add(&server.default_calendar(), &event).unwrap();
    called(&sync).await;
    assert!(!pending(&renew).await && channels.read(&link).await.unwrap().row.called.is_some());
    let due = schedule.entry(&sync).await.unwrap().due(schedule.timing()).unwrap();
    assert!((due - clock.now()).num_seconds() <= 5);

    server.send_lifecycle("subscriptionRemoved");
    called(&renew).await;
    let tended = keeper.tend(about, &schedule).await.unwrap();
    assert_eq!((tended.ended, tended.opened), (1, 1));
}
