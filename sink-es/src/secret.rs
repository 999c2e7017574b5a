//! Secrets to a request header.

use std::path::Path;

use cdc_core::{Error, ErrorKind};
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};

use crate::config::{AuthConfig, ProxyConfig};

/// Builds the `Authorization` header, marked sensitive so that no debug output shows it.
///
/// # Errors
/// [`ErrorKind::Config`] when a secret's file cannot be read or a secret holds characters no header can carry.
pub(crate) fn authorization(auth: &AuthConfig) -> Result<HeaderValue, Error> {
    let value = if let Some(user) = &auth.username {
        let password = pick("password", auth.password.as_ref(), auth.password_file.as_deref())?;
        let pair = format!("{user}:{}", password.expose_secret());
        format!("Basic {}", base64(pair.as_bytes()))
    } else if auth.api_key.is_some() || auth.api_key_file.is_some() {
        let key = pick("api_key", auth.api_key.as_ref(), auth.api_key_file.as_deref())?;
        format!("ApiKey {}", key.expose_secret())
    } else {
        let token = pick(
            "bearer_token",
            auth.bearer_token.as_ref(),
            auth.bearer_token_file.as_deref(),
        )?;
        format!("Bearer {}", token.expose_secret())
    };
    let mut header = HeaderValue::from_str(&value).map_err(|_| {
        Error::new(
            ErrorKind::Config,
            "index.auth holds a character that no HTTP header can carry",
        )
    })?;
    header.set_sensitive(true);
    Ok(header)
}

/// Builds the proxy with its credentials.
///
/// # Errors
/// [`ErrorKind::Config`] when the password's file cannot be read or the address is none.
pub(crate) fn proxy(config: &ProxyConfig) -> Result<reqwest::Proxy, Error> {
    let proxy = reqwest::Proxy::all(&config.url).map_err(|e| {
        Error::new(ErrorKind::Config, "index.proxy.url cannot be used").with_source(e.without_url())
    })?;
    let Some(user) = &config.username else {
        return Ok(proxy);
    };
    let password = read(
        "index.proxy.password",
        config.password.as_ref(),
        config.password_file.as_deref(),
    )?;
    Ok(proxy.basic_auth(user, password.expose_secret()))
}

fn pick(name: &str, inline: Option<&SecretString>, file: Option<&Path>) -> Result<SecretString, Error> {
    read(&format!("index.auth.{name}"), inline, file)
}

fn read(name: &str, inline: Option<&SecretString>, file: Option<&Path>) -> Result<SecretString, Error> {
    if let Some(secret) = inline {
        return Ok(secret.clone());
    }
    let Some(path) = file else {
        return Err(Error::new(ErrorKind::Config, format!("{name} is missing")));
    };
    let text = std::fs::read_to_string(path).map_err(|e| {
        let what = format!("cannot read {name}_file {}", path.display());
        Error::new(ErrorKind::Config, what).with_source(e)
    })?;
    Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
}

/// Base64 with padding: RFC 4648 section 4. Short inputs only, once per start.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut word = 0_usize;
        for i in 0..3 {
            word = (word << 8) | usize::from(chunk.get(i).copied().unwrap_or(0));
        }
        for i in 0..4 {
            let c = ALPHABET.get((word >> (18 - 6 * i)) & 63).copied().unwrap_or(b'=');
            out.push(if i > chunk.len() { '=' } else { char::from(c) });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_rfc_4648s() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
        ];
        for (plain, want) in cases {
            assert_eq!(base64(plain.as_bytes()), want);
        }
    }

    #[test]
    fn a_secret_from_a_file_loses_its_line_break() {
        let dir = std::env::temp_dir().join(format!("pgcdc-secret-{}", std::process::id()));
        std::fs::write(&dir, "t0ken\n").unwrap();
        let auth = AuthConfig {
            bearer_token_file: Some(dir.clone()),
            ..AuthConfig::default()
        };
        let header = authorization(&auth).unwrap();
        std::fs::remove_file(&dir).unwrap();
        assert_eq!(header.to_str().unwrap(), "Bearer t0ken");
        assert!(header.is_sensitive());
        let missing = AuthConfig {
            api_key_file: Some("/nonexistent/key".into()),
            ..AuthConfig::default()
        };
        assert!(
            authorization(&missing)
                .unwrap_err()
                .to_string()
                .contains("api_key_file")
        );
    }
}
