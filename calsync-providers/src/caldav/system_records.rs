//! The records, from the name servers of the system.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::StreamExt;
use hickory_resolver::{
    NameServerPool, PoolContext, TlsConfig,
    config::{NameServerConfig, ResolverConfig, ResolverOpts},
    net::{DnsError, DnsHandle, NetError, RetryDnsHandle, runtime::TokioRuntimeProvider},
    proto::{
        op::{DnsRequestOptions, Query},
        rr::{Name, RData, RecordType},
    },
};

use super::records::{LookupError, ServiceRecords, SrvRecord};

/// Asks the name servers of the system, over UDP and TCP. Needs a Tokio runtime, as the transport does.
///
/// Not on Android, where the name servers are only to be had from Java: a host application gives its own [`ServiceRecords`].
///
/// The answers are as trustworthy as the network: DNSSEC is not checked, which is why credentials go to no other site on their
/// word.
pub struct SystemRecords {
    servers: Vec<NameServerConfig>,
    options: ResolverOpts,
    limit: Duration,
}

impl SystemRecords {
    /// Reads the configuration of the system: `/etc/resolv.conf`, or that of the network adapters on Windows.
    ///
    /// # Errors
    ///
    /// [`LookupError::Failed`] when it cannot be read.
    pub fn from_system() -> Result<Self, LookupError> {
        let (config, options) = hickory_resolver::system_conf::read_system_conf().map_err(failed)?;
        Ok(Self::with_config(config, options))
    }

    /// Ends every lookup after this long. Default: 5 s for all tries at all name servers together.
    #[must_use]
    pub fn with_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    fn with_config(config: ResolverConfig, mut options: ResolverOpts) -> Self {
        let (_, _, servers) = config.into_parts();
        // A server that says nothing leaves time for the next.
        options.timeout = options.timeout.min(Duration::from_secs(2));
        Self { servers, options, limit: Duration::from_secs(5) }
    }

    async fn look_up(&self, name: &str, kind: RecordType) -> Result<Vec<RData>, LookupError> {
        match tokio::time::timeout(self.limit, self.ask(name, kind)).await {
            Ok(Err(NetError::Timeout)) | Err(_) => Err(LookupError::Timeout),
            Ok(Err(error)) if error.is_no_records_found() => Ok(Vec::new()),
            Ok(Err(error)) => Err(failed(error)),
            Ok(Ok(records)) => Ok(records),
        }
    }

    /// One query, below `Resolver`: that takes an SRV record behind an alias (CNAME) for a link of the chain, and finds
    /// nothing (hickory-resolver 0.26.3). Name servers that recurse give the whole chain in one answer.
    async fn ask(&self, name: &str, kind: RecordType) -> Result<Vec<RData>, NetError> {
        let mut name = Name::from_ascii(name)?;
        // No search domain is put behind it.
        name.set_fqdn(true);
        let context = Arc::new(PoolContext::new(self.options.clone(), TlsConfig::new()?));
        // Of its own for each query: one that is dropped half-way leaves nothing to the next.
        let pool =
            NameServerPool::from_config(self.servers.clone(), context, TokioRuntimeProvider::default());
        let mut request = DnsRequestOptions::default();
        request.use_edns = self.options.edns0;
        request.edns_payload_len = self.options.edns_payload_len;
        let handle = RetryDnsHandle::new(pool, self.options.attempts);
        let response = handle.lookup(Query::query(name, kind), request).next().await;
        let response = DnsError::from_response(response.unwrap_or(Err(NetError::Timeout))?)?;
        Ok(response.answers.iter().map(|record| record.data.clone()).collect())
    }
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn failed(error: NetError) -> LookupError {
    LookupError::Failed(error.to_string())
}

#[async_trait]
impl ServiceRecords for SystemRecords {
    async fn srv(&self, name: &str) -> Result<Vec<SrvRecord>, LookupError> {
        let records = self.look_up(name, RecordType::SRV).await?;
        let record = |data| match data {
            RData::SRV(srv) => Some(SrvRecord {
                priority: srv.priority,
                weight: srv.weight,
                port: srv.port,
                target: srv.target.to_ascii(),
            }),
            // An alias on the way there.
            _ => None,
        };
        Ok(records.into_iter().filter_map(record).collect())
    }

    async fn txt(&self, name: &str) -> Result<Vec<String>, LookupError> {
        let records = self.look_up(name, RecordType::TXT).await?;
        let strings = |data| match data {
            RData::TXT(txt) => txt.txt_data.into_vec(),
            _ => Vec::new(),
        };
        let strings = records.into_iter().flat_map(strings);
        Ok(strings.filter_map(|string| String::from_utf8(string.into_vec()).ok()).collect())
    }
}

impl fmt::Debug for SystemRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemRecords").field("limit", &self.limit).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};

    use hickory_resolver::config::{ConnectionConfig, NameServerConfig};
    use tokio::net::UdpSocket;

    use super::*;

    const SRV: u16 = 33;
    const TXT: u16 = 16;
    const CNAME: u16 = 5;

    fn name(text: &str) -> Vec<u8> {
        let labels = text.split('.').filter(|label| !label.is_empty());
        let mut bytes: Vec<u8> =
            labels.flat_map(|label| std::iter::once(label.len() as u8).chain(label.bytes())).collect();
        bytes.push(0);
        bytes
    }

    fn srv(priority: u16, weight: u16, port: u16, target: &str) -> Vec<u8> {
        [priority, weight, port].into_iter().flat_map(u16::to_be_bytes).chain(name(target)).collect()
    }

    fn record(owner: &str, kind: u16, data: &[u8]) -> Vec<u8> {
        let mut bytes = name(owner);
        bytes.extend([kind, 1].into_iter().flat_map(u16::to_be_bytes));
        bytes.extend(300_u32.to_be_bytes());
        bytes.extend((data.len() as u16).to_be_bytes());
        bytes.extend(data);
        bytes
    }

    /// The answer to a query (RFC 1035 section 4.1), its question repeated.
    fn answer(query: &[u8], code: u8, records: &[Vec<u8>]) -> Vec<u8> {
        let end = 12 + query[12..].iter().position(|&byte| byte == 0).unwrap() + 5;
        let mut bytes = query[..2].to_vec();
        bytes.extend([0x81, 0x80 | code, 0, 1]);
        bytes.extend((records.len() as u16).to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(&query[12..end]);
        bytes.extend(records.concat());
        bytes
    }

    /// The type a query asks for, and its name as text.
    fn asked(query: &[u8]) -> (u16, String) {
        let mut labels = Vec::new();
        let mut rest = &query[12..];
        while rest[0] != 0 {
            let (label, next) = rest[1..].split_at(rest[0].into());
            labels.push(String::from_utf8(label.to_vec()).unwrap().to_ascii_lowercase());
            rest = next;
        }
        (u16::from_be_bytes([rest[1], rest[2]]), labels.join("."))
    }

    /// A name server on this machine, and what asks it.
    async fn served(answers: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static) -> SystemRecords {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let at = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut buffer = [0; 2048];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                if let Some(bytes) = answers(&buffer[..length]) {
                    socket.send_to(&bytes, from).await.unwrap();
                }
            }
        });
        records_at(at)
    }

    fn records_at(at: SocketAddr) -> SystemRecords {
        let mut connection = ConnectionConfig::udp();
        connection.port = at.port();
        let server = NameServerConfig::new(IpAddr::V4(Ipv4Addr::LOCALHOST), true, vec![connection]);
        let config = ResolverConfig::from_parts(None, vec!["search.example".parse().unwrap()], vec![server]);
        SystemRecords::with_config(config, ResolverOpts::default())
    }

    #[tokio::test]
    async fn records_are_read_from_a_name_server() {
        let records = served(|query| {
            let (kind, owner) = asked(query);
            let found = match (kind, owner.as_str()) {
                (SRV, "_caldavs._tcp.example.com") => vec![
                    record(&owner, SRV, &srv(10, 5, 8443, "dav.example.com")),
                    record(&owner, SRV, &srv(0, 1, 443, "DAV2.example.com")),
                ],
                (SRV, "_caldavs._tcp.none.example") => vec![record(&owner, SRV, &srv(0, 0, 0, "."))],
                // An alias, and what it leads to, in one answer.
                (SRV, "_caldavs._tcp.alias.example") => vec![
                    record(&owner, CNAME, &name("_caldavs._tcp.example.net")),
                    record("_caldavs._tcp.example.net", SRV, &srv(0, 0, 443, "dav.example.net")),
                ],
                (TXT, "_caldavs._tcp.example.com") => {
                    vec![
                        record(&owner, TXT, b"\x09txtvers=1\x0apath=/dav/"),
                        record(&owner, TXT, b"\x02\xff\xfe"),
                    ]
                }
                _ => return Some(answer(query, 3, &[])),
            };
            Some(answer(query, 0, &found))
        })
        .await;
        let tuple = |record: SrvRecord| (record.priority, record.weight, record.port, record.target);
        for (domain, mut expected) in [
            (
                "example.com",
                vec![
                    (0, 1, 443, "DAV2.example.com.".to_owned()),
                    (10, 5, 8443, "dav.example.com.".to_owned()),
                ],
            ),
            ("none.example", vec![(0, 0, 0, ".".to_owned())]),
            ("alias.example", vec![(0, 0, 443, "dav.example.net.".to_owned())]),
            // No such name, and no search domain behind it.
            ("absent.example", vec![]),
        ] {
            let found = records.srv(&format!("_caldavs._tcp.{domain}")).await.unwrap();
            let mut found: Vec<_> = found.into_iter().map(tuple).collect();
            found.sort();
            expected.sort();
            assert_eq!(found, expected, "{domain}");
        }
        assert_eq!(records.txt("_caldavs._tcp.example.com").await.unwrap(), ["txtvers=1", "path=/dav/"]);
        assert!(records.txt("_caldavs._tcp.absent.example").await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_name_server_in_trouble_is_an_error_and_not_an_absence() {
        for code in [2, 5] {
            let records = served(move |query| Some(answer(query, code, &[]))).await;
            let error = records.srv("_caldavs._tcp.example.com").await.unwrap_err();
            assert!(matches!(error, LookupError::Failed(_)), "{code}: {error:?}");
        }
        // Noise is no answer.
        let records = served(|query| Some(query[..query.len().min(7)].to_vec())).await;
        assert!(records.srv("_caldavs._tcp.example.com").await.is_err());
        assert!(records.srv("..").await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_name_server_ends_with_the_limit() {
        let records = served(|_| None).await.with_limit(Duration::from_secs(3));
        let start = tokio::time::Instant::now();
        let error = records.srv("_caldavs._tcp.example.com").await.unwrap_err();
        assert!(matches!(error, LookupError::Timeout), "{error:?}");
        assert!(start.elapsed() <= Duration::from_secs(3), "{:?}", start.elapsed());
    }
}
