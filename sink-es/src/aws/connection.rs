//! The requests that get credentials, by the HTTP client that the rest uses too.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use cdc_core::{Error, ErrorKind};
use reqwest::Method;

use crate::config::TlsConfig;
use crate::tls;

/// What brings requests to AWS's credential services.
#[derive(Clone, Debug)]
struct Connection(reqwest::Client);

/// Longest time for one such request: no credential service is slow.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sets it up. TLS trusts the system's authorities: `index.tls` is for the cluster.
///
/// # Errors
/// When TLS cannot be set up.
pub(super) fn client() -> Result<SharedHttpClient, Error> {
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls::client_config(&TlsConfig::default(), true)?)
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .build()
        .map_err(|e| Error::new(ErrorKind::Config, "cannot set up the client for AWS").with_source(e))?;
    let connector = SharedHttpConnector::new(Connection(client));
    Ok(http_client_fn(move |_, _| connector.clone()))
}

impl HttpConnector for Connection {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move { send(&client, &request).await })
    }
}

async fn send(client: &reqwest::Client, request: &HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let user = |e: Box<dyn std::error::Error + Send + Sync>| ConnectorError::user(e);
    let method = Method::from_bytes(request.method().as_bytes()).map_err(|e| user(e.into()))?;
    let mut outgoing = client.request(method, request.uri());
    for (name, value) in request.headers() {
        outgoing = outgoing.header(name, value);
    }
    let body = request.body().bytes().unwrap_or_default().to_vec();
    let sent = outgoing.body(body).send().await;
    let answer = sent.map_err(|e| {
        if e.is_timeout() {
            ConnectorError::timeout(e.into())
        } else {
            ConnectorError::io(e.into())
        }
    })?;
    let status = StatusCode::try_from(answer.status().as_u16()).map_err(|e| user(e.into()))?;
    let headers = answer.headers().clone();
    let body = answer.bytes().await.map_err(|e| ConnectorError::io(e.into()))?;
    let mut response = HttpResponse::new(status, SdkBody::from(body.to_vec()));
    for (name, value) in &headers {
        if let Ok(value) = value.to_str() {
            response
                .headers_mut()
                .append(name.as_str().to_owned(), value.to_owned());
        }
    }
    Ok(response)
}
