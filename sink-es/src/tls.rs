//! TLS for the client, with the ring provider named outright: no process-wide default is asked for, so an embedding
//! program is never surprised and a missing default never panics.

use std::path::Path;
use std::sync::Arc;

use cdc_core::{Error, ErrorKind};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::config::TlsConfig;

/// Builds the client's TLS settings: TLS 1.2 and 1.3, certificates always verified, their names unless configured otherwise. When not `used`, nothing is read.
///
/// # Errors
/// [`ErrorKind::Tls`] when a file cannot be read or holds no usable certificate or key, and when the system has no
/// certificate authority and none is configured.
pub(crate) fn client_config(tls: &TlsConfig, used: bool) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = if used {
        roots(tls.ca_file.as_deref())?
    } else {
        RootCertStore::empty()
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| failed("cannot set up TLS").with_source(e))?;
    let builder = if tls.verify_hostname || !used {
        builder.with_root_certificates(roots)
    } else {
        let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|e| failed("cannot set up TLS").with_source(e))?;
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyName(inner)))
    };
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

/// Checks a certificate's authority and time, and not its name.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        // The name is checked last: this error says that all else is well.
        match self
            .0
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
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
