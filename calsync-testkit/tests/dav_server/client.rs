//! A client that does nothing on its own: bytes out, bytes in.

use calsync_testkit::dav::{DavOptions, DavServer, Quirks};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const HOME: &str = "/dav/calendars/user/";
pub(crate) const WORK: &str = "/dav/calendars/user/work/";
pub(crate) const AUTH: (&str, &str) = ("Authorization", "Basic dXNlcjpzZWNyZXQ=");

/// What came back until the connection was closed.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn has(&self, text: &str) -> bool {
        self.text().contains(text)
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.header("content-length").is_none_or(|length| length == self.body.len().to_string())
    }

    /// Each response of a multistatus in the default spelling: the last segment of its href, and its first status, with
    /// `propstat` before one that is not of the whole resource.
    pub(crate) fn entries(&self) -> Vec<String> {
        let text = self.text();
        text.split("<D:response>").skip(1).map(entry).collect()
    }

    pub(crate) fn between(&self, start: &str, end: &str) -> String {
        between(&self.text(), start, end).unwrap_or_default()
    }

    pub(crate) fn token(&self) -> String {
        self.between("<D:sync-token>", "</D:sync-token>")
    }
}

fn entry(response: &str) -> String {
    let response = response.split("</D:response>").next().unwrap_or_default();
    let href = between(response, "<D:href>", "</D:href>").unwrap_or_default();
    let name = href.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
    let status = between(response, "HTTP/1.1 ", " ").unwrap_or_else(|| "none".to_owned());
    let kind = if response.contains("<D:propstat>") { "propstat " } else { "" };
    format!("{name} {kind}{status}")
}

fn between(text: &str, start: &str, end: &str) -> Option<String> {
    let (_, rest) = text.split_once(start)?;
    Some(rest.split_once(end)?.0.to_owned())
}

pub(crate) fn start(quirks: Quirks) -> DavServer {
    DavServer::start(DavOptions::with_quirks(quirks)).expect("the server starts")
}

/// Sends exactly these headers and reads to the end; `None` when the connection is closed without an answer.
pub(crate) async fn send(
    server: &DavServer,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Option<Answer> {
    let address = server.url().replace("http://", "").replace('/', "");
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !headers.iter().any(|(name, _)| *name == "Transfer-Encoding") {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    stream.write_all(&[head.as_bytes(), body].concat()).await.expect("the request is sent");
    let mut bytes = Vec::new();
    // A reset after a partial answer is one of the things tested.
    let _ = stream.read_to_end(&mut bytes).await;
    let split = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..split]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    Some(Answer { status, headers, body: bytes[split + 4..].to_vec() })
}

/// As [`send`], logged in, and with an answer.
pub(crate) async fn ask(
    server: &DavServer,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let headers = [&[AUTH], headers].concat();
    send(server, method, path, &headers, body.as_bytes()).await.expect("an answer")
}

pub(crate) fn propfind_body(properties: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><d:propfind xmlns:d=\"DAV:\" xmlns:c=\"urn:ietf:params:xml:ns:caldav\" \
         xmlns:cs=\"http://calendarserver.org/ns/\" xmlns:a=\"http://apple.com/ns/ical/\"><d:prop>{properties}</d:prop></d:propfind>"
    )
}

pub(crate) async fn propfind(server: &DavServer, path: &str, depth: &str, properties: &str) -> Answer {
    ask(server, "PROPFIND", path, &[("Depth", depth)], &propfind_body(properties)).await
}

/// A sync-collection REPORT of the calendar `work`; `more` goes before `prop`.
pub(crate) async fn sync_with(server: &DavServer, token: &str, more: &str, properties: &str) -> Answer {
    let body = format!(
        "<sync-collection xmlns=\"DAV:\" xmlns:c=\"urn:ietf:params:xml:ns:caldav\"><sync-token>{token}</sync-token>\
         <sync-level>1</sync-level>{more}<prop><getetag/>{properties}</prop></sync-collection>"
    );
    ask(server, "REPORT", WORK, &[("Depth", "0")], &body).await
}

pub(crate) async fn sync(server: &DavServer, token: &str) -> Answer {
    sync_with(server, token, "", "").await
}

/// A multiget of the calendar `work` for names in it or whole hrefs.
pub(crate) async fn multiget(server: &DavServer, hrefs: &[&str]) -> Answer {
    let hrefs: String = hrefs
        .iter()
        .map(|href| match href.contains('/') {
            true => format!("<D:href>{href}</D:href>"),
            false => format!("<D:href>{WORK}{href}</D:href>"),
        })
        .collect();
    let body = format!(
        "<C:calendar-multiget xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:prop><D:getetag/>\
         <C:calendar-data/></D:prop>{hrefs}</C:calendar-multiget>"
    );
    ask(server, "REPORT", WORK, &[("Depth", "1")], &body).await
}

/// A calendar-query of the calendar `work` with this inside the filter for VEVENT.
pub(crate) async fn query(server: &DavServer, component: &str, filter: &str) -> Answer {
    let body = format!(
        "<C:calendar-query xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:prop><D:getetag/></D:prop>\
         <C:filter><C:comp-filter name=\"VCALENDAR\"><C:comp-filter name=\"{component}\">{filter}</C:comp-filter>\
         </C:comp-filter></C:filter></C:calendar-query>"
    );
    ask(server, "REPORT", WORK, &[("Depth", "1")], &body).await
}

pub(crate) async fn put(server: &DavServer, name: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    ask(server, "PUT", &format!("{WORK}{name}"), headers, body).await
}

pub(crate) fn event(uid: &str, summary: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//calsync//test//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\n\
         DTSTAMP:20260101T000000Z\r\nDTSTART:20260310T090000Z\r\nDTEND:20260310T100000Z\r\nSUMMARY:{summary}\r\n\
         END:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

/// Whether a parser accepts a document.
pub(crate) fn is_well_formed(document: &str) -> bool {
    let mut reader = quick_xml::NsReader::from_str(document);
    let illegal = |character: char| character < ' ' && !matches!(character, '\t' | '\r' | '\n');
    if document.chars().any(illegal) {
        return false;
    }
    loop {
        match reader.read_resolved_event() {
            Ok((_, quick_xml::events::Event::Eof)) => return true,
            Ok((quick_xml::name::ResolveResult::Unknown(_), _)) | Err(_) => return false,
            Ok((_, quick_xml::events::Event::GeneralRef(reference))) => match reference.resolve_char_ref() {
                Ok(Some(character)) if illegal(character) => return false,
                Ok(_) => {}
                Err(_) => return false,
            },
            Ok(_) => {}
        }
    }
}
