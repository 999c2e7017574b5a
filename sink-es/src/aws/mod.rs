//! Requests signed for Amazon OpenSearch Service and Serverless (AWS Signature Version 4).
//!
//! `credentials` has the keys of the moment, `connection` brings the requests that get them, and [`Signer`] signs with them.

mod connection;
mod credentials;
mod signature;

use std::time::SystemTime;

use bytes::Bytes;
use cdc_core::{Error, ErrorKind};
use reqwest::Request;
use reqwest::header::{HeaderName, HeaderValue};
use tokio::sync::OnceCell;

use self::credentials::{Account, Keys};
use self::signature::Scope;
use crate::config::{AwsConfig, AwsService};

/// Signs each request just before it goes out.
#[derive(Debug)]
pub(crate) struct Signer {
    config: AwsConfig,
    /// Looked up with the first request.
    ready: OnceCell<(String, Keys)>,
}

impl Signer {
    pub(crate) fn new(config: &AwsConfig) -> Option<Self> {
        Some(Self {
            config: config.clone(),
            ready: OnceCell::new(),
        })
    }

    /// Adds date, hash of the body, session token and signature to a request whose body is `body`.
    ///
    /// # Errors
    /// [`ErrorKind::Auth`] when no credentials are to be found, [`ErrorKind::Config`] without a region,
    /// [`ErrorKind::SinkUnavailable`] when who gives credentials does not answer.
    pub(crate) async fn sign(&self, request: &mut Request, body: &Bytes) -> Result<(), Error> {
        let (region, keys) = self.ready.get_or_try_init(|| self.look_up()).await?;
        let credentials = keys.current(SystemTime::now()).await?;
        let hash = signature::hash_of(body.clone()).await?;
        let scope = Scope {
            region,
            service: service(self.config.service),
            time: SystemTime::now(),
            hash_header: true,
        };
        let headers = signature::headers(request, &hash, &credentials, &scope)?;
        for (name, value) in headers {
            let bad = |_| {
                Error::new(
                    ErrorKind::Protocol,
                    "a signature holds characters that no header can carry",
                )
            };
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|e| bad(e.to_string()))?;
            let mut value = HeaderValue::from_str(&value).map_err(|e| bad(e.to_string()))?;
            value.set_sensitive(true);
            request.headers_mut().insert(name, value);
        }
        Ok(())
    }

    async fn look_up(&self) -> Result<(String, Keys), Error> {
        let account = Account::load(&self.config).await?;
        let region = self.config.region.clone().or(account.region).ok_or_else(|| {
            Error::new(
                ErrorKind::Config,
                "index.auth.aws.region is missing, and neither environment, profile nor instance names one",
            )
            .with_hint("set index.auth.aws.region, such as eu-central-1")
        })?;
        Ok((region, account.keys))
    }
}

/// The name that signatures have for a service.
fn service(service: AwsService) -> &'static str {
    match service {
        AwsService::Es => "es",
        AwsService::Aoss => "aoss",
    }
}
