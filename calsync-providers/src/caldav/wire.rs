//! `multistatus` (RFC 4918 section 14.16) and `error` (section 14.5) bodies.

use super::xml::{self, Element, Ns, XmlError};

/// A 207 answer.
#[derive(Debug)]
pub(crate) struct Multistatus {
    pub(crate) responses: Vec<DavResponse>,
    /// RFC 6578 section 6.4; `None` when absent or empty.
    pub(crate) sync_token: Option<String>,
}

/// What it says of one resource (or of several with one status).
#[derive(Debug)]
pub(crate) struct DavResponse {
    pub(crate) hrefs: Vec<String>,
    /// The status of the resource as a whole.
    pub(crate) status: Option<u16>,
    propstats: Vec<(u16, Element)>,
}

impl Multistatus {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, XmlError> {
        let mut responses = Vec::new();
        let root = xml::parse_list(body, |child| {
            if !child.is(Ns::Dav, "response") {
                return Some(child);
            }
            responses.push(DavResponse::from(child));
            None
        })?;
        if !root.is(Ns::Dav, "multistatus") {
            return Err(XmlError::Malformed);
        }
        let sync_token = root.child(Ns::Dav, "sync-token").and_then(Element::trimmed).map(ToOwned::to_owned);
        Ok(Self { responses, sync_token })
    }
}

impl From<Element> for DavResponse {
    fn from(element: Element) -> Self {
        let mut response = Self { hrefs: Vec::new(), status: None, propstats: Vec::new() };
        for child in element.children {
            // Only direct children: properties hold hrefs, too.
            if child.is(Ns::Dav, "href") {
                response.hrefs.extend(child.trimmed().map(ToOwned::to_owned));
            } else if child.is(Ns::Dav, "status") {
                response.status = status(&child.text);
            } else if child.is(Ns::Dav, "propstat") {
                // A propstat without status is only seen where everything is well.
                let code = child.child(Ns::Dav, "status").and_then(|s| status(&s.text)).unwrap_or(200);
                if let Some(prop) = child.children.into_iter().find(|c| c.is(Ns::Dav, "prop")) {
                    response.propstats.push((code, prop));
                }
            }
        }
        response.hrefs.shrink_to_fit();
        response.propstats.shrink_to_fit();
        response
    }
}

impl DavResponse {
    /// A property the server gave.
    pub(crate) fn prop(&self, ns: Ns, name: &str) -> Option<&Element> {
        self.propstats
            .iter()
            .filter(|(status, _)| (200..300).contains(status))
            .find_map(|(_, prop)| prop.child(ns, name))
    }

    /// The text of a property; one that is there but empty counts as absent.
    pub(crate) fn text(&self, ns: Ns, name: &str) -> Option<&str> {
        self.prop(ns, name)?.trimmed()
    }

    /// Whether `resourcetype` contains this type. Servers add others.
    pub(crate) fn is_type(&self, ns: Ns, name: &str) -> bool {
        self.prop(Ns::Dav, "resourcetype").is_some_and(|types| types.child(ns, name).is_some())
    }

    /// The hrefs inside a property.
    pub(crate) fn hrefs_in(&self, ns: Ns, name: &str) -> Vec<&str> {
        self.prop(ns, name)
            .map(|prop| prop.all(Ns::Dav, "href").filter_map(Element::trimmed).collect())
            .unwrap_or_default()
    }
}

/// `HTTP/1.1 404 Not Found`.
fn status(text: &str) -> Option<u16> {
    text.split_whitespace().nth(1)?.parse().ok()
}

/// A precondition a server names in the body of an error.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Precondition {
    /// Its local name: the namespace is sometimes the wrong one.
    pub(crate) name: Box<str>,
    /// The href inside, if there is one.
    pub(crate) href: Option<String>,
}

/// The preconditions of an error body; none when the body is HTML, plain text or empty.
pub(crate) fn preconditions(body: &[u8]) -> Vec<Precondition> {
    let Ok(root) = xml::parse(body) else { return Vec::new() };
    if root.local_name() != "error" {
        return Vec::new();
    }
    let precondition = |element: &Element| {
        // Names of SOGo's and sabre's own messages are no conditions, and asking for them by name skips them.
        let href = element.child(Ns::Dav, "href").and_then(Element::trimmed).map(ToOwned::to_owned);
        Precondition { name: element.local_name().into(), href }
    };
    root.children.iter().map(precondition).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_response() {
        let body = r#"<?xml version="1.0"?>
<multistatus xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">
 <response><href> /c/a.ics
 </href><propstat><prop><getetag>&quot;1&quot;</getetag><owner><href>/me/</href></owner></prop>
  <status>HTTP/1.1 200 OK</status></propstat>
  <propstat><prop><C:calendar-data/></prop><status>HTTP/1.1 404 Not Found</status></propstat></response>
 <response><href>/c/b.ics</href><href>/c/c.ics</href><status>HTTP/1.1 418 I'm a teapot</status></response>
 <response><href>/c/d.ics</href></response>
 <sync-token></sync-token>
</multistatus>"#;
        let read = Multistatus::parse(body.as_bytes()).unwrap();
        assert_eq!(read.sync_token, None);
        let [a, bc, d] = read.responses.as_slice() else { panic!() };
        assert_eq!(a.hrefs, ["/c/a.ics"]);
        assert_eq!(a.text(Ns::Dav, "getetag"), Some("\"1\""));
        assert_eq!(a.hrefs_in(Ns::Dav, "owner"), ["/me/"]);
        assert!(a.prop(Ns::CalDav, "calendar-data").is_none());
        assert_eq!((bc.hrefs.len(), bc.status), (2, Some(418)));
        assert_eq!((d.status, d.propstats.len()), (None, 0));
    }

    #[test]
    fn preconditions_in_right_and_wrong_namespaces_and_in_no_xml_at_all() {
        let uid = |ns: &str| {
            format!(
                "<d:error xmlns:d='{ns}'><x:no-uid-conflict xmlns:x='urn:ietf:params:xml:ns:carddav'>\
                 <d:href>/c/a.ics</d:href></x:no-uid-conflict></d:error>"
            )
        };
        for ns in ["DAV:", "DAV"] {
            let found = preconditions(uid(ns).as_bytes());
            assert_eq!(&*found[0].name, "no-uid-conflict");
            assert_eq!(found[0].href.as_deref(), Some("/c/a.ics"));
        }
        for body in ["", "no", "<html><body>no</body></html>", "<!DOCTYPE html><html></html>"] {
            assert!(preconditions(body.as_bytes()).is_empty());
        }
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let body = "<?xml version='1.0'?><D:multistatus xmlns:D='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'>\
            <D:response><D:href>/c/%C3%A4.ics</D:href><D:propstat><D:prop><D:getetag>&quot;1&#x41;&quot;</D:getetag>\
            <C:calendar-data><![CDATA[BEGIN:VCALENDAR\u{e4}]]></C:calendar-data></D:prop>\
            <D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response><!-- c --><D:sync-token>t</D:sync-token>\
            </D:multistatus>";
        let mut state = 1_u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as usize
        };
        let mut readable = 0;
        for _ in 0..20_000 {
            let mut bytes = body.as_bytes().to_vec();
            for _ in 0..=random() % 4 {
                let at = random() % bytes.len();
                match random() % 3 {
                    0 => bytes[at] = (random() % 256) as u8,
                    1 => bytes.truncate(at.max(1)),
                    _ => {
                        let from = random() % bytes.len();
                        let piece = bytes[from..(from + random() % 20).min(bytes.len())].to_vec();
                        bytes.splice(at..at, piece);
                    }
                }
            }
            preconditions(&bytes);
            if let Ok(read) = Multistatus::parse(&bytes) {
                readable += 1;
                let base = url::Url::parse("https://example.com/c/").unwrap();
                for href in read.responses.iter().flat_map(|response| &response.hrefs) {
                    let _ = crate::caldav::href::resource_id(&base, &base, href);
                }
            }
        }
        assert!(readable > 100, "{readable}");
    }
}
