//! Switches of change markers and reports.

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

/// A limit of the server's own on the entries of one sync answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truncation {
    /// Entries per answer; 0 makes no progress.
    pub entries: usize,
    /// How the cut is told.
    pub form: TruncationForm,
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

/// How removed entries are grouped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DeadEntries {
    /// One response each.
    #[default]
    Single,
    /// One response with several hrefs and one status, the other form of RFC 4918, 14.24.
    Grouped,
}

/// The Depth header of a sync-collection REPORT.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SyncDepth {
    /// Not looked at, as on all servers that were measured.
    #[default]
    Any,
    /// Anything but 0 is answered 400 (RFC 6578, 3.2).
    Zero,
    /// Anything but 1 is answered 400, as servers of the drafts before RFC 6578.
    One,
}

/// The Depth header of a calendar-query REPORT.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum QueryDepth {
    /// Not looked at: always 1.
    #[default]
    Any,
    /// Anything but 1 is answered 400, as by sabre/dav.
    Refused,
    /// Anything but 1 is answered without entries, as by Xandikos.
    Empty,
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
    /// The same without trailing slash.
    MissingEtagWithoutSlash,
    /// As `MissingEtagWithoutSlash`, but only for a PROPPATCH since the token that was sent, as sabre/dav; needs
    /// [`PropertyEdits::MoveToken`].
    AfterPropertyEdit,
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
