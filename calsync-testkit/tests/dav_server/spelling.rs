//! How hrefs and XML are spelled: scenarios 16 and 17.

use calsync_testkit::dav::{
    CollectionSlash, HrefEncoding, HrefForm, IllegalCharacters, Quirks, XmlLayout, XmlPrefixes, XmlQuotes,
    XmlReturns, XmlStyle, XmlText,
};

use crate::client::*;

async fn listing(xml: XmlStyle) -> String {
    let server = start(Quirks { xml, ..Quirks::default() });
    server.add_calendar("work", "A & <B>");
    server.put("work", "a.ics", &event("a", "One & <Two>"));
    let text =
        propfind(&server, WORK, "1", "<d:getetag/><d:displayname/><cs:getctag/><x:odd xmlns:x=\"urn:x\"/>")
            .await
            .text();
    assert!(is_well_formed(&text), "{text}");
    text
}

#[tokio::test]
async fn q16_namespace_prefixes() {
    for (prefixes, parts) in [
        (
            XmlPrefixes::Upper,
            ["<D:multistatus xmlns:D=\"DAV:\"", "<D:href>", "<CS:getctag>", "<X:odd xmlns:X=\"urn:x\"/>"],
        ),
        (
            XmlPrefixes::Lower,
            ["<d:multistatus xmlns:d=\"DAV:\"", "<d:href>", "<cs:getctag>", "<X:odd xmlns:X=\"urn:x\"/>"],
        ),
        (
            XmlPrefixes::Mixed,
            ["<multistatus xmlns=\"DAV:\" xmlns:C=", "<href>", "<CS:getctag>", "<X:odd xmlns:X=\"urn:x\"/>"],
        ),
        (
            XmlPrefixes::Numbered,
            [
                "<ns0:multistatus xmlns:ns0=\"DAV:\"",
                "<ns0:href>",
                "<ns2:getctag>",
                "<X:odd xmlns:X=\"urn:x\"/>",
            ],
        ),
        (
            XmlPrefixes::DefaultNamespace,
            [
                "<multistatus xmlns=\"DAV:\"><response>",
                "<href>",
                "<getctag xmlns=\"http://calendarserver.org/ns/\">",
                "<odd xmlns=\"urn:x\"/>",
            ],
        ),
    ] {
        let text = listing(XmlStyle { prefixes, ..XmlStyle::default() }).await;
        for part in parts {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}

#[tokio::test]
async fn q16_text_layout_and_quotes() {
    let plain = listing(XmlStyle::default()).await;
    assert!(plain.contains("<D:displayname>A &amp; &lt;B&gt;</D:displayname>"));
    assert!(plain.contains("<D:getetag>\""));
    let cdata = listing(XmlStyle { text: XmlText::Cdata, ..XmlStyle::default() }).await;
    assert!(cdata.contains("<D:displayname><![CDATA[A & <B]]>&gt;<![CDATA[]]></D:displayname>"));
    let pretty = listing(XmlStyle { layout: XmlLayout::Pretty, ..XmlStyle::default() }).await;
    assert!(pretty.contains(&format!("  <D:response>\n    <D:href>{WORK}</D:href>\n")), "{pretty}");
    let pretty = listing(XmlStyle { layout: XmlLayout::Padded, ..XmlStyle::default() }).await;
    assert!(pretty.contains(&format!("<D:href>\n      {WORK}\n    </D:href>")), "{pretty}");
    assert!(pretty.contains("<D:getetag>\""), "values are not padded");
    let quotes = listing(XmlStyle { quotes: XmlQuotes::Escaped, ..XmlStyle::default() }).await;
    assert!(quotes.contains("<D:getetag>&quot;"));
}

#[tokio::test]
async fn q16_returns_and_illegal_characters_in_bodies() {
    for (illegal, expected, well_formed) in [
        (IllegalCharacters::Dropped, "SUMMARY:OneTwo", true),
        (IllegalCharacters::Raw, "SUMMARY:One\u{b}Two", false),
        (IllegalCharacters::References, "SUMMARY:One&#xB;Two", false),
    ] {
        let xml = XmlStyle { illegal, returns: XmlReturns::References, ..XmlStyle::default() };
        let server = start(Quirks { xml, ..Quirks::default() });
        server.put("work", "a.ics", &event("a", "One\u{b}Two"));
        let text = multiget(&server, &["a.ics"]).await.text();
        assert!(text.contains(expected), "{illegal:?}");
        assert!(text.contains("VERSION:2.0&#13;\n"));
        assert_eq!(is_well_formed(&text), well_formed, "{illegal:?}");
        assert!(
            is_well_formed(&propfind(&server, WORK, "1", "<d:getetag/>").await.text()),
            "only bodies break it"
        );
    }
}

#[tokio::test]
async fn q17_percent_encodings_name_the_same_object() {
    for (href_encoding, href) in [
        (HrefEncoding::Standard, "a+b@c~%20%25.ics"),
        (HrefEncoding::Upper, "a%2Bb%40c~%20%25.ics"),
        (HrefEncoding::Lower, "a%2bb%40c~%20%25.ics"),
        (HrefEncoding::Eager, "a%2Bb%40c%7E%20%25.ics"),
    ] {
        let server = start(Quirks { href_encoding, ..Quirks::default() });
        server.put("work", "a+b@c~ %.ics", &event("a", "One"));
        assert_eq!(sync(&server, "").await.entries(), [format!("{href} propstat 200")], "{href_encoding:?}");
        for name in [href, "a+b@c~%20%25.ics", "%61%2bb%40c%7e%20%25.ics"] {
            assert_eq!(ask(&server, "GET", &format!("{WORK}{name}"), &[], "").await.status, 200, "{name}");
        }
    }
}

#[tokio::test]
async fn q17_user_names_are_encoded_like_everything_else() {
    let options = calsync_testkit::dav::DavOptions::with_quirks(Quirks {
        href_encoding: HrefEncoding::Lower,
        ..Quirks::default()
    });
    let server = calsync_testkit::dav::DavServer::start(options.credentials("me@example.com", "")).unwrap();
    let headers = [("Authorization", "Basic bWVAZXhhbXBsZS5jb206"), ("Depth", "0")];
    let body = propfind_body("<d:current-user-principal/>");
    let answer = send(&server, "PROPFIND", "/", &headers, body.as_bytes()).await.unwrap();
    assert!(answer.has("<D:href>/dav/principals/me%40example.com/</D:href>"));
    for path in ["/dav/principals/me%40example.com/", "/dav/principals/me@example.com"] {
        assert_eq!(send(&server, "PROPFIND", path, &headers, b"").await.unwrap().status, 207);
    }
}

#[tokio::test]
async fn q17_bare_names_and_collections_without_slash() {
    let server = start(Quirks {
        href_form: HrefForm::Name,
        collection_slash: CollectionSlash::Absent,
        ..Quirks::default()
    });
    server.put("work", "a.ics", &event("a", "One"));
    let answer = propfind(&server, WORK, "1", "<d:getetag/>").await;
    assert!(answer.has("<D:href>/dav/calendars/user/work</D:href>"));
    assert!(answer.has("<D:href>a.ics</D:href>"));
    let body = "<C:calendar-multiget xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:prop><D:getetag/></D:prop>\
                <D:href>a.ics</D:href></C:calendar-multiget>";
    assert_eq!(ask(&server, "REPORT", WORK, &[], body).await.entries(), ["a.ics propstat 200"]);
}
