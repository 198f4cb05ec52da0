//! The channels of links, over the documents of the store.

use std::sync::Arc;

use calsync_core::{
    model::LinkId,
    provider::Watch,
    store::{
        Channel, Channels, Found, KeptChannel, LinkChannels, Store, StoreChannels, StoreErrorKind,
        change_channels,
    },
};

use super::{cases, sample::at};

fn channel(id: &str) -> KeptChannel {
    let watch = Watch { id: id.to_owned(), resource: format!("of {id}"), expires: at(3600) };
    KeptChannel {
        asked: format!("asked {id}"),
        terms: format!("terms {id}"),
        channel: Channel::new(watch, at(0)),
    }
}

fn row(ids: &[&str]) -> LinkChannels {
    LinkChannels { channels: ids.iter().map(|id| channel(id)).collect(), ..LinkChannels::default() }
}

fn over<S: Store + 'static>(store: &Arc<S>) -> StoreChannels {
    StoreChannels::new(store.clone())
}

cases! {
    $ store_conformance_channels in channels;

    /// What is kept comes back; of a link nothing is kept of, an empty row.
    async fn channels_round_trip(store: &S) {
        let (channels, link) = (over(store), LinkId::from("a/b \u{1f4c5}"));
        assert_eq!(channels.read(&link).await.unwrap(), Default::default());
        let mut whole = LinkChannels {
            failures: 3, tried: Some(at(5)), refused: Some(at(6)), called: Some(at(7)), terms: "terms one".to_owned(),
            ..row(&["one", "two"])
        };
        whole.channels[0].channel.heard = Some(at(8));
        whole.channels[1].channel.removed = true;
        whole.pulled(Some(at(7)), Found::Changes);
        let version = channels.replace(&link, &Default::default(), &whole).await.unwrap();
        let read = channels.read(&link).await.unwrap();
        assert_eq!((&read.row, read.version), (&whole, version));
        assert_eq!(channels.links().await.unwrap(), [link.clone()]);
        // A row with nothing in it is none.
        assert_eq!(channels.replace(&link, &read, &LinkChannels::default()).await.unwrap(), None);
        assert_eq!(channels.read(&link).await.unwrap(), Default::default());
        assert!(channels.links().await.unwrap().is_empty());
    }

    /// Of two who change a row at the same moment one is refused, and its channels lead nowhere.
    async fn channels_are_compared_and_set(store: &S) {
        let (channels, link) = (over(store), LinkId::from("link"));
        let nothing = channels.read(&link).await.unwrap();
        channels.replace(&link, &nothing, &row(&["one"])).await.unwrap();
        let seen = channels.read(&link).await.unwrap();
        for read in [&nothing, &seen] {
            let refused = channels.replace(&link, &nothing, &row(&["late"])).await.unwrap_err();
            assert!(matches!(refused.kind, StoreErrorKind::Conflict { .. }), "{read:?}");
        }
        channels.replace(&link, &seen, &row(&["one", "two"])).await.unwrap();
        assert!(channels.replace(&link, &seen, &row(&["late"])).await.is_err());
        assert_eq!(channels.link_of("late").await.unwrap(), None);
        assert_eq!(channels.read(&link).await.unwrap().row, row(&["one", "two"]));
        // Whoever changes what is there by then loses nothing of it.
        let calls = (1..=4).map(|n| {
            let (channels, link) = (over(store), link.clone());
            async move {
                let change = |row: &mut LinkChannels| {
                    row.failures += 1;
                    row.called = row.called.max(Some(at(n)));
                };
                change_channels(&channels, &link, &change).await.unwrap();
            }
        });
        futures_util::future::join_all(calls).await;
        let end = channels.read(&link).await.unwrap().row;
        assert_eq!((end.failures, end.called, end.channels.len()), (4, Some(at(4)), 2));
    }

    /// A channel leads to its link while it is kept there, and to no other.
    async fn channels_lead_to_their_link(store: &S) {
        let channels = over(store);
        let (one, two) = (LinkId::from("one"), LinkId::from("two"));
        channels.replace(&one, &Default::default(), &row(&["a", "b/c="])).await.unwrap();
        channels.replace(&two, &Default::default(), &row(&["d"])).await.unwrap();
        for (channel, link) in [("a", Some(&one)), ("b/c=", Some(&one)), ("d", Some(&two)), ("asked a", None), ("", None)] {
            assert_eq!(channels.link_of(channel).await.unwrap().as_ref(), link, "{channel}");
        }
        // Several at once, among many that are made up, are found as each by itself.
        let made_up: Vec<String> = (0..250).map(|n| format!("made up {n}")).collect();
        let mut asked: Vec<&str> = made_up.iter().map(String::as_str).collect();
        asked.splice(100..100, ["a", "d", "b/c=", "asked a"]);
        let mut found = channels.find(&asked).await.unwrap();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let expected = [
            ("a".to_owned(), one.clone(), row(&["a", "b/c="])), ("b/c=".to_owned(), one.clone(), row(&["a", "b/c="])),
            ("d".to_owned(), two.clone(), row(&["d"])),
        ];
        assert_eq!(found, expected);
        assert!(channels.find(&[]).await.unwrap().is_empty());
        let read = channels.read(&one).await.unwrap();
        channels.replace(&one, &read, &row(&["b/c=", "e"])).await.unwrap();
        assert!(channels.find(&["a"]).await.unwrap().is_empty());
        assert_eq!(channels.link_of("a").await.unwrap(), None);
        assert_eq!(channels.link_of("e").await.unwrap(), Some(one.clone()));
        // Taken over by another link: the last one who was granted it has it.
        let read = channels.read(&two).await.unwrap();
        channels.replace(&two, &read, &row(&["d", "e"])).await.unwrap();
        assert_eq!(channels.link_of("e").await.unwrap(), Some(two));
    }
}
