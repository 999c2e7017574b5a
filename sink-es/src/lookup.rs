//! Requests of transforms that look things up.

use std::time::Duration;

use cdc_core::transform::mosip::Reply;
use cdc_core::{Error, ErrorKind};
use reqwest::Method;
use tokio::runtime::Handle;

use crate::config::TlsConfig;
use crate::tls;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends requests over HTTP and waits for the answers: to be used where blocking is allowed
/// ([`tokio::task::block_in_place`]).
#[derive(Debug)]
pub struct HttpSearch {
    client: reqwest::Client,
    runtime: Handle,
}

impl HttpSearch {
    /// Sets the client up. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when it cannot be set up.
    pub fn new() -> Result<Self, Error> {
        let failed = |text: &str| Error::new(ErrorKind::Config, text);
        // Without any authority, addresses without TLS still work.
        let tls = tls::client_config(&TlsConfig::default(), true)
            .or_else(|_| tls::client_config(&TlsConfig::default(), false))?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .http1_only()
            .timeout(PATIENCE)
            .build()
            .map_err(|e| failed("the client of lookups cannot be set up").with_source(e))?;
        let runtime = Handle::try_current().map_err(|e| failed("lookups need a runtime").with_source(e))?;
        Ok(Self { client, runtime })
    }

    /// Sends a request with a JSON body, if there is one.
    ///
    /// # Errors
    /// Why no answer came.
    pub fn request(&self, method: &str, url: &str, body: Option<&str>) -> Result<Reply, String> {
        let method = Method::from_bytes(method.as_bytes()).map_err(|e| e.to_string())?;
        let mut request = self.client.request(method, url);
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_owned());
        }
        let sent = async {
            let answer = request.send().await?;
            let status = answer.status().as_u16();
            let body = answer.text().await?;
            Ok::<_, reqwest::Error>(Reply { status, body })
        };
        self.runtime
            .block_on(sent)
            .map_err(|e| e.without_url().to_string())
    }
}
