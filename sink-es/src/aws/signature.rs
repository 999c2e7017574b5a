//! The signature of one request.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use cdc_core::{Error, ErrorKind};
use reqwest::Request;
use sha2::{Digest as _, Sha256};

/// What a signature is for, besides the request.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    pub(super) time: SystemTime,
    /// Whether the body's hash goes into a header too: Serverless asks for that.
    pub(super) hash_header: bool,
}

/// A body beyond this is hashed off the runtime's workers: some 0.3 ms.
const LARGE: usize = 128 << 10;

/// SHA-256 of a body as it goes over the wire, in hexadecimal digits.
///
/// # Errors
/// When the runtime ends.
pub(super) async fn hash_of(body: Bytes) -> Result<String, Error> {
    if body.len() <= LARGE {
        return Ok(digits(&Sha256::digest(&body)));
    }
    tokio::task::spawn_blocking(move || digits(&Sha256::digest(&body)))
        .await
        .map_err(|e| {
            Error::new(
                ErrorKind::SinkUnavailable,
                "the hash of a request was interrupted",
            )
            .with_source(e)
        })
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The headers that a request gets. Paths are encoded once more for the signature, as all services but S3 want it.
///
/// # Errors
/// [`ErrorKind::Protocol`] for a request that cannot be signed.
pub(super) fn headers(
    request: &Request,
    hash: &str,
    credentials: &Credentials,
    scope: &Scope<'_>,
) -> Result<Vec<(String, String)>, Error> {
    let failed = |e: &dyn std::error::Error| {
        Error::new(ErrorKind::Protocol, format!("a request cannot be signed: {e}"))
    };
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = if scope.hash_header {
        PayloadChecksumKind::XAmzSha256
    } else {
        PayloadChecksumKind::NoHeader
    };
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(scope.region)
        .name(scope.service)
        .time(scope.time)
        .settings(settings)
        .build()
        .map_err(|e| failed(&e))?
        .into();
    let mut signed = Vec::with_capacity(request.headers().len());
    for (name, value) in request.headers() {
        signed.push((name.as_str(), value.to_str().map_err(|e| failed(&e))?));
    }
    let signable = SignableRequest::new(
        request.method().as_str(),
        request.url().as_str(),
        signed.into_iter(),
        SignableBody::Precomputed(hash.to_owned()),
    )
    .map_err(|e| failed(&e))?;
    let (instructions, _) = sign(signable, &params).map_err(|e| failed(&e))?.into_parts();
    Ok(instructions
        .headers()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}

#[cfg(test)]
mod tests;
