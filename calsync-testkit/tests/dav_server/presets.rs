//! Quirks of products, together.

use calsync_testkit::dav::Quirks;

use crate::client::*;

/// What every client relies on holds on all of them: write, list, read, change, delete.
#[tokio::test]
async fn every_product_serves_the_basic_cycle() {
    let products = Quirks::products();
    assert!(products.len() > 10);
    for (product, quirks) in products {
        let server = start(quirks.clone());
        let created = put(&server, "a.ics", &[("If-None-Match", "*")], &event("uid-a", "One")).await;
        assert_eq!(created.status, 201, "{product}");
        for (name, value) in &quirks.headers {
            assert_eq!(created.header(name), Some(value.as_str()), "{product}");
        }
        let (name, etag, _) = server.list("work").remove(0);
        let listing = propfind(&server, WORK, "1", "<d:getetag/>").await.text();
        assert!(
            listing.contains(&name) && listing.contains(etag.trim_matches('"').trim_matches('\\')),
            "{product}"
        );
        assert!(is_well_formed(&listing), "{product}");
        let path = format!("{WORK}{name}");
        let read = ask(&server, "GET", &path, &[], "").await;
        assert!(read.has("SUMMARY:One"), "{product}");
        let changed = put(&server, &name, &[("If-Match", &etag)], &event("uid-a", "Two")).await;
        assert_eq!(changed.status, 204, "{product}");
        let report = multiget(&server, &[&name]).await.text();
        assert!(report.contains("SUMMARY:Two") && is_well_formed(&report), "{product}");
        let etag = server.etag("work", &name).unwrap();
        assert_eq!(ask(&server, "DELETE", &path, &[("If-Match", &etag)], "").await.status, 204, "{product}");
        assert!(server.list("work").is_empty(), "{product}");
    }
}

#[tokio::test]
async fn tokens_look_like_those_of_the_product() {
    for (quirks, first, second) in [
        (Quirks::radicale(), "http://radicale.org/ns/sync/1-0", "http://radicale.org/ns/sync/1-1"),
        (Quirks::sabre(), "http://sabre.io/ns/sync/0", "http://sabre.io/ns/sync/1"),
        (Quirks::cyrus(), "data:,1-0", "data:,1-1"),
        (Quirks::sogo(), "0", "1"),
    ] {
        let server = start(quirks);
        assert_eq!(server.sync_token("work").unwrap(), first);
        server.put("work", "a.ics", &event("a", "One"));
        let answer = sync(&server, first).await;
        assert!(answer.status == 207 && answer.has("a.ics"), "{first}");
        assert_eq!(server.sync_token("work").unwrap(), second);
    }
}
