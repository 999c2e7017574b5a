//! Where the registry is.

use std::path::{Path, PathBuf};

use cdc_core::{Error, ErrorKind};
use reqwest::Url;
use reqwest::header::HeaderValue;
use schemars::JsonSchema;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

/// A Confluent-compatible schema registry.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegistryConfig {
    /// Addresses; the first that answers is asked.
    pub urls: Vec<String>,
    /// User for basic authentication.
    #[serde(default)]
    pub username: Option<String>,
    /// Password for basic authentication.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub password: Option<SecretString>,
    /// File that holds the password; a line break at its end is dropped.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Token, instead of user and password.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub bearer_token: Option<SecretString>,
    /// File that holds the token; a line break at its end is dropped.
    #[serde(default)]
    pub bearer_token_file: Option<PathBuf>,
    /// PEM file with the certificate authorities to trust, instead of the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Milliseconds until a question counts as failed, all its attempts and addresses together.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
}

fn default_timeout_ms() -> u64 {
    10_000
}

impl RegistryConfig {
    /// A registry without authentication.
    #[must_use]
    pub fn new(urls: Vec<String>) -> Self {
        Self {
            urls,
            username: None,
            password: None,
            password_file: None,
            bearer_token: None,
            bearer_token_file: None,
            ca_file: None,
            timeout_ms: default_timeout_ms(),
        }
    }

    pub(super) fn parsed_urls(&self) -> Result<Vec<Url>, Error> {
        let wrong = |text: String| Error::new(ErrorKind::Config, text);
        if self.urls.is_empty() {
            return Err(wrong("registry.urls: name at least one address".into()));
        }
        let parse = |text: &String| match Url::parse(text.trim()) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
                if url.password().is_some() {
                    return Err(wrong(
                        "registry.urls: an address holds a password: use username and password".into(),
                    ));
                }
                Ok(url)
            }
            _ => Err(wrong(
                "registry.urls: an address must begin with http:// or https:// and name a host".into(),
            )),
        };
        self.urls.iter().map(parse).collect()
    }

    pub(super) fn authorization(&self) -> Result<Option<HeaderValue>, Error> {
        let wrong = |text: &str| Error::new(ErrorKind::Config, text);
        let password = secret("password", self.password.as_ref(), self.password_file.as_deref())?;
        let token = secret(
            "bearer_token",
            self.bearer_token.as_ref(),
            self.bearer_token_file.as_deref(),
        )?;
        let text = match (&self.username, password, token) {
            (None, None, None) => return Ok(None),
            (Some(user), Some(password), None) => {
                let pair = format!("{user}:{}", password.expose_secret());
                let mut encoded = Vec::new();
                cdc_core::json::append_base64(&mut encoded, pair.as_bytes());
                format!("Basic {}", String::from_utf8_lossy(&encoded))
            }
            (None, None, Some(token)) => format!("Bearer {}", token.expose_secret()),
            _ => {
                return Err(wrong(
                    "registry: give username and password (or password_file), or bearer_token (or bearer_token_file) alone",
                ));
            }
        };
        let header = HeaderValue::from_str(&text);
        let mut header =
            header.map_err(|_| wrong("registry: a credential holds what no HTTP header can carry"))?;
        header.set_sensitive(true);
        Ok(Some(header))
    }
}

/// The secret given inline or by file, or none if neither is given.
fn secret(
    name: &str,
    inline: Option<&SecretString>,
    file: Option<&Path>,
) -> Result<Option<SecretString>, Error> {
    let wrong = |text: String| Error::new(ErrorKind::Config, text);
    match (inline, file) {
        (Some(_), Some(_)) => Err(wrong(format!(
            "registry: both {name} and {name}_file are given: keep one"
        ))),
        (Some(secret), None) => Ok(Some(secret.clone())),
        (None, None) => Ok(None),
        (None, Some(file)) => {
            let unreadable =
                |e| wrong(format!("registry.{name}_file {} cannot be read", file.display())).with_source(e);
            let text = std::fs::read_to_string(file).map_err(unreadable)?;
            let secret = text.trim_end_matches(['\r', '\n']);
            if secret.is_empty() {
                return Err(wrong(format!(
                    "registry.{name}_file {} is empty: put the secret there",
                    file.display()
                )));
            }
            Ok(Some(secret.into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_come_from_files() {
        let file = std::env::temp_dir().join(format!("pgcdc-registry-{}", std::process::id()));
        std::fs::write(&file, "p\n").unwrap();
        let basic = RegistryConfig {
            username: Some("u".into()),
            password_file: Some(file.clone()),
            ..RegistryConfig::new(vec!["http://x".into()])
        };
        assert_eq!(
            basic.authorization().unwrap().unwrap().to_str().unwrap(),
            "Basic dTpw"
        );
        let token = RegistryConfig {
            bearer_token_file: Some(file.clone()),
            ..RegistryConfig::new(vec!["http://x".into()])
        };
        assert_eq!(
            token.authorization().unwrap().unwrap().to_str().unwrap(),
            "Bearer p"
        );
        let both = RegistryConfig {
            password: Some("x".into()),
            ..basic.clone()
        };
        assert!(
            both.authorization()
                .unwrap_err()
                .to_string()
                .contains("password_file")
        );
        std::fs::write(&file, "\n").unwrap();
        assert!(
            basic
                .authorization()
                .unwrap_err()
                .to_string()
                .contains("is empty")
        );
        std::fs::remove_file(&file).unwrap();
        assert!(
            token
                .authorization()
                .unwrap_err()
                .to_string()
                .contains("bearer_token_file")
        );
    }

    #[test]
    fn faults_name_the_option() {
        let urls = |url: &str| RegistryConfig::new(vec![url.to_owned()]);
        assert!(
            urls("ftp://x")
                .parsed_urls()
                .unwrap_err()
                .to_string()
                .starts_with("registry.urls")
        );
        assert!(urls("http://u:p@x").parsed_urls().is_err());
        assert!(RegistryConfig::new(vec![]).parsed_urls().is_err());
        assert_eq!(urls("https://x:8081/api").parsed_urls().unwrap().len(), 1);
        let half = RegistryConfig {
            username: Some("u".into()),
            ..urls("http://x")
        };
        assert!(half.authorization().is_err());
        let token = RegistryConfig {
            bearer_token: Some("t".into()),
            ..urls("http://x")
        };
        assert!(token.authorization().unwrap().unwrap().is_sensitive());
        assert!(!format!("{token:?}").contains("\"t\""));
    }
}
