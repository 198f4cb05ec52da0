//! Switches of reading and writing one object.

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

/// A DELETE with `If-Match` of an object that is not there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DeleteMissing {
    /// 404.
    #[default]
    NotFound,
    /// 412, as sabre/dav: no edit conflict.
    PreconditionFailed,
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
