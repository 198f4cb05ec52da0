//! The transport over reqwest and rustls.

use std::{error::Error as _, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use reqwest::{
    Certificate, Client, ClientBuilder,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect,
};

use super::{AddressPolicy, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpTransport};

/// Google compresses for clients that say so here as well.
const USER_AGENT: &str = concat!("calsync/", env!("CARGO_PKG_VERSION"), " (gzip)");

/// What a [`ReqwestTransport`] is built with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReqwestOptions {
    /// The `User-Agent`, sent with every request. Default: `calsync/VERSION (gzip)`; some services refuse requests without
    /// one. A host puts its own name in front, so that a service knows whom to write to: `family-app/2.1 calsync/VERSION
    /// (gzip)`.
    pub user_agent: String,
    /// Until a connection stands. Default: 15 s. It belongs to the connection pool, so
    /// [`Limits::connect`](super::Limits::connect) of a single request does not change it.
    pub connect: Duration,
    /// Certificates to trust besides the system's, as PEM: a server at home with its own authority. Default: none.
    pub extra_roots: Vec<String>,
}

impl Default for ReqwestOptions {
    fn default() -> Self {
        Self { user_agent: USER_AGENT.to_owned(), connect: Duration::from_secs(15), extra_roots: Vec::new() }
    }
}

/// The default transport: reqwest with rustls and the system's certificates; on Android with Mozilla's, built in.
///
/// Proxies of the environment are not used, since an address can only be checked by who connects to it. When the
/// process has no default rustls provider yet, the first value made installs ring's.
pub struct ReqwestTransport {
    // The resolver belongs to the client, so each policy has its own, with its own connections: one opened to a
    // private address is never reused for a request that must not go there.
    public: Client,
    private: Client,
}

impl ReqwestTransport {
    /// Builds the transport.
    ///
    /// # Errors
    ///
    /// [`HttpErrorKind::Connect`] when the system has no certificates and none were given, or one given is no PEM;
    /// [`HttpErrorKind::InvalidRequest`] when the user agent is no header.
    pub fn new(options: &ReqwestOptions) -> Result<Self, HttpError> {
        if http::HeaderValue::from_str(&options.user_agent).is_err() {
            return Err(HttpError::invalid_request("the user agent holds control characters"));
        }
        // An error only says that the host has chosen one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self {
            public: build(options, AddressPolicy::Public)?,
            private: build(options, AddressPolicy::AllowPrivate)?,
        })
    }
}

fn build(options: &ReqwestOptions, policy: AddressPolicy) -> Result<Client, HttpError> {
    let setup = |error: reqwest::Error| {
        HttpError::not_sent(HttpErrorKind::Connect, format!("TLS cannot be set up: {}", root_cause(&error)))
    };
    let mut builder = Client::builder()
        .user_agent(&options.user_agent)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .connect_timeout(options.connect)
        .dns_resolver(Arc::new(CheckedResolver(policy)));
    builder = trusting(builder).map_err(setup)?;
    for pem in &options.extra_roots {
        builder = builder.add_root_certificate(Certificate::from_pem(pem.as_bytes()).map_err(setup)?);
    }
    builder.build().map_err(setup)
}

/// The system's certificates, asked for anew by every connection.
#[cfg(not(target_os = "android"))]
#[allow(clippy::unnecessary_wraps, reason = "on Android it can fail")]
fn trusting(builder: ClientBuilder) -> Result<ClientBuilder, reqwest::Error> {
    Ok(builder)
}

/// Mozilla's certificates, as they are built in: those of Android are only to be had from Java.
#[cfg(target_os = "android")]
fn trusting(builder: ClientBuilder) -> Result<ClientBuilder, reqwest::Error> {
    let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().map(|root| Certificate::from_der(root));
    Ok(builder.tls_certs_only(roots.collect::<Result<Vec<_>, _>>()?))
}

/// What lies below reqwest's own message, which names the URL.
fn root_cause(error: &reqwest::Error) -> String {
    let Some(mut cause) = error.source() else { return "no further details".to_owned() };
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[async_trait]
impl HttpTransport for ReqwestTransport {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        request.addresses.check_url(&request.url)?;
        let client = match request.addresses {
            AddressPolicy::Public => &self.public,
            AddressPolicy::AllowPrivate => &self.private,
        };
        let limits = request.limits;
        let exchange = async {
            let mut builder = client.request(request.method, request.url).headers(request.headers);
            if !request.body.is_empty() {
                builder = builder.body(request.body);
            }
            let mut response = within(limits.stall + limits.connect, builder.send()).await?;
            let (status, headers) = (response.status(), response.headers().clone());
            let mut body = Vec::new();
            while let Some(chunk) = within(limits.stall, response.chunk()).await? {
                if body.len() + chunk.len() > limits.body_max {
                    return Err(HttpError::maybe_sent(
                        HttpErrorKind::TooLarge,
                        "the answer is larger than the limit",
                    ));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(HttpResponse { status, headers, body })
        };
        match tokio::time::timeout(limits.total, exchange).await {
            Ok(result) => result,
            Err(_) => Err(timed_out()),
        }
    }
}

async fn within<T>(
    limit: Duration,
    step: impl Future<Output = Result<T, reqwest::Error>>,
) -> Result<T, HttpError> {
    match tokio::time::timeout(limit, step).await {
        Ok(result) => result.map_err(|error| classify(&error)),
        Err(_) => Err(timed_out()),
    }
}

fn timed_out() -> HttpError {
    HttpError::maybe_sent(HttpErrorKind::Timeout, "the server did not answer in time")
}

fn classify(error: &reqwest::Error) -> HttpError {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if inner.is::<BlockedAddress>() {
            return HttpError::blocked(inner.to_string());
        }
        cause = inner.source();
    }
    let detail = root_cause(error);
    if error.is_builder() {
        HttpError::not_sent(HttpErrorKind::InvalidRequest, detail)
    } else if error.is_connect() {
        HttpError::not_sent(HttpErrorKind::Connect, detail)
    } else if error.is_timeout() {
        timed_out()
    } else {
        HttpError::maybe_sent(HttpErrorKind::Interrupted, detail)
    }
}

/// Resolves names and gives out only addresses the policy allows. They are the ones connected to, so a name that
/// resolves differently a moment later gains nothing.
struct CheckedResolver(AddressPolicy);

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.0;
        Box::pin(async move {
            let all: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let some = !all.is_empty();
            let allowed: Vec<_> = all.into_iter().filter(|address| policy.allows(address.ip())).collect();
            if some && allowed.is_empty() {
                return Err(BlockedAddress.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the name resolves to a private or local network")]
struct BlockedAddress;

impl fmt::Debug for ReqwestTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReqwestTransport")
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;

    /// What a request of a transport looks like on the wire.
    async fn sent(options: &ReqwestOptions) -> String {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let server = tokio::spawn(async move {
            let mut connection = listener.accept().await.unwrap().0;
            let mut seen = Vec::new();
            while !seen.ends_with(b"\r\n\r\n") {
                seen.push(connection.read_u8().await.unwrap());
            }
            connection.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            String::from_utf8(seen).unwrap().to_ascii_lowercase()
        });
        let mut request = HttpRequest::new(http::Method::GET, url);
        request.addresses = AddressPolicy::AllowPrivate;
        ReqwestTransport::new(options).unwrap().send(request).await.unwrap();
        server.await.unwrap()
    }

    #[tokio::test]
    async fn every_request_says_whose_it_is_and_a_host_may_say_it_differently() {
        let own = format!("\r\nuser-agent: calsync/{} (gzip)\r\n", env!("CARGO_PKG_VERSION"));
        let request = sent(&ReqwestOptions::default()).await;
        assert!(request.contains(&own) && request.contains("gzip"), "{request}");
        let theirs = ReqwestOptions { user_agent: "family-app/2.1".to_owned(), ..ReqwestOptions::default() };
        let request = sent(&theirs).await;
        assert!(request.contains("\r\nuser-agent: family-app/2.1\r\n"), "{request}");
        let broken = ReqwestOptions { user_agent: "a\r\nX: y".to_owned(), ..ReqwestOptions::default() };
        assert_eq!(ReqwestTransport::new(&broken).unwrap_err().kind, HttpErrorKind::InvalidRequest);
    }

    #[tokio::test]
    async fn attack_2_a_name_is_checked_where_it_is_resolved() {
        let resolve = |policy| CheckedResolver(policy).resolve(Name::from_str("localhost").unwrap());
        let blocked = resolve(AddressPolicy::Public).await.err().unwrap();
        assert!(blocked.is::<BlockedAddress>());
        let mut addresses = resolve(AddressPolicy::AllowPrivate).await.unwrap();
        assert!(addresses.next().unwrap().ip().is_loopback());
    }
}
