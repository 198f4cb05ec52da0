//! How an account is reached.

use std::fmt;

use crate::http::{AddressPolicy, Limits, Secret};

/// An account on a CalDAV server.
#[derive(Clone)]
#[non_exhaustive]
pub struct CalDavConfig {
    /// Where: an e-mail address (`ann@example.com`), a host (`caldav.example.com`), or any URL of the server: its
    /// root, the principal, the home or a calendar. `https` unless the URL says `http`.
    pub url_or_email: String,
    /// The user name. Default: empty, which takes the e-mail address.
    pub username: String,
    /// The password; for most services an app password.
    pub password: Secret,
    /// Which addresses may be connected to. Default: [`AddressPolicy::AllowPrivate`], since servers at home are a
    /// common case and the address is typed by whoever runs the host application. A host whose *users* type it in
    /// sets [`AddressPolicy::Public`].
    pub addresses: AddressPolicy,
    /// How long and how large an exchange may be. Default: [`Limits::default`].
    pub limits: Limits,
    /// The most items of one `calendar-multiget`. Default: 100, which every server met takes; 0 counts as 1.
    pub multiget_max: usize,
}

impl Default for CalDavConfig {
    fn default() -> Self {
        Self {
            url_or_email: String::new(),
            username: String::new(),
            password: Secret::default(),
            addresses: AddressPolicy::AllowPrivate,
            limits: Limits::default(),
            multiget_max: 100,
        }
    }
}

impl CalDavConfig {
    /// An account with the defaults for everything else.
    pub fn new(
        url_or_email: impl Into<String>,
        username: impl Into<String>,
        password: impl Into<Secret>,
    ) -> Self {
        Self {
            url_or_email: url_or_email.into(),
            username: username.into(),
            password: password.into(),
            ..Self::default()
        }
    }
}

impl fmt::Debug for CalDavConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CalDavConfig").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}
