//! The handler between the emulator and the loop.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::{sync::Arc, time::Duration};

use calsync_core::{
    model::RemoteCalendarId,
    provider::{Provider, WatchRequest},
};
use calsync_providers::{
    http::{AddressPolicy, HttpRequest, HttpTransport, ReqwestOptions, ReqwestTransport, Secret},
    microsoft::{MicrosoftConfig, MicrosoftProvider},
    webhook::{HintOptions, Hints, Known, Signal},
};
use calsync_testkit::{
    microsoft::{GraphOptions, GraphServer},
    world::VirtualClock,
};
use chrono::TimeDelta;
use serde_json::json;
use webhooks::Hooks;

/// A subscription is validated, called, and ended by the service; a stranger's call changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn con_09_calls_of_the_service_become_pulls_and_those_of_strangers_do_not() {
    let clock = Arc::new(VirtualClock::default());
    let mut options = HintOptions::default();
    options.quiet = Duration::ZERO;
    let hooks = Hooks::new(clock.clone(), Hints::new(options));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/graph", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, hooks.router()).into_future());

    let server = GraphServer::start(GraphOptions::default()).unwrap();
    let network = Arc::new(ReqwestTransport::new(&ReqwestOptions::default()).unwrap());
    let config = MicrosoftConfig::new(Arc::new(Secret::from("secret")));
    let config = config.at(server.url(), AddressPolicy::AllowPrivate);
    let provider = MicrosoftProvider::new(config, network.clone()).unwrap().with_clock(clock.clone());
    let calendar = RemoteCalendarId::from(server.default_calendar());
    let lifetime = Duration::from_secs(86_400);
    let request = WatchRequest { id: "x", address: &address, secret: "shh", lifetime };
    let watch = provider.watch(&calendar, request).await.expect("the address gives the token back");
    let known = Known { secret: Secret::from("shh"), resource: watch.resource.clone() };
    hooks.know(&watch.id, known, "office");

    let mut stranger = HttpRequest::new(http::Method::POST, url::Url::parse(&address).unwrap())
        .body(json!({"value": [{"subscriptionId": watch.id, "clientState": "guess"}]}).to_string());
    stranger.addresses = AddressPolicy::AllowPrivate;
    let answer = network.send(stranger).await.unwrap();
    assert_eq!((answer.status.as_u16(), hooks.ignored()), (202, 1));

    let event = json!({
        "subject": "lunch", "start": {"dateTime": "2026-01-06T12:00:00", "timeZone": "UTC"},
        "end": {"dateTime": "2026-01-06T13:00:00", "timeZone": "UTC"},
    });
    server.add(&server.default_calendar(), &event).unwrap();
    assert_eq!(hooks.due().await, ["office"]);
    assert!(hooks.attention().is_empty());
    clock.advance(TimeDelta::hours(1));
    server.send_lifecycle("subscriptionRemoved");
    assert_eq!(hooks.due().await, ["office"]);
    assert_eq!(hooks.attention(), [Signal::Removed { channel: watch.id }]);
}
