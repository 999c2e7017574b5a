//! TLS for the client, with the ring provider named outright: no process-wide default is asked for, so an embedding
//! program is never surprised and a missing default never panics.

use std::path::Path;
use std::sync::Arc;

use cdc_core::{Error, ErrorKind};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::config::TlsConfig;

/// Builds the client's TLS settings: TLS 1.2 and 1.3, certificates always verified. When not `used`, nothing is read.
///
/// # Errors
/// [`ErrorKind::Tls`] when a file cannot be read or holds no usable certificate or key, and when the system has no
/// certificate authority and none is configured.
pub(crate) fn client_config(tls: &TlsConfig, used: bool) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| failed("cannot set up TLS").with_source(e))?
        .with_root_certificates(if used {
            roots(tls.ca_file.as_deref())?
        } else {
            RootCertStore::empty()
        });
    let (Some(certificate), Some(key)) = (&tls.certificate_file, &tls.key_file) else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates("index.tls.certificate_file", certificate)?;
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|e| failed(format!("cannot read index.tls.key_file {}", key.display())).with_source(e))?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|e| failed("index.tls.certificate_file and index.tls.key_file do not fit").with_source(e))
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, Error> {
    let mut store = RootCertStore::empty();
    if let Some(path) = ca {
        for certificate in certificates("index.tls.ca_file", path)? {
            store.add(certificate).map_err(|e| {
                failed(format!(
                    "index.tls.ca_file {} holds no usable certificate",
                    path.display()
                ))
                .with_source(e)
            })?;
        }
        return Ok(store);
    }
    let native = rustls_native_certs::load_native_certs();
    store.add_parsable_certificates(native.certs);
    if store.is_empty() {
        return Err(failed(
            "the system has no certificate authorities: install ca-certificates or set index.tls.ca_file",
        ));
    }
    Ok(store)
}

fn certificates(option: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = || CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>();
    let found =
        read().map_err(|e| failed(format!("cannot read {option} {}", path.display())).with_source(e))?;
    if found.is_empty() {
        return Err(failed(format!(
            "{option} {} holds no PEM certificate",
            path.display()
        )));
    }
    Ok(found)
}

fn failed(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Tls, text)
}
