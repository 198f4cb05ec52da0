//! The settings a switch of [`Quirks`](super::Quirks) can have. The first variant of each is what a well-behaved server does.

/// What a request without credentials gets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Anonymous {
    /// 401 with `WWW-Authenticate: Basic` (RFC 7617).
    #[default]
    Challenge,
    /// 401 whose scheme is spelled `basic`, as SOGo does; schemes are case-insensitive (RFC 9110, 11.1).
    ChallengeLowercase,
    /// 401 that offers an unknown scheme and Basic in one header, as iCloud does.
    ChallengeCombined,
    /// 401 without `WWW-Authenticate`, as Yahoo does.
    SilentChallenge,
    /// PROPFIND is answered 207 with `current-user-principal` holding `unauthenticated` (RFC 5397), as Cyrus does;
    /// every other method gets the plain challenge.
    UnauthenticatedPrincipal,
    /// Served as if logged in: no authentication at all, as Xandikos does on plain HTTP.
    Open,
}

/// What `/.well-known/caldav` answers (RFC 6764, section 5).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WellKnown {
    /// 301 to the context path.
    #[default]
    Redirect,
    /// 302 to the context path.
    Found,
    /// 301 to an absolute URL of the context path without its trailing slash.
    WithoutSlash,
    /// 200 with a web page.
    Html,
    /// 404.
    NotFound,
}

/// Which requests a [`Redirect`] catches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RedirectScope {
    /// Every request, before authentication.
    #[default]
    Everything,
    /// Only `/.well-known/caldav`.
    WellKnown,
    /// Only calendar object resources (GET, PUT, DELETE).
    Objects,
    /// Only the homes and the calendars, not the objects in them.
    Collections,
}

/// What a PROPFIND of the home lists beside its calendars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HomeListing {
    /// Nothing.
    #[default]
    Calendars,
    /// Scheduling inbox and outbox, notifications, two proxy principals, a subscribed calendar, and a file with an empty
    /// `resourcetype`; the first calendar is also marked `schedule-outbox`, as SOGo marks its personal one.
    WithNeighbours,
}

/// How many hrefs `calendar-home-set` holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Homes {
    /// The user's own home.
    #[default]
    One,
    /// The own home and a shared one, where [`DavServer::add_shared_calendar`](super::DavServer::add_shared_calendar) puts calendars.
    Two,
}

/// Depths a PROPFIND of the principal may have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PrincipalDepth {
    /// 0 and 1.
    #[default]
    Any,
    /// Anything but 0 is answered 400, as iCloud and GMX do.
    ZeroOnly,
}

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

/// Which change markers the calendars have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SyncSupport {
    /// `sync-token`, the sync-collection REPORT (RFC 6578) and `getctag`.
    #[default]
    TokenAndCtag,
    /// `sync-token` and the REPORT, no `getctag`.
    TokenOnly,
    /// Only `getctag`; sync-collection is refused with `supported-report`.
    CtagOnly,
    /// Listing is all there is.
    Neither,
}

/// The form of a sync token, and with it what the server can tell from one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TokenForm {
    /// A URI naming this incarnation of the calendar: tokens of other calendars, of the future or of before a recreation are
    /// unknown.
    #[default]
    Scoped,
    /// A URI ending in a number, as sabre/dav: any number is accepted, so a token of the future or of an earlier incarnation
    /// yields no change.
    BareNumber,
}

/// The `sync-token` property of a calendar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TokenProperty {
    /// The current token.
    #[default]
    Present,
    /// An empty element with status 200, as Calypso sends.
    Empty,
    /// 404 although the REPORT works.
    Missing,
}

/// The answer to a sync token the server does not know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UnknownToken {
    /// 403 with `valid-sync-token`, as RFC 6578 asks.
    #[default]
    Forbidden,
    /// 412 with `valid-sync-token`, as Xandikos.
    PreconditionFailed,
    /// 409 with `valid-sync-token`.
    Conflict,
    /// 400 with `valid-sync-token`.
    BadRequest,
    /// 410 with an empty body.
    Gone,
    /// 500 with `valid-sync-token` in the body.
    ServerError,
    /// 207 with every living object and no deletion, as DAViCal: what was deleted is never mentioned.
    FullList,
    /// 207 with every living object and every deletion ever, as SOGo.
    Replay,
    /// 207 without entries and with the current token: the changes are lost.
    Nothing,
}

/// Whether a sync from a known token reports changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SyncAnswers {
    /// It does.
    #[default]
    Changes,
    /// 207 without entries for ever; only an initial sync lists anything.
    AlwaysEmpty,
}

/// The token in the answer to a sync-collection REPORT.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AnswerToken {
    /// The token to go on from.
    #[default]
    Fresh,
    /// No `sync-token` element.
    Missing,
    /// An empty element.
    Empty,
    /// The token that was sent, whatever happened; for an initial sync the oldest one.
    Repeated,
}

/// How a sync answer that is cut short says so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TruncationForm {
    /// An entry for the collection with status 507 and `number-of-matches-within-limits` (RFC 6578, 3.6).
    #[default]
    EntryWithError,
    /// An entry for the collection with status 507 and nothing else, as sabre/dav.
    BareEntry,
    /// The whole REPORT fails with 507.
    HttpStatus,
    /// No sign, and the newest token: the rest is lost.
    Silent,
}

/// What becomes of a `limit` the client sends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ClientLimit {
    /// The answer is cut as [`TruncationForm::EntryWithError`].
    #[default]
    Honoured,
    /// Everything is sent.
    Ignored,
    /// The answer is cut, with the newest token and no 507, as Xandikos.
    Silent,
    /// The REPORT fails with 507, as Nextcloud's initial sync.
    Refused,
}

/// What a sync without token lists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum InitialSync {
    /// The objects there are.
    #[default]
    Living,
    /// Also a 404 entry for each object that once was, as Radicale.
    WithDead,
}

/// The status of a removed entry in a sync answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DeletionStatus {
    /// 404.
    #[default]
    NotFound,
    /// 410.
    Gone,
    /// 418, as Nextcloud before 2024-03 and Infomaniak.
    Teapot,
}

/// Objects created and deleted between two syncs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BriefItems {
    /// Reported as removed.
    #[default]
    Reported,
    /// Not mentioned, as Xandikos.
    Omitted,
}

/// Whether a sync answer has an entry for the collection itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SelfEntry {
    /// It does not.
    #[default]
    Absent,
    /// With a trailing slash and a 404 *propstat* for `getetag`, which is no deletion.
    MissingEtag,
    /// The same without trailing slash, as sabre/dav after a PROPPATCH.
    MissingEtagWithoutSlash,
    /// Listed like a member with an entity tag, as iCloud.
    Member,
}

/// `calendar-data` asked for in a sync-collection REPORT.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SyncData {
    /// Sent.
    #[default]
    Given,
    /// 404 propstat, as Xandikos and DAViCal.
    Absent,
}

/// Whether PROPPATCH of a calendar moves its token and ctag.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PropertyEdits {
    /// It does not.
    #[default]
    Silent,
    /// It does.
    MoveToken,
}

/// How multiget answers an href that is not there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MultigetMissing {
    /// A response with status 404.
    #[default]
    NotFound,
    /// Not at all, as sabre/dav and DAViCal.
    Omitted,
    /// A response with neither status nor propstat, as dav-server.
    WithoutStatus,
}

/// The order of a multiget answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MultigetOrder {
    /// That of the request.
    #[default]
    AsAsked,
    /// The reverse.
    Reversed,
}

/// How often multiget answers one href.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MultigetCopies {
    /// Once for each time it was asked.
    #[default]
    AsAsked,
    /// Twice.
    Twice,
}

/// A multiget without hrefs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MultigetEmpty {
    /// 207 without entries.
    #[default]
    Empty,
    /// 500, as DAViCal.
    ServerError,
}

/// The `time-range` of a calendar-query.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TimeRange {
    /// Objects that certainly lie outside are left out, to the day; series and unreadable objects always match.
    #[default]
    Coarse,
    /// All objects match.
    Ignored,
    /// The REPORT fails with 500, as Xandikos does for one bad rule anywhere in the calendar.
    ServerError,
}

/// How entity tags are made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Etags {
    /// A hash of the body: equal bodies have equal tags.
    #[default]
    ContentHash,
    /// A counter per resource that starts again when the object is recreated (`"gcs00000000"`), as SOGo; an identical PUT
    /// moves it.
    Counter,
}

/// The `ETag` header of a successful PUT.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PutEtag {
    /// The tag a later GET has.
    #[default]
    Strong,
    /// None, as servers do that changed what was sent.
    Missing,
    /// Prefixed `W/`, while GET sends it strong, as GMX.
    Weak,
    /// Without quotes; sent back like this it matches, as on Calypso.
    Unquoted,
    /// With its quotes percent-encoded, as Bedework.
    PercentEncoded,
}

/// The `getetag` property.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EtagProperty {
    /// As in the header.
    #[default]
    Quoted,
    /// Without quotes, as dav-server.
    Unquoted,
}

/// The `ETag` header of GET and HEAD.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GetEtag {
    /// The stored tag.
    #[default]
    Plain,
    /// With `-gzip` before the closing quote, as Apache's mod_deflate does.
    GzipSuffix,
    /// None.
    Missing,
}

/// What PUT stores.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PutBody {
    /// The bytes sent.
    #[default]
    Verbatim,
    /// The same calendar with properties sorted, names in upper case, durations normalised and lines folded anew; the entity
    /// tag is that of the rewritten body.
    Rewritten,
}

/// The name a new object is stored under.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PutName {
    /// That of the request.
    #[default]
    AsAsked,
    /// Its UID without suffix, as Calypso; the asked name answers 410.
    Uid,
    /// The asked name with `.EML` for `.ics`, as DavMail.
    Eml,
}

/// `If-None-Match: *` on PUT.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IfNoneMatch {
    /// 412 when the object exists.
    #[default]
    Honoured,
    /// The object is overwritten.
    Ignored,
}

/// `If-Match: *`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IfMatchAny {
    /// 412 when the object does not exist.
    #[default]
    Honoured,
    /// 412 when it *does* exist, as iCloud and Yahoo.
    Backwards,
    /// Always passes.
    Ignored,
}

/// An `If-Match` header with entity tags.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IfMatch {
    /// 412 when none matches or the object is missing.
    #[default]
    Honoured,
    /// 412 when none matches; passes when the object is missing, as SOGo's PUT.
    PassesWhenMissing,
    /// Always passes, as SOGo's DELETE.
    Ignored,
}

/// Two writers that hold the same entity tag.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Racing {
    /// The second gets 412.
    #[default]
    OneWinner,
    /// The second wins too: the tag before the current one still passes, as seen on sabre/dav and DAViCal.
    TwoWinners,
}

/// A PUT whose UID another object of the calendar has, or that changes the UID of the object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UidConflict {
    /// 409 with `no-uid-conflict` and the href of the other object (RFC 4791, 5.3.2.1).
    #[default]
    WithHref,
    /// 409 with an empty `no-uid-conflict`.
    WithoutHref,
    /// 403 with `no-uid-conflict` and the href.
    Forbidden,
    /// 412 with `no-uid-conflict`, as Xandikos.
    PreconditionFailed,
    /// 403 with `unique-scheduling-object-resource` and the href (RFC 6638, 3.2.4.1), as Cyrus.
    SchedulingObject,
    /// 409 with an empty body, as SOGo.
    Bare,
    /// Stored: two objects with one UID, as sabre/dav.
    Accepted,
}

/// A PUT whose body is refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BadBody {
    /// 403 with the precondition that failed (RFC 4791, 5.3.2.1).
    #[default]
    Precondition,
    /// 412 with the precondition, as Xandikos: not an edit conflict.
    PreconditionFailed,
    /// 412 with a line of text, as DAViCal.
    PlainPreconditionFailed,
    /// 400, as Radicale.
    BadRequest,
    /// 404, as SOGo, and as iCloud for an event without end.
    NotFound,
    /// 415, as sabre/dav.
    Unsupported,
    /// 500, as DAViCal.
    ServerError,
    /// Stored as sent.
    Accepted,
}

/// VEVENTs without DTEND and DURATION.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EventEnd {
    /// Accepted.
    #[default]
    Optional,
    /// Refused as [`BadBody`] says, as iCloud.
    Required,
}

/// A PUT with `Transfer-Encoding: chunked`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ChunkedPut {
    /// Accepted.
    #[default]
    Accepted,
    /// 400, as Radicale.
    Refused,
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

/// `current-user-privilege-set` of the calendars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Privileges {
    /// `read`, and unless the calendar is read-only `write`, `write-content`, `bind`, `unbind`.
    #[default]
    Listed,
    /// `all` for a writable calendar, as Xandikos.
    All,
    /// 404, as Google.
    Missing,
}

/// Namespace prefixes of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum XmlPrefixes {
    /// `D:`, `C:`, `CS:`, `A:`.
    #[default]
    Upper,
    /// `d:`, `cal:`, `cs:`, `x1:`, as sabre/dav.
    Lower,
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
    /// Indented, and inside `href` and `status` too, as DAViCal.
    Pretty,
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

/// Content coding of answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Compression {
    /// Identity.
    #[default]
    None,
    /// gzip for clients that send `Accept-Encoding: gzip`, as Radicale and Google.
    Gzip,
}

/// A redirect of part of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// Which requests it catches.
    pub scope: RedirectScope,
    /// The status sent: 301, 302, 303, 307 or 308.
    pub status: u16,
    /// What replaces scheme, host and port, without trailing slash: the path is kept. An empty text gives a `Location` that is
    /// only a path, which must then differ by `path_prefix`.
    pub base: String,
    /// What is put before the path: `/moved` makes `/moved/dav/`. The server itself answers below `/moved` as below `/`.
    pub path_prefix: String,
}

/// A limit of the server's own on the entries of one sync answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truncation {
    /// Entries per answer; 0 makes no progress.
    pub entries: usize,
    /// How the cut is told.
    pub form: TruncationForm,
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
