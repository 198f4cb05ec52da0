//! Switches of how answers are spelled: hrefs, XML, error bodies, content coding.

/// How an href is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HrefForm {
    /// An absolute path.
    #[default]
    Path,
    /// An absolute URL.
    Url,
    /// Objects by their bare name, relative to the request URL, as Xandikos writes some; everything else an absolute path.
    Name,
}

/// Which characters of a path segment are percent-encoded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HrefEncoding {
    /// Everything that RFC 3986 does not allow in a segment, upper-case hex: `+` and `@` stay.
    #[default]
    Standard,
    /// Everything but the unreserved characters, upper-case hex: `%2B`, `%40`.
    Upper,
    /// Everything but the unreserved characters, lower-case hex: `%2b`, `%40`.
    Lower,
    /// As `Upper`, and the unreserved `~` as well, as SOGo does.
    Eager,
}

/// Whether the href of a collection ends in a slash.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CollectionSlash {
    /// It does.
    #[default]
    Present,
    /// It does not, as Calypso writes them.
    Absent,
}

/// The body of an error answer that has a precondition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ErrorBody {
    /// `DAV:error` with the precondition (RFC 4918, 8.7).
    #[default]
    Xml,
    /// `error` in the namespace `DAV` without colon, as SOGo.
    WrongNamespace,
    /// A web page.
    Html,
    /// A line of text.
    Plain,
    /// Nothing.
    Empty,
}

/// Namespace prefixes of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum XmlPrefixes {
    /// `D:`, `C:`, `CS:`, `A:`.
    #[default]
    Upper,
    /// `d:`, `cal:`, `cs:`, `x1:`, as sabre/dav.
    Lower,
    /// `DAV:` is the default namespace, the others have prefixes, as Radicale.
    Mixed,
    /// `ns0:`, `ns1:`, as Python's ElementTree.
    Numbered,
    /// None: `xmlns` on each element that changes the namespace, as DAViCal.
    DefaultNamespace,
}

/// How text is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum XmlText {
    /// With entities.
    #[default]
    Escaped,
    /// As CDATA sections.
    Cdata,
}

/// White space between elements.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum XmlLayout {
    /// None.
    #[default]
    Compact,
    /// Indented, as DAViCal.
    Pretty,
    /// Indented, and inside `href` and `status` too.
    Padded,
}

/// Quotation marks in text, such as those of entity tags.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum XmlQuotes {
    /// As they are.
    #[default]
    Literal,
    /// As `&quot;`, as sabre/dav and SOGo.
    Escaped,
}

/// Carriage returns in text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum XmlReturns {
    /// As they are: a parser turns CRLF into LF (XML 1.0, 2.11).
    #[default]
    Literal,
    /// As `&#13;`, as Cyrus and sabre/dav sometimes send.
    References,
}

/// Characters in stored bodies that XML 1.0 forbids.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IllegalCharacters {
    /// Left out, as DAViCal.
    #[default]
    Dropped,
    /// Sent as they are: the answer is ill-formed, as from Cyrus.
    Raw,
    /// Sent as `&#x..;`, which is ill-formed too.
    References,
}

/// How XML answers are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct XmlStyle {
    /// Namespace prefixes.
    pub prefixes: XmlPrefixes,
    /// Entities or CDATA.
    pub text: XmlText,
    /// White space.
    pub layout: XmlLayout,
    /// Quotation marks.
    pub quotes: XmlQuotes,
    /// Carriage returns.
    pub returns: XmlReturns,
    /// Characters XML forbids.
    pub illegal: IllegalCharacters,
}

/// Content coding of answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Compression {
    /// Identity.
    #[default]
    None,
    /// gzip for clients that send `Accept-Encoding: gzip`, as Radicale and Google.
    Gzip,
}
