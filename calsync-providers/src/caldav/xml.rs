//! XML as servers send it, read into a small tree within limits.
//!
//! Namespaces are resolved, prefixes forgotten. There is no DTD (so no entity of a server's own), no depth beyond
//! [`DEPTH_MAX`], and no more elements than [`ELEMENTS_MAX`]. Characters XML does not allow, which some servers send
//! unescaped when an event holds them, become U+FFFD instead of costing the whole answer.

use std::borrow::Cow;

use quick_xml::{
    NsReader,
    events::{BytesStart, Event},
    name::ResolveResult,
};

/// The deepest nesting that is read.
const DEPTH_MAX: usize = 32;
/// The most elements that are read: 100,000 items of ten elements each.
const ELEMENTS_MAX: usize = 1_000_000;
/// The most bytes of attributes on the elements that are open at one time. Namespace look-ups walk them.
const ATTRIBUTES_MAX: usize = 16 << 10;

/// The namespaces that mean something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ns {
    /// `DAV:`, and `DAV` as SOGo spells it in errors.
    Dav,
    /// `urn:ietf:params:xml:ns:caldav`, and its CardDAV sister, which one service mixes up with it in errors.
    CalDav,
    /// `http://calendarserver.org/ns/`.
    CalendarServer,
    /// `http://apple.com/ns/ical/`.
    Apple,
    /// Any other, or none.
    Other,
}

/// An element.
#[derive(Debug, Default)]
pub(crate) struct Element {
    name: Option<(Ns, Box<str>)>,
    /// All text directly inside, entities resolved, not trimmed; empty when it is only the space between children.
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
    /// The attribute `name`, which is all CalDAV uses (`C:comp`).
    pub(crate) name_attribute: Option<Box<str>>,
}

impl Element {
    pub(crate) fn is(&self, ns: Ns, name: &str) -> bool {
        self.name.as_ref().is_some_and(|(n, local)| *n == ns && **local == *name)
    }

    pub(crate) fn local_name(&self) -> &str {
        self.name.as_ref().map_or("", |(_, local)| local)
    }

    pub(crate) fn child(&self, ns: Ns, name: &str) -> Option<&Element> {
        self.all(ns, name).next()
    }

    pub(crate) fn all(&self, ns: Ns, name: &str) -> impl Iterator<Item = &Element> {
        self.children.iter().filter(move |child| child.is(ns, name))
    }

    /// The text without surrounding whitespace; `None` when nothing is left.
    pub(crate) fn trimmed(&self) -> Option<&str> {
        let text = self.text.trim();
        (!text.is_empty()).then_some(text)
    }
}

/// Why a body is not XML that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum XmlError {
    #[error("not well-formed XML")]
    Malformed,
    #[error("XML with a document type")]
    DocumentType,
    #[error("XML beyond the limits on depth, elements or attributes")]
    TooLarge,
}

/// Reads a document; the result is its root element.
pub(crate) fn parse(body: &[u8]) -> Result<Element, XmlError> {
    parse_list(body, Some)
}

/// The same for a document that is one long list: `sift` is given each child of the root as soon as it is read, and gives
/// back those that belong in the tree. A listing of 10,000 items would otherwise hold 20 MiB of elements at once.
pub(crate) fn parse_list(
    body: &[u8],
    mut sift: impl FnMut(Element) -> Option<Element>,
) -> Result<Element, XmlError> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let text: Cow<'_, str> = String::from_utf8_lossy(body);
    let mut reader = NsReader::from_str(text.trim_start());
    reader.config_mut().allow_dangling_amp = true;
    let mut open: Vec<(Element, usize)> = Vec::new();
    let mut root = None;
    let mut elements = 0;
    let mut attributes = 0;
    loop {
        let (resolved, event) = reader.read_resolved_event().map_err(|_| XmlError::Malformed)?;
        let ns = namespace(&resolved);
        match event {
            Event::Start(start) => {
                let length = start.attributes_raw().len();
                attributes += length;
                elements += 1;
                if open.len() >= DEPTH_MAX || elements > ELEMENTS_MAX || attributes > ATTRIBUTES_MAX {
                    return Err(XmlError::TooLarge);
                }
                open.push((element(ns, &start), length));
            }
            Event::Empty(start) => {
                elements += 1;
                if elements > ELEMENTS_MAX || attributes + start.attributes_raw().len() > ATTRIBUTES_MAX {
                    return Err(XmlError::TooLarge);
                }
                close(element(ns, &start), &mut open, &mut root, &mut sift)?;
            }
            Event::End(_) => {
                let (element, length) = open.pop().ok_or(XmlError::Malformed)?;
                attributes -= length;
                close(element, &mut open, &mut root, &mut sift)?;
            }
            Event::Text(text) => append(&mut open, &text.decode().map_err(|_| XmlError::Malformed)?),
            Event::CData(text) => append(&mut open, &text.decode().map_err(|_| XmlError::Malformed)?),
            Event::GeneralRef(reference) => {
                append(&mut open, &entity(&reference.decode().map_err(|_| XmlError::Malformed)?));
            }
            Event::DocType(_) => return Err(XmlError::DocumentType),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => break,
        }
    }
    if open.is_empty() { root.ok_or(XmlError::Malformed) } else { Err(XmlError::Malformed) }
}

fn close(
    mut element: Element,
    open: &mut [(Element, usize)],
    root: &mut Option<Element>,
    sift: &mut impl FnMut(Element) -> Option<Element>,
) -> Result<(), XmlError> {
    // Most elements have one child or two, and room for four; and most of their text is indentation.
    element.children.shrink_to_fit();
    if !element.children.is_empty() && element.trimmed().is_none() {
        element.text = String::new();
    }
    match open {
        [(parent, _)] => parent.children.extend(sift(element)),
        [.., (parent, _)] => parent.children.push(element),
        [] if root.is_none() => *root = Some(element),
        [] => return Err(XmlError::Malformed),
    }
    Ok(())
}

fn append(open: &mut [(Element, usize)], text: &str) {
    if let Some((element, _)) = open.last_mut() {
        element.text.extend(text.chars().map(legal));
    }
}

fn element(ns: Ns, start: &BytesStart<'_>) -> Element {
    let local = start.local_name();
    // The duplicate check of the parser is quadratic in the number of attributes.
    let name_attribute = start
        .attributes()
        .with_checks(false)
        .flatten()
        .find(|attribute| attribute.key.local_name().as_ref() == b"name")
        .map(|attribute| String::from_utf8_lossy(&attribute.value).into_owned().into());
    Element {
        name: Some((ns, String::from_utf8_lossy(local.as_ref()).into_owned().into())),
        name_attribute,
        ..Element::default()
    }
}

fn namespace(resolved: &ResolveResult<'_>) -> Ns {
    let ResolveResult::Bound(namespace) = resolved else { return Ns::Other };
    match namespace.as_ref() {
        b"DAV:" | b"DAV" => Ns::Dav,
        b"urn:ietf:params:xml:ns:caldav" | b"urn:ietf:params:xml:ns:carddav" => Ns::CalDav,
        b"http://calendarserver.org/ns/" => Ns::CalendarServer,
        b"http://apple.com/ns/ical/" => Ns::Apple,
        _ => Ns::Other,
    }
}

fn entity(name: &str) -> Cow<'static, str> {
    match name {
        "lt" => "<".into(),
        "gt" => ">".into(),
        "amp" => "&".into(),
        "apos" => "'".into(),
        "quot" => "\"".into(),
        _ => {
            let number = name.strip_prefix('#').and_then(|number| match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok(),
                None => number.parse().ok(),
            });
            match number {
                Some(number) => {
                    legal(char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER)).to_string().into()
                }
                // Without a DTD there are no others: text that was not escaped.
                None => format!("&{name};").into(),
            }
        }
    }
}

/// The character, or U+FFFD for one that XML 1.0 does not allow (section 2.2).
fn legal(c: char) -> char {
    match c {
        '\t' | '\n' | '\r' => c,
        '\0'..'\x20' | '\u{fffe}' | '\u{ffff}' => char::REPLACEMENT_CHARACTER,
        _ => c,
    }
}

/// Text for a body of ours: markup escaped, characters that XML does not allow replaced.
pub(crate) fn escape(text: &str) -> String {
    let legal: String = text.chars().map(legal).collect();
    quick_xml::escape::escape(legal.as_str()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_prefix_cdata_and_entities_read_the_same() {
        for body in [
            "<?xml version='1.0'?><d:multistatus xmlns:d='DAV:'><d:x>a&amp;b</d:x></d:multistatus>",
            "\u{feff}\n<multistatus xmlns='DAV:'>\n <x><![CDATA[a&b]]></x></multistatus>",
            "<ns0:multistatus xmlns:ns0='DAV:'><ns0:x>a&#x26;b</ns0:x></ns0:multistatus>",
            "<multistatus xmlns='DAV'><x>a&#38;b</x></multistatus>",
            "<D:multistatus xmlns:D='DAV:'><D:x>a&b</D:x></D:multistatus>",
        ] {
            let root = parse(body.as_bytes()).unwrap();
            assert!(root.is(Ns::Dav, "multistatus"), "{body}");
            assert_eq!(root.child(Ns::Dav, "x").unwrap().text, "a&b", "{body}");
        }
    }

    #[test]
    fn characters_xml_forbids_do_not_cost_the_answer() {
        let root = parse("<a>x\u{b}y\u{1b}z\u{fffe}&#x0;&#11;&#xD;\u{7f}</a>".as_bytes()).unwrap();
        assert_eq!(root.text, "x\u{fffd}y\u{fffd}z\u{fffd}\u{fffd}\u{fffd}\r\u{7f}");
        assert!(parse(b"<a>\xff</a>").is_ok());
    }

    #[test]
    fn attack_9_bombs_are_refused() {
        let entities = "<!DOCTYPE a [<!ENTITY b 'cc'>]><a>&b;</a>";
        assert_eq!(parse(entities.as_bytes()).unwrap_err(), XmlError::DocumentType);
        let external = "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>";
        assert_eq!(parse(external.as_bytes()).unwrap_err(), XmlError::DocumentType);
        let deep = "<a>".repeat(100_000);
        assert_eq!(parse(deep.as_bytes()).unwrap_err(), XmlError::TooLarge);
        let many: String = (0..100_000).map(|i| format!(" a{i}=''")).collect();
        assert_eq!(parse(format!("<a{many}/>").as_bytes()).unwrap_err(), XmlError::TooLarge);
        for broken in ["", "plain text", "<a>", "<a></b>", "<a/><b/>", "</a>", "<!DOCTYPE html><html></html>"]
        {
            assert!(parse(broken.as_bytes()).is_err(), "{broken}");
        }
    }

    #[test]
    fn attack_18_nothing_escapes_from_our_bodies() {
        let hostile = "</D:href><D:evil/>]]>&\"'\u{0}\u{1}";
        let escaped = escape(hostile);
        let root = parse(format!("<a xmlns:D='DAV:'>{escaped}</a>").as_bytes()).unwrap();
        assert!(root.children.is_empty());
        assert_eq!(root.text, "</D:href><D:evil/>]]>&\"'\u{fffd}\u{fffd}");
    }
}
