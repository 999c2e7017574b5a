//! TLS with rustls and ring: what `sslmode` and its companions mean, and the channel's binding data.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use super::gate::Gate;
use super::options::{Host, RootCertificates, TlsMode, TlsOptions};
use crate::{Error, ErrorKind};

/// Makes `tcp` a TLS connection; also returns the data that SCRAM can bind itself to, if the certificate defines them.
///
/// # Errors
/// Certificates that cannot be read, or a server whose certificate is not what `sslmode` demands.
pub(super) async fn handshake(
    tcp: Gate<TcpStream>,
    host: &Host,
    o: &TlsOptions,
) -> Result<(TlsStream<Gate<TcpStream>>, Option<Vec<u8>>), Error> {
    let name = ServerName::try_from(host.name.clone())
        .or_else(|e| host.address.map(|a| ServerName::IpAddress(a.into())).ok_or(e))
        .map_err(|e| {
            tls(format!(
                "host name {:?} cannot be that of a certificate",
                host.name
            ))
            .with_source(e)
        })?;
    let config = client_config(o)?;
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
        .map_err(|e| {
            let mode = match o.mode {
                TlsMode::VerifyFull => "sslmode=verify-full",
                TlsMode::VerifyCa => "sslmode=verify-ca",
                _ => "no check of the certificate asked for",
            };
            // A connection that broke meanwhile says nothing about certificates: a server that restarts does that. Where
            // another attempt without TLS is allowed, it is made, as libpq does.
            let broke = !e.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
            let kind = if broke && o.mode >= TlsMode::Require {
                ErrorKind::Io
            } else {
                ErrorKind::Tls
            };
            Error::new(kind, format!("TLS handshake with server {host} failed ({mode})")).with_source(e)
        })?;
    let end_point = stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(|chain| end_point(chain.first()?));
    Ok((stream, end_point))
}

fn client_config(o: &TlsOptions) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions: &[&rustls::SupportedProtocolVersion] = if o.only_tls13 {
        &[&rustls::version::TLS13]
    } else {
        &[&rustls::version::TLS13, &rustls::version::TLS12]
    };
    let verifier = verifier(o, &provider)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(|e| tls("no TLS version is left to use").with_source(e))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match (&o.certificate, &o.key) {
        (Some(certificate), Some(key)) => builder
            .with_client_auth_cert(certificates(certificate, "sslcert")?, private_key(key)?)
            .map_err(|e| tls("sslcert and sslkey do not belong together").with_source(e))?,
        _ => builder.with_no_client_auth(),
    };
    config.enable_sni = o.sni;
    // Demanded by servers for sslnegotiation=direct, passed over by others.
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(config)
}

fn verifier(o: &TlsOptions, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    let check = match (o.mode, &o.roots) {
        (TlsMode::VerifyFull, _) => Some(Check::Name),
        // As libpq: whoever gives a root certificate means it.
        (TlsMode::VerifyCa, _) | (TlsMode::Require, Some(_)) => Some(Check::Authority),
        _ => None,
    };
    let authorities = check
        .map(|check| Authorities::new(check, o, provider))
        .transpose()?;
    Ok(Arc::new(Verifier {
        provider: Arc::clone(provider),
        authorities,
    }))
}

/// How much of a certificate is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    /// That a trusted authority issued it.
    Authority,
    /// That, and that it is for the host's name.
    Name,
}

/// The roots that a certificate is checked by.
#[derive(Debug)]
struct Authorities {
    web: Arc<WebPkiServerVerifier>,
    check: Check,
    roots: Vec<CertificateDer<'static>>,
}

impl Authorities {
    fn new(check: Check, o: &TlsOptions, provider: &Arc<CryptoProvider>) -> Result<Self, Error> {
        let roots = match &o.roots {
            Some(RootCertificates::File(path)) => certificates(path, "sslrootcert")?,
            // As libpq: the world's authorities certify anybody, so that their word is worth nothing without the name.
            Some(RootCertificates::System) | None if check == Check::Authority => {
                return Err(tls("sslmode=verify-ca needs the authority's certificate")
                    .with_hint("give sslrootcert, or use sslmode=verify-full"));
            }
            Some(RootCertificates::System) | None => rustls_native_certs::load_native_certs().certs,
        };
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots.iter().cloned());
        if store.is_empty() {
            return Err(tls("there is no root certificate to check the server's by")
                .with_hint("give sslrootcert, or install the system's ca-certificates"));
        }
        let web = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider))
            .build()
            .map_err(|e| tls("the root certificates cannot be used").with_source(e))?;
        Ok(Self { web, check, roots })
    }
}

/// Checks the server's certificate; without authorities (`sslmode` prefer, and require without root) it encrypts, and
/// trusts whoever answers.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    authorities: Option<Authorities>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(Authorities { web, check, roots }) = &self.authorities else {
            return Ok(ServerCertVerified::assertion());
        };
        // A self-signed certificate that is itself the trusted root is common with PostgreSQL, and OpenSSL accepts it;
        // the web's rules do not, since such a certificate may also issue others.
        if roots.iter().any(|root| root.as_ref() == end_entity.as_ref()) {
            check_dates(end_entity, now)?;
            if *check == Check::Name {
                rustls::client::verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            }
            return Ok(ServerCertVerified::assertion());
        }
        match web.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The name is checked last, after the chain.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if *check == Check::Authority => Ok(ServerCertVerified::assertion()),
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

fn check_dates(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), rustls::Error> {
    let parsed = Certificate::from_der(certificate)
        .map_err(|_| rustls::Error::InvalidCertificate(CertificateError::BadEncoding))?;
    let validity = parsed.tbs_certificate.validity;
    let now = now.as_secs();
    if now < validity.not_before.to_unix_duration().as_secs() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > validity.not_after.to_unix_duration().as_secs() {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

/// `tls-server-end-point` of RFC 5929: the certificate's hash by the hash of its signature, at least SHA-256. None for
/// signatures that have no such hash, such as Ed25519.
fn end_point(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    /// Signature algorithms by the hash they use; those by MD5 and SHA-1 count as SHA-256.
    const SHA256: [&str; 6] = [
        "1.2.840.113549.1.1.4",
        "1.2.840.113549.1.1.5",
        "1.2.840.113549.1.1.11",
        "1.2.840.10045.4.1",
        "1.2.840.10045.4.3.2",
        "2.16.840.1.101.3.4.3.2",
    ];
    const SHA384: [&str; 2] = ["1.2.840.113549.1.1.12", "1.2.840.10045.4.3.3"];
    const SHA512: [&str; 2] = ["1.2.840.113549.1.1.13", "1.2.840.10045.4.3.4"];
    let parsed = Certificate::from_der(certificate).ok()?;
    let algorithm = parsed.signature_algorithm.oid.to_string();
    let is = |list: &[&str]| list.contains(&algorithm.as_str());
    if is(&SHA256) {
        Some(Sha256::digest(certificate).to_vec())
    } else if is(&SHA384) {
        Some(Sha384::digest(certificate).to_vec())
    } else if is(&SHA512) {
        Some(Sha512::digest(certificate).to_vec())
    } else {
        None
    }
}

fn certificates(path: &Path, parameter: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let unusable = || {
        tls(format!(
            "{parameter} {} cannot be read as PEM certificates",
            path.display()
        ))
    };
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .map_err(|e| unusable().with_source(e))?
        .collect();
    let found = found.map_err(|e| unusable().with_source(e))?;
    if found.is_empty() {
        return Err(unusable());
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let unusable = || {
        tls(format!(
            "sslkey {} cannot be read as a PEM key without passphrase",
            path.display()
        ))
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = std::fs::metadata(path).map_err(|e| unusable().with_source(e))?;
        // As libpq: nobody but the owner, or a group of root's choice.
        let forbidden = if metadata.uid() == 0 { 0o037 } else { 0o077 };
        if metadata.mode() & forbidden != 0 {
            return Err(tls(format!(
                "sslkey {} can be read by others (chmod 0600 it)",
                path.display()
            )));
        }
    }
    PrivateKeyDer::from_pem_file(path).map_err(|e| unusable().with_source(e))
}

fn tls(context: impl Into<String>) -> Error {
    Error::new(ErrorKind::Tls, context)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn certificate(algorithm: &'static rcgen::SignatureAlgorithm) -> CertificateDer<'static> {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    #[test]
    fn the_end_point_is_hashed_as_the_signature_is() {
        for (algorithm, length) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, 32),
            (&rcgen::PKCS_ECDSA_P384_SHA384, 48),
        ] {
            let c = certificate(algorithm);
            assert_eq!(end_point(&c).unwrap().len(), length);
        }
        let c = certificate(&rcgen::PKCS_ECDSA_P256_SHA256);
        assert_eq!(end_point(&c).unwrap(), Sha256::digest(&c).to_vec());
        assert_eq!(end_point(&certificate(&rcgen::PKCS_ED25519)), None);
        assert_eq!(end_point(&CertificateDer::from(vec![1, 2, 3])), None);
    }

    #[test]
    fn files_that_cannot_be_used_are_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for error in [
            certificates(file.path(), "sslrootcert").unwrap_err(),
            certificates(Path::new("/nowhere/at/all"), "sslrootcert").unwrap_err(),
            private_key(file.path()).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Tls);
            assert!(error.to_string().contains("ssl"), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), KeyPair::generate().unwrap().serialize_pem()).unwrap();
        let mode = |m| std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(m)).unwrap();
        mode(0o644);
        assert!(
            private_key(file.path())
                .unwrap_err()
                .to_string()
                .contains("others")
        );
        mode(0o600);
        private_key(file.path()).unwrap();
    }

    #[test]
    fn dates_are_checked() {
        let c = certificate(&rcgen::PKCS_ECDSA_P256_SHA256);
        check_dates(&c, UnixTime::now()).unwrap();
        let early = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1));
        assert!(check_dates(&c, early).is_err());
    }

    #[test]
    fn an_authority_without_the_name_must_be_given() {
        let verify = |mode, roots| {
            let mut o =
                super::super::options::ConnectOptions::with_defaults(Vec::new(), "u".into(), "d".into()).tls;
            (o.mode, o.roots) = (mode, roots);
            verifier(&o, &Arc::new(rustls::crypto::ring::default_provider())).map(drop)
        };
        for roots in [None, Some(RootCertificates::System)] {
            let error = verify(TlsMode::VerifyCa, roots).unwrap_err();
            assert!(error.advice().contains("sslrootcert"), "{error}");
        }
        verify(TlsMode::Require, None).unwrap();
        verify(TlsMode::Prefer, None).unwrap();
    }
}
