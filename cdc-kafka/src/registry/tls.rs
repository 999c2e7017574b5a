//! TLS for the registry's client, with the ring provider named outright.

use std::path::Path;
use std::sync::Arc;

use cdc_core::{Error, ErrorKind};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// TLS 1.2 and 1.3, certificates always verified. When not `used`, nothing is read.
pub(super) fn client_config(ca: Option<&Path>, used: bool) -> Result<ClientConfig, Error> {
    let failed = |text: String| Error::new(ErrorKind::Tls, text);
    let mut roots = RootCertStore::empty();
    match ca {
        _ if !used => {}
        Some(path) => {
            let certificates =
                CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            let unreadable =
                |e| failed(format!("registry.ca_file: cannot read {}", path.display())).with_source(e);
            let (added, _) = roots.add_parsable_certificates(certificates.map_err(unreadable)?);
            if added == 0 {
                return Err(failed(format!(
                    "registry.ca_file: {} holds no usable certificate",
                    path.display()
                )));
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                let text = "the system has no certificate authorities: install ca-certificates or set registry.ca_file";
                return Err(failed(text.into()));
            }
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions();
    let builder =
        builder.map_err(|e| failed("cannot set up TLS for the schema registry".into()).with_source(e))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
