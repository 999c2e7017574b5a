//! Requests to one cluster: hosts in turn, those that fail left out for a while; authentication; compression.

use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cdc_core::{Error, ErrorKind};
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode, Url};

use crate::aws::Signer;
use crate::backoff::Backoff;
use crate::config::IndexConfig;
use crate::{secret, tls};

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// Sends requests to the hosts of one cluster in turn.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    hosts: Vec<Host>,
    turn: AtomicUsize,
    gzip: bool,
    signer: Option<Signer>,
}

#[derive(Debug)]
struct Host {
    url: Url,
    health: Mutex<Health>,
}

#[derive(Debug)]
struct Health {
    backoff: Backoff,
    /// Left out until then.
    until: Option<Instant>,
}

/// Bodies below this gain nothing by compression.
const LEAST_COMPRESSED: usize = 4096;

impl Client {
    /// Reads secrets and certificates and sets up the connections; connects to nothing yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] or [`ErrorKind::Tls`] that names the option.
    pub(crate) fn new(config: &IndexConfig) -> Result<Self, Error> {
        let urls = config.parsed_urls()?;
        let secure = urls.iter().any(|u| u.scheme() == "https");
        let mut headers = HeaderMap::new();
        if let Some(auth) = config.auth.as_ref().filter(|a| a.aws.is_none()) {
            headers.insert(AUTHORIZATION, secret::authorization(auth)?);
        }
        let mut builder = reqwest::Client::builder();
        if let Some(proxy) = &config.proxy {
            builder = builder.proxy(secret::proxy(proxy)?);
        }
        let http = builder
            .tls_backend_preconfigured(tls::client_config(&config.tls, secure)?)
            .default_headers(headers)
            .http1_only()
            .gzip(false)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_millis(config.connect_timeout_ms))
            .timeout(Duration::from_millis(config.request_timeout_ms))
            .pool_idle_timeout(Duration::from_millis(config.idle_timeout_ms))
            .tcp_nodelay(true)
            .user_agent(concat!("pgcdc/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| Error::new(ErrorKind::Config, "cannot set up the HTTP client").with_source(e))?;
        let host = |url| Host {
            url,
            health: Mutex::new(Health {
                backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(60)),
                until: None,
            }),
        };
        Ok(Self {
            http,
            hosts: urls.into_iter().map(host).collect(),
            turn: AtomicUsize::new(0),
            gzip: config.gzip,
            signer: config
                .auth
                .as_ref()
                .and_then(|a| a.aws.as_ref())
                .and_then(Signer::new),
        })
    }

    /// Sends one request to the next host that is not left out. `path` is relative to the host's address.
    ///
    /// # Errors
    /// [`ErrorKind::SinkUnavailable`] when no answer came: the request may have been carried out or not.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<(&'static str, Bytes)>,
    ) -> Result<Answer, Error> {
        let host = self
            .pick(Instant::now())
            .ok_or_else(|| Error::new(ErrorKind::Config, "index.urls must name at least one address"))?;
        let result = self.send_to(host, method, path, body).await;
        let healthy = match &result {
            Ok(answer) => !matches!(answer.status.as_u16(), 502..=504),
            // What is wrong on our side is not the host's fault.
            Err(e) => e.is::<Error>(),
        };
        host.report(healthy, Instant::now());
        result.map_err(|e| {
            let e = match e.downcast::<Error>() {
                Ok(own) => return *own,
                Err(e) => e,
            };
            let at = host.url.origin().ascii_serialization();
            if refused_by_tls(e.as_ref()) {
                let error = Error::new(ErrorKind::Tls, format!("TLS with {at} is refused"));
                return error.with_source(e).with_hint(
                    "set index.tls.ca_file to the authority's certificate, and check that the address names the host",
                );
            }
            Error::new(ErrorKind::SinkUnavailable, format!("no answer from {at}")).with_source(e)
        })
    }

    async fn send_to(
        &self,
        host: &Host,
        method: Method,
        path: &str,
        body: Option<(&'static str, Bytes)>,
    ) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
        let mut request = self.http.request(method, host.url.join(path)?);
        let mut payload = Bytes::new();
        if let Some((kind, bytes)) = body {
            request = request.header(CONTENT_TYPE, HeaderValue::from_static(kind));
            payload = bytes;
            if self.gzip && payload.len() >= LEAST_COMPRESSED {
                let plain = payload;
                // Some 10 ms a megabyte: not on a worker of the runtime.
                payload = tokio::task::spawn_blocking(move || compress(&plain))
                    .await??
                    .into();
                request = request.header(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
            request = request.body(payload.clone());
        }
        let mut request = request.build().map_err(reqwest::Error::without_url)?;
        if let Some(signer) = &self.signer {
            // The credentials' sources make it large, and nearly every time there is nothing to look up.
            Box::pin(signer.sign(&mut request, &payload)).await?;
        }
        let response = self
            .http
            .execute(request)
            .await
            .map_err(reqwest::Error::without_url)?;
        let status = response.status();
        let body = response.bytes().await.map_err(reqwest::Error::without_url)?;
        Ok(Answer { status, body })
    }

    /// The next host in turn that is not left out; when all are, the one whose time comes first.
    fn pick(&self, now: Instant) -> Option<&Host> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let n = self.hosts.len();
        let in_turn = || (0..n).filter_map(move |i| self.hosts.get(turn.wrapping_add(i) % n));
        in_turn()
            .find(|h| h.until().is_none_or(|t| t <= now))
            .or_else(|| in_turn().min_by_key(|h| h.until()))
    }
}

impl Host {
    fn until(&self) -> Option<Instant> {
        self.health
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .until
    }

    fn report(&self, healthy: bool, now: Instant) {
        let mut health = self
            .health
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if healthy {
            health.backoff.reset();
            health.until = None;
        } else {
            let pause = health.backoff.pause();
            health.until = now.checked_add(pause);
        }
    }
}

/// Whether a request was sent and not answered in time.
pub(crate) fn timed_out(error: &Error) -> bool {
    let mut next = std::error::Error::source(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<reqwest::Error>() {
            return error.is_timeout() && !error.is_connect();
        }
        next = error.source();
    }
    false
}

/// Whether the two sides do not accept each other's certificates or versions: nothing that passes, as a connection does that
/// breaks during the handshake. The client library hides its error in several others.
fn refused_by_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return is_final(error);
        }
        // An io error passes over the error that it holds when it is asked for its source.
        let held = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        next = match held {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    false
}

fn is_final(error: &rustls::Error) -> bool {
    use rustls::AlertDescription as Alert;
    match error {
        rustls::Error::InvalidCertificate(_)
        | rustls::Error::InvalidCertRevocationList(_)
        | rustls::Error::NoCertificatesPresented
        | rustls::Error::UnsupportedNameType
        | rustls::Error::PeerIncompatible(_) => true,
        rustls::Error::AlertReceived(alert) => matches!(
            *alert,
            Alert::AccessDenied
                | Alert::BadCertificate
                | Alert::CertificateExpired
                | Alert::CertificateRequired
                | Alert::CertificateRevoked
                | Alert::CertificateUnknown
                | Alert::HandshakeFailure
                | Alert::InsufficientSecurity
                | Alert::NoCertificate
                | Alert::ProtocolVersion
                | Alert::UnknownCA
                | Alert::UnrecognisedName
                | Alert::UnsupportedCertificate
        ),
        _ => false,
    }
}

fn compress(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::new(1));
    encoder.write_all(bytes)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(urls: &[&str]) -> Client {
        let config: IndexConfig = serde_json::from_value(serde_json::json!({ "urls": urls })).unwrap();
        Client::new(&config).unwrap()
    }

    #[test]
    fn hosts_take_turns_and_a_failed_one_is_left_out() {
        let c = client(&["http://a", "http://b", "http://c"]);
        let name = |now| c.pick(now).unwrap().url.host_str().unwrap().to_owned();
        let now = Instant::now();
        assert_eq!([name(now), name(now), name(now), name(now)], ["a", "b", "c", "a"]);
        c.hosts[1].report(false, now);
        assert_eq!([name(now), name(now), name(now)], ["c", "c", "a"]);
        let later = now + Duration::from_secs(2);
        assert!((0..3).map(|_| name(later)).any(|n| n == "b"));
        for h in &c.hosts {
            h.report(false, now);
        }
        assert!(c.pick(now).is_some());
        c.hosts[1].report(true, now);
        assert!((0..3).all(|_| name(now) == "b"));
    }

    #[test]
    fn only_what_tls_itself_refuses_is_final() {
        use rustls::{AlertDescription, CertificateError, InvalidMessage};
        let hidden = |error: rustls::Error| std::io::Error::other(std::io::Error::other(error));
        for (error, want) in [
            (CertificateError::Expired.into(), true),
            (rustls::Error::AlertReceived(AlertDescription::UnknownCA), true),
            (
                rustls::Error::AlertReceived(AlertDescription::InternalError),
                false,
            ),
            (InvalidMessage::InvalidContentType.into(), false),
            (rustls::Error::General("x".into()), false),
        ] {
            assert_eq!(refused_by_tls(&hidden(error.clone())), want, "{error:?}");
        }
        assert!(!refused_by_tls(&std::io::Error::from(
            std::io::ErrorKind::ConnectionReset
        )));
    }

    #[test]
    fn no_default_provider_is_needed() {
        assert!(rustls::crypto::CryptoProvider::get_default().is_none());
        client(&["https://a"]);
    }
}
