//! How an account is reached.

use std::{fmt, sync::Arc};

use super::records::ServiceRecords;
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
    /// Who is asked for the SRV and TXT records of the address's domain (RFC 6764 section 3). Default: none, nothing is
    /// looked up. With the feature `dns` there is `SystemRecords`.
    pub records: Option<Arc<dyn ServiceRecords>>,
    /// Hosts of other sites, such as `caldav.example.net`, that the credentials may go to when the records of the
    /// address's domain lead there. Default: none. Anybody between this machine and its name server can forge a record
    /// (RFC 6764 section 8), so a host goes in here only after a person has said that it is the right one; the error
    /// of discovery names it. As with the address itself, the whole registrable domain of the host is trusted.
    pub trusted_hosts: Vec<String>,
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
            records: None,
            trusted_hosts: Vec::new(),
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
