//! The source's connection: a URL, or single fields in libpq's notation.

use cdc_core::wire::ConnectOptions;
use secrecy::ExposeSecret;

use super::{Problem, SourceConfig, secret};

/// The connection that the section describes.
///
/// # Errors
/// The first fault, at its key.
pub(super) fn connect(config: &SourceConfig) -> Result<ConnectOptions, Problem> {
    let password = secret::resolve(
        "source.password",
        config.password.as_ref(),
        config.password_file.as_deref(),
    )?;
    let (key, options) = if let Some(url) = &config.url {
        if let Some((field, _)) = words(config).into_iter().find(|(_, v)| v.is_some()) {
            let (key, _) = KEYS.iter().find(|(_, word)| *word == field).unwrap_or(&("", ""));
            return Err(Problem::new(
                format!("source.{key}"),
                "`url` is given too: keep one of the two, or put this into the URL",
            ));
        }
        ("source.url", ConnectOptions::parse(url.expose_secret()))
    } else {
        ("source", ConnectOptions::parse(&conninfo(config)))
    };
    let options = options.map_err(|e| Problem::new(key, e.chain()))?;
    Ok(match (&config.password_file, password) {
        // Read again at each connection, so that a changed password needs no restart.
        (Some(file), _) => options.with_password_file(file),
        (None, Some(p)) => options.with_password(p),
        (None, None) => options,
    })
}

/// The single fields in libpq's notation, but for the password.
fn conninfo(config: &SourceConfig) -> String {
    let mut text = String::new();
    for (word, value) in words(config) {
        if let Some(value) = value {
            push_word(&mut text, word, &value);
        }
    }
    text
}

/// Keys of the section whose libpq word differs.
const KEYS: [(&str, &str); 10] = [
    ("host", "host"),
    ("port", "port"),
    ("user", "user"),
    ("database", "dbname"),
    ("sslmode", "sslmode"),
    ("sslrootcert", "sslrootcert"),
    ("sslcert", "sslcert"),
    ("sslkey", "sslkey"),
    ("target_session_attrs", "target_session_attrs"),
    ("channel_binding", "channel_binding"),
];

fn words(c: &SourceConfig) -> [(&'static str, Option<String>); 10] {
    let (host, port) = match &c.host {
        Some(hosts) => {
            let (hosts, ports) = split_hosts(hosts, c.port);
            (Some(hosts), ports)
        }
        None => (None, c.port.map(|p| p.to_string())),
    };
    let path = |p: &Option<std::path::PathBuf>| p.as_ref().map(|p| p.display().to_string());
    [
        ("host", host),
        ("port", port),
        ("user", c.user.clone()),
        ("dbname", c.database.clone()),
        ("sslmode", c.sslmode.map(|m| m.as_str().to_owned())),
        ("sslrootcert", c.sslrootcert.clone()),
        ("sslcert", path(&c.sslcert)),
        ("sslkey", path(&c.sslkey)),
        (
            "target_session_attrs",
            c.target_session_attrs.map(|m| m.as_str().to_owned()),
        ),
        (
            "channel_binding",
            c.channel_binding.map(|m| m.as_str().to_owned()),
        ),
    ]
}

/// Splits `a:1,b,[::1]:2` into libpq's two lists; hosts without a port of their own have the common one.
fn split_hosts(hosts: &str, port: Option<u16>) -> (String, Option<String>) {
    let common = port.map(|p| p.to_string());
    let split = |one: &str| {
        let bare = |host: &str| host.trim_matches(['[', ']']).to_owned();
        let with_port = one
            .rsplit_once(':')
            .filter(|(host, _)| host.ends_with(']') || !host.contains(':'));
        match with_port.filter(|_| !one.starts_with('/')) {
            Some((host, port)) => (bare(host), Some(port.to_owned())),
            None => (bare(one), None),
        }
    };
    let (hosts, own): (Vec<String>, Vec<Option<String>>) = hosts.split(',').map(|h| split(h.trim())).unzip();
    let ports = if own.iter().all(Option::is_none) {
        common
    } else {
        let port = |own: Option<String>| own.or_else(|| common.clone()).unwrap_or_else(|| "5432".into());
        Some(own.into_iter().map(port).collect::<Vec<_>>().join(","))
    };
    (hosts.join(","), ports)
}

/// Appends `word='value'` in libpq's quoting.
fn push_word(text: &mut String, word: &str, value: &str) {
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(word);
    text.push_str("='");
    for c in value.chars() {
        if matches!(c, '\'' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('\'');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_as_libpq_reads_them() {
        let config = SourceConfig {
            host: Some("/var/run/it's".into()),
            database: Some(r"a\b".into()),
            ..SourceConfig::default()
        };
        assert_eq!(conninfo(&config), r"host='/var/run/it\'s' dbname='a\\b'");
    }

    #[test]
    fn hosts_may_have_ports_of_their_own() {
        let config = SourceConfig {
            host: Some("a:1, b ,::1,[::2]:3".into()),
            port: Some(9),
            ..SourceConfig::default()
        };
        assert_eq!(conninfo(&config), "host='a,b,::1,::2' port='1,9,9,3'");
    }

    #[test]
    fn a_password_file_goes_with_a_url() {
        let config = SourceConfig {
            url: Some("postgres://u@h/d?sslmode=disable".to_owned().into()),
            password: Some("p w".to_owned().into()),
            ..SourceConfig::default()
        };
        assert_eq!(connect(&config).unwrap().describe(), "u@h:5432/d");
    }
}
