//! A server's answers: listed, pulled, read and refused, never a panic. No request leaves the site, names are unique and
//! come back when they are asked for, and an answer that is no listing is no empty calendar.
#![no_main]

use std::collections::BTreeSet;
use std::sync::Arc;

use calsync_core::model::{RemoteCalendarId, RemoteId, Version};
use calsync_core::provider::{ChangesRequest, Fetched, ItemChange, Payload, Provider, PullMode};
use calsync_providers::caldav::{CalDavConfig, CalDavProvider};
use libfuzzer_sys::fuzz_target;

#[path = "../support/scripted.rs"]
mod scripted;
use scripted::{Scripted, run};

const SITE: &str = "https://dav.example.com/cal/ann/work/";

fuzz_target!(|input: &[u8]| {
    let Some((first, input)) = input.split_first() else { return };
    let status = [207, 207, 207, 207, 200, 403, 409, 507][usize::from(first % 8)];
    let with = |work: &dyn Fn(&CalDavProvider)| {
        let transport = Arc::new(Scripted::new(status, input));
        let config = CalDavConfig::new(SITE, "ann", "secret");
        let provider = CalDavProvider::new(config, Arc::clone(&transport) as _).expect("a sound address");
        work(&provider);
        let hosts = transport.hosts.lock().expect("no panic");
        assert!(
            hosts.iter().all(|host| host == "example.com" || host.ends_with(".example.com")),
            "no request leaves the site: {hosts:?}"
        );
        assert!(hosts.len() <= 400, "{} requests", hosts.len());
    };
    let calendar = RemoteCalendarId::from(SITE);
    with(&|provider| drop(run(provider.list_calendars())));
    for mode in [PullMode::Incremental, PullMode::Snapshot] {
        with(&|provider| {
            let mut cursor = None;
            let mut ids: Vec<RemoteId> = Vec::new();
            for _ in 0..3 {
                let request = ChangesRequest { cursor: cursor.as_ref(), mode };
                let Ok(page) = run(provider.changes(&calendar, request)) else { break };
                assert!(!input.is_empty() && status != 200, "no answer is no listing");
                let names: BTreeSet<_> = page.changes.iter().map(|change| &change.id).collect();
                assert_eq!(names.len(), page.changes.len(), "names are unique");
                ids.extend(page.changes.iter().map(|change| change.id.clone()));
                for change in &page.changes {
                    if let ItemChange::Present { payload: Some(payload), .. } = &change.change {
                        drop(provider.read(payload));
                    }
                }
                cursor = page.cursor;
            }
            ids.truncate(20);
            if let Ok(fetched) = run(provider.fetch(&calendar, &ids)) {
                let answered: Vec<&RemoteId> = fetched
                    .iter()
                    .map(|one| match one {
                        Fetched::Found { id, payload, .. } | Fetched::Renamed { asked: id, payload, .. } => {
                            drop(provider.read(payload));
                            id
                        }
                        Fetched::Missing(id) | Fetched::Failed(id, _) => id,
                    })
                    .collect();
                assert!(answered.iter().copied().eq(&ids), "one answer for each");
            }
        });
    }
    with(&|provider| {
        let payload =
            Payload::new("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:u\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n");
        let id = RemoteId::from("/cal/ann/work/u.ics");
        let version = Version::from("\"1\"");
        drop(run(provider.create(&calendar, &id, &payload)));
        drop(run(provider.update(&calendar, &id, &version, &payload)));
        drop(run(provider.delete(&calendar, &id, &version)));
    });
});
