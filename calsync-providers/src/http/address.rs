//! Which addresses may be connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use super::HttpError;

/// Which addresses may be connected to. A host that fetches URLs its users type must not be sent into its own
/// network (server-side request forgery).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AddressPolicy {
    /// Only addresses of the public internet.
    #[default]
    Public,
    /// Private and local ones as well: a server at home, typed in by whoever runs the host application.
    AllowPrivate,
}

impl AddressPolicy {
    /// Whether an address may be connected to.
    pub fn allows(self, address: IpAddr) -> bool {
        match self {
            Self::AllowPrivate => true,
            Self::Public => match address {
                IpAddr::V4(v4) => is_public_v4(v4),
                IpAddr::V6(v6) => is_public_v6(v6),
            },
        }
    }

    /// Checks what can be told from a URL alone: scheme, literal addresses, local names. A name has to be checked
    /// again when it is resolved.
    ///
    /// # Errors
    ///
    /// [`HttpErrorKind::Blocked`](super::HttpErrorKind::Blocked).
    pub fn check_url(self, url: &Url) -> Result<(), HttpError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(HttpError::blocked("only http and https"));
        }
        let allowed = match url.host() {
            // The URL parser has turned decimal, octal, hexadecimal and short forms into plain addresses by now.
            Some(Host::Ipv4(v4)) => self.allows(IpAddr::V4(v4)),
            Some(Host::Ipv6(v6)) => self.allows(IpAddr::V6(v6)),
            Some(Host::Domain(name)) => self == Self::AllowPrivate || !is_local_name(name),
            None => false,
        };
        if allowed { Ok(()) } else { Err(HttpError::blocked("the address is in a private or local network")) }
    }
}

/// Whether a URL leads to this machine or into its own network, as far as its text tells: a loopback or private address, a
/// local name, or a name without a dot. A name that only resolves to such an address is not recognised.
pub fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => is_local_name(name) || !name.trim_end_matches('.').contains('.'),
        Some(Host::Ipv4(v4)) => !AddressPolicy::Public.allows(v4.into()),
        Some(Host::Ipv6(v6)) => !AddressPolicy::Public.allows(v6.into()),
        None => false,
    }
}

fn is_local_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name.is_empty()
        || ["localhost", "local", "internal", "home.arpa", "lan", "localdomain"]
            .iter()
            .any(|suffix| name == *suffix || name.ends_with(&format!(".{suffix}")))
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    !(v4.is_unspecified()
        || v4.is_loopback()
        || v4.is_private()
        || v4.is_link_local()
        || v4.is_multicast()
        || v4.is_broadcast()
        || v4.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19)))
}

fn is_public_v6(v6: Ipv6Addr) -> bool {
    let s = v6.segments();
    let embedded = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match s {
        [0, 0, 0, 0, 0, 0xffff, high, low] => embedded(high, low),
        // NAT64 (RFC 6052): the address behind the prefix is the one that is reached.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        [0x64, 0xff9b, 1, ..] => false,
        // 6to4 carries the IPv4 address in front.
        [0x2002, high, low, ..] => embedded(high, low),
        // Teredo, ORCHID, documentation, and the rest of 2001::/23.
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        // Everything public today is in 2000::/3: this leaves out ::, ::1, fc00::/7, fe80::/10, ff00::/8, 100::/64.
        [first, ..] => (0x2000..0x4000).contains(&first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_at_home() {
        for (url, local) in [
            ("http://127.0.0.1:5232/", true),
            ("http://localhost:5232/", true),
            ("http://[::1]/", true),
            ("http://192.168.1.5/", true),
            ("http://nas/", true),
            ("http://nas.local/", true),
            ("http://cal.home.arpa./", true),
            ("https://93.184.216.34/", false),
            ("https://dav.example.com/", false),
            ("https://localhost.example.com/", false),
            ("file:///etc/passwd", false),
        ] {
            assert_eq!(is_local(&Url::parse(url).unwrap()), local, "{url}");
        }
    }

    #[test]
    fn attack_1_every_spelling_of_a_private_address_is_refused() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "0x7f.1",
            "0.0.0.0",
            "0",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "[::]",
            "[::1]",
            "[fd00::1]",
            "[fe80::1]",
            "[ff02::1]",
            "[::ffff:10.0.0.1]",
            "[::ffff:127.0.0.1]",
            "[::10.0.0.1]",
            "[64:ff9b::10.0.0.1]",
            "[64:ff9b:1::1]",
            "[2002:a00:1::]",
            "[2001::1]",
            "[2001:db8::1]",
            "[100::1]",
            "localhost",
            "localhost.",
            "LOCALHOST",
            "x.localhost",
            "printer.local",
            "metadata.google.internal",
            "router.lan",
            "１２７.0.0.1",
        ] {
            let url = Url::parse(&format!("http://{host}/x")).unwrap();
            assert!(AddressPolicy::Public.check_url(&url).is_err(), "{host}");
            assert!(AddressPolicy::AllowPrivate.check_url(&url).is_ok(), "{host}");
        }
        for host in
            ["8.8.8.8", "100.63.0.1", "172.32.0.1", "[2606:4700::1111]", "[64:ff9b::8.8.8.8]", "example.com"]
        {
            let url = Url::parse(&format!("https://{host}/x")).unwrap();
            assert!(AddressPolicy::Public.check_url(&url).is_ok(), "{host}");
        }
        for url in ["file:///etc/passwd", "gopher://example.com/", "ftp://example.com/"] {
            assert!(AddressPolicy::AllowPrivate.check_url(&Url::parse(url).unwrap()).is_err(), "{url}");
        }
    }
}
