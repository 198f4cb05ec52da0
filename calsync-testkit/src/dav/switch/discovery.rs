//! Switches of authentication, redirects and discovery.

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

/// What a PROPFIND of the home lists beside its calendars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HomeListing {
    /// Nothing.
    #[default]
    Calendars,
    /// Scheduling inbox and outbox, notifications, two proxy principals, a subscribed calendar, a collection with
    /// status 403, and a file with an empty
    /// `resourcetype`; the first calendar is also marked `schedule-outbox`, as SOGo marks its personal one.
    WithNeighbours,
}

/// How many hrefs `calendar-home-set` holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Homes {
    /// The user's own home.
    #[default]
    One,
    /// The own home and a shared one, where [`DavServer::add_shared_calendar`](crate::dav::DavServer::add_shared_calendar) puts calendars.
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
