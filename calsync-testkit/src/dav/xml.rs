//! XML as a tree: what a request asked for, and an answer written in the style a quirk demands.

use std::borrow::Cow;

use quick_xml::NsReader;
use quick_xml::events::Event;
use quick_xml::name::ResolveResult;

use super::switch::{IllegalCharacters, XmlLayout, XmlPrefixes, XmlQuotes, XmlReturns, XmlStyle, XmlText};

pub(super) const DAV: &str = "DAV:";
pub(super) const CALDAV: &str = "urn:ietf:params:xml:ns:caldav";
pub(super) const CALENDAR_SERVER: &str = "http://calendarserver.org/ns/";
pub(super) const APPLE: &str = "http://apple.com/ns/ical/";
/// The namespace SOGo puts its error element in: `DAV` without the colon.
pub(super) const SOGO_DAV: &str = "DAV";

/// Elements nested deeper than this make a request body unreadable.
const MAX_DEPTH: usize = 32;

/// A qualified name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) ns: Cow<'static, str>,
    pub(super) local: Cow<'static, str>,
}

impl Name {
    pub(super) const fn new(ns: &'static str, local: &'static str) -> Self {
        Self { ns: Cow::Borrowed(ns), local: Cow::Borrowed(local) }
    }

    pub(super) fn is(&self, ns: &str, local: &str) -> bool {
        self.ns == ns && self.local == local
    }
}

#[derive(Debug, Clone)]
pub(super) enum Node {
    Element(Element),
    Text(String),
}

/// One element with its attributes (namespaces dropped) and children in order.
#[derive(Debug, Clone)]
pub(super) struct Element {
    pub(super) name: Name,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) children: Vec<Node>,
}

impl Element {
    pub(super) fn named(name: Name) -> Self {
        Self { name, attributes: Vec::new(), children: Vec::new() }
    }

    pub(super) fn new(ns: &'static str, local: &'static str) -> Self {
        Self::named(Name::new(ns, local))
    }

    pub(super) fn dav(local: &'static str) -> Self {
        Self::new(DAV, local)
    }

    pub(super) fn text(mut self, text: impl Into<String>) -> Self {
        self.children.push(Node::Text(text.into()));
        self
    }

    pub(super) fn child(mut self, child: Element) -> Self {
        self.children.push(Node::Element(child));
        self
    }

    pub(super) fn children(mut self, children: impl IntoIterator<Item = Element>) -> Self {
        self.children.extend(children.into_iter().map(Node::Element));
        self
    }

    pub(super) fn attribute(mut self, name: &str, value: &str) -> Self {
        self.attributes.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn elements(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    pub(super) fn find(&self, ns: &str, local: &str) -> Option<&Element> {
        self.elements().find(|element| element.name.is(ns, local))
    }

    pub(super) fn get_attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The element's own text, child elements left out.
    pub(super) fn own_text(&self) -> String {
        self.children
            .iter()
            .filter_map(|node| match node {
                Node::Text(text) => Some(text.as_str()),
                Node::Element(_) => None,
            })
            .collect()
    }
}

/// The tree of a request body, or `None` when it is not well-formed XML.
pub(super) fn parse(body: &[u8]) -> Option<Element> {
    let text = std::str::from_utf8(body).ok()?;
    let mut reader = NsReader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut open: Vec<Element> = Vec::new();
    loop {
        let (resolved, event) = reader.read_resolved_event().ok()?;
        match event {
            Event::Start(start) => {
                let ns = match resolved {
                    ResolveResult::Bound(ns) => String::from_utf8(ns.as_ref().to_vec()).ok()?,
                    ResolveResult::Unbound => String::new(),
                    ResolveResult::Unknown(_) => return None,
                };
                let local = String::from_utf8(start.local_name().as_ref().to_vec()).ok()?;
                let mut element = Element::named(Name { ns: Cow::Owned(ns), local: Cow::Owned(local) });
                for attribute in start.attributes() {
                    let attribute = attribute.ok()?;
                    let key = std::str::from_utf8(attribute.key.local_name().into_inner()).ok()?.to_owned();
                    element.attributes.push((key, attribute.unescape_value().ok()?.into_owned()));
                }
                open.push(element);
                if open.len() > MAX_DEPTH {
                    return None;
                }
            }
            Event::End(_) => {
                let element = open.pop()?;
                match open.last_mut() {
                    Some(parent) => parent.children.push(Node::Element(element)),
                    None => return Some(element),
                }
            }
            Event::Text(text) => push_text(&mut open, &text.decode().ok()?),
            Event::CData(data) => push_text(&mut open, &data.decode().ok()?),
            Event::GeneralRef(reference) => match reference.resolve_char_ref().ok()? {
                Some(character) => push_text(&mut open, character.encode_utf8(&mut [0; 4])),
                None => match reference.decode().ok()?.as_ref() {
                    "amp" => push_text(&mut open, "&"),
                    "lt" => push_text(&mut open, "<"),
                    "gt" => push_text(&mut open, ">"),
                    "quot" => push_text(&mut open, "\""),
                    "apos" => push_text(&mut open, "'"),
                    _ => return None,
                },
            },
            Event::Eof => return None,
            _ => {}
        }
    }
}

fn push_text(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        match element.children.last_mut() {
            Some(Node::Text(existing)) => existing.push_str(text),
            _ => element.children.push(Node::Text(text.to_owned())),
        }
    }
}

/// Writes a document. With [`IllegalCharacters::Raw`] the result may be ill-formed on purpose.
pub(super) fn render(root: &Element, style: &XmlStyle) -> Vec<u8> {
    let mut writer = Writer { style, out: String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n") };
    writer.element(root, None, 0);
    writer.out.push('\n');
    writer.out.into_bytes()
}

struct Writer<'a> {
    style: &'a XmlStyle,
    out: String,
}

impl Writer<'_> {
    fn element(&mut self, element: &Element, parent: Option<&Name>, depth: usize) {
        let known = prefix(self.style.prefixes, &element.name.ns);
        let tag = match known {
            Some("") => element.name.local.to_string(),
            Some(prefix) => format!("{prefix}:{}", element.name.local),
            None if self.style.prefixes == XmlPrefixes::DefaultNamespace => element.name.local.to_string(),
            None => format!("X:{}", element.name.local),
        };
        self.out.push('<');
        self.out.push_str(&tag);
        if parent.is_none() && self.style.prefixes != XmlPrefixes::DefaultNamespace {
            for ns in [DAV, CALDAV, CALENDAR_SERVER, APPLE] {
                match prefix(self.style.prefixes, ns) {
                    Some("") => self.out.push_str(&format!(" xmlns=\"{ns}\"")),
                    Some(prefix) => self.out.push_str(&format!(" xmlns:{prefix}=\"{ns}\"")),
                    None => {}
                }
            }
        }
        if known.is_none() {
            if self.style.prefixes != XmlPrefixes::DefaultNamespace {
                self.out.push_str(&format!(" xmlns:X=\"{}\"", escape_attribute(&element.name.ns)));
            } else if parent.is_none_or(|parent| parent.ns != element.name.ns) {
                self.out.push_str(&format!(" xmlns=\"{}\"", escape_attribute(&element.name.ns)));
            }
        }
        for (name, value) in &element.attributes {
            self.out.push_str(&format!(" {name}=\"{}\"", escape_attribute(value)));
        }
        if element.children.is_empty() {
            self.out.push_str("/>");
            return;
        }
        self.out.push('>');
        let only_elements = element.children.iter().all(|node| matches!(node, Node::Element(_)));
        let padded = match self.style.layout {
            XmlLayout::Compact => false,
            XmlLayout::Pretty => only_elements,
            XmlLayout::Padded => {
                only_elements || element.name.is(DAV, "href") || element.name.is(DAV, "status")
            }
        };
        for node in &element.children {
            if padded {
                self.line(depth + 1);
            }
            match node {
                Node::Element(child) => self.element(child, Some(&element.name), depth + 1),
                Node::Text(text) => self.text(text),
            }
        }
        if padded {
            self.line(depth);
        }
        self.out.push_str("</");
        self.out.push_str(&tag);
        self.out.push('>');
    }

    fn line(&mut self, depth: usize) {
        self.out.push('\n');
        for _ in 0..depth {
            self.out.push_str("  ");
        }
    }

    fn text(&mut self, text: &str) {
        let cdata = self.style.text == XmlText::Cdata;
        if cdata {
            self.out.push_str("<![CDATA[");
        }
        for character in text.chars() {
            match character {
                character if is_illegal(character) => match self.style.illegal {
                    IllegalCharacters::Dropped => {}
                    IllegalCharacters::Raw => self.out.push(character),
                    IllegalCharacters::References if cdata => {}
                    IllegalCharacters::References => {
                        self.out.push_str(&format!("&#x{:X};", u32::from(character)));
                    }
                },
                '>' if cdata => self.out.push_str("]]>&gt;<![CDATA["),
                character if cdata => self.out.push(character),
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' if self.style.quotes == XmlQuotes::Escaped => self.out.push_str("&quot;"),
                '\r' if self.style.returns == XmlReturns::References => self.out.push_str("&#13;"),
                character => self.out.push(character),
            }
        }
        if cdata {
            self.out.push_str("]]>");
        }
    }
}

fn prefix(prefixes: XmlPrefixes, ns: &str) -> Option<&'static str> {
    let index = [DAV, CALDAV, CALENDAR_SERVER, APPLE].iter().position(|known| *known == ns)?;
    let table = match prefixes {
        XmlPrefixes::Upper => ["D", "C", "CS", "A"],
        XmlPrefixes::Lower => ["d", "cal", "cs", "x1"],
        XmlPrefixes::Mixed => ["", "C", "CS", "ICAL"],
        XmlPrefixes::Numbered => ["ns0", "ns1", "ns2", "ns3"],
        XmlPrefixes::DefaultNamespace => return None,
    };
    table.get(index).copied()
}

fn escape_attribute(value: &str) -> String {
    value.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

/// Characters XML 1.0 forbids even as references (section 2.2, production `Char`).
fn is_illegal(character: char) -> bool {
    !matches!(character,
        '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}')
}
