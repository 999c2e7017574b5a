//! The two texts that say what to connect to: `key=value …` and `postgres://…`, read as libpq reads them.

use crate::{Error, ErrorKind};

/// Splits a connection text into its parameters, in the order written; of repeated ones the last counts.
///
/// # Errors
/// A text that cannot be split. Errors name keys, never values, because any value may be the password.
pub(super) fn split(text: &str) -> Result<Vec<(String, String)>, Error> {
    let text = text.trim();
    match ["postgres://", "postgresql://"]
        .iter()
        .find_map(|p| text.strip_prefix(p))
    {
        Some(rest) => split_url(rest),
        None => split_pairs(text),
    }
}

fn bad(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Config, format!("connection text: {what}"))
}

/// `key = value`, `key='quoted value'`; a backslash takes the next character as it is.
fn split_pairs(text: &str) -> Result<Vec<(String, String)>, Error> {
    let mut pairs = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        if chars.peek().is_none() {
            return Ok(pairs);
        }
        let mut key = String::new();
        while let Some(c) = chars.next_if(|c| !c.is_whitespace() && *c != '=') {
            key.push(c);
        }
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        if chars.next() != Some('=') {
            // The stray word may be part of a password with a space in it: it is not repeated.
            return Err(bad(
                "a word is not followed by \"=\" (want key=value, values with spaces in quotes)",
            ));
        }
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        let quoted = chars.next_if_eq(&'\'').is_some();
        let mut value = String::new();
        loop {
            match chars.next() {
                None if quoted => return Err(bad(format_args!("the quote of {key:?} is not closed"))),
                None => break,
                Some('\'') if quoted => break,
                Some(c) if !quoted && c.is_whitespace() => break,
                Some('\\') => value.extend(chars.next()),
                Some(c) => value.push(c),
            }
        }
        pairs.push((key, value));
    }
}

/// `[user[:password]@][host[:port],…][/database][?key=value&…]`.
fn split_url(rest: &str) -> Result<Vec<(String, String)>, Error> {
    let mut pairs = Vec::new();
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, hosts) = match authority.rsplit_once('@') {
        Some((login, hosts)) => (Some(login), hosts),
        None if database.contains('@') => return Err(bad(ENCODE)),
        None => (None, authority),
    };
    if let Some(login) = login {
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (login, None),
        };
        push(&mut pairs, "user", user)?;
        if let Some(password) = password {
            push(&mut pairs, "password", password)?;
        }
    }
    push_hosts(&mut pairs, hosts)?;
    push(&mut pairs, "dbname", database)?;
    for pair in query.split('&').filter(|p| !p.is_empty()) {
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| bad("a query parameter of the URL has no value (want ?key=value)"))?;
        let key = decode(key, "query parameter")?;
        let value = decode(value, &key)?;
        // JDBC's spelling, which libpq accepts too.
        match (key.as_str(), value.as_str()) {
            ("ssl", "true") => pairs.push(("sslmode".into(), "require".into())),
            _ => pairs.push((key, value)),
        }
    }
    Ok(pairs)
}

const ENCODE: &str = "the URL's host is not followed by a port number: special characters of a password, / ? # @ and :, \
                      are written %2F %3F %23 %40 and %3A, those of a database's name too";

fn push_hosts(pairs: &mut Vec<(String, String)>, text: &str) -> Result<(), Error> {
    if text.is_empty() {
        return Ok(());
    }
    let (mut hosts, mut ports, mut any_port) = (Vec::new(), Vec::new(), false);
    for one in text.split(',') {
        let (host, port) = match one.strip_prefix('[') {
            Some(inner) => {
                let (host, after) = inner
                    .split_once(']')
                    .ok_or_else(|| bad("an IPv6 address of the URL lacks its \"]\""))?;
                match after.strip_prefix(':') {
                    Some(port) => (host, port),
                    None if after.is_empty() => (host, ""),
                    None => {
                        return Err(bad(
                            "an IPv6 address of the URL is followed by something else than a port",
                        ));
                    }
                }
            }
            None => one.split_once(':').unwrap_or((one, "")),
        };
        // What stands here may be half of a password whose special characters were not encoded: it is never repeated.
        if !port.bytes().all(|b| b.is_ascii_digit()) {
            return Err(bad(ENCODE));
        }
        any_port |= !port.is_empty();
        hosts.push(decode(host, "host")?);
        ports.push(decode(port, "port")?);
    }
    pairs.push(("host".into(), hosts.join(",")));
    if any_port {
        pairs.push(("port".into(), ports.join(",")));
    }
    Ok(())
}

fn push(pairs: &mut Vec<(String, String)>, key: &str, value: &str) -> Result<(), Error> {
    if !value.is_empty() {
        pairs.push((key.into(), decode(value, key)?));
    }
    Ok(())
}

/// Undoes percent-encoding.
fn decode(text: &str, key: &str) -> Result<String, Error> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        if b != b'%' {
            out.push(b);
            continue;
        }
        let mut digit = || {
            bytes
                .next()
                .and_then(|d| char::from(d).to_digit(16))
                .and_then(|d| u8::try_from(d).ok())
        };
        match (digit(), digit()) {
            (Some(high), Some(low)) if (high, low) != (0, 0) => out.push((high << 4) | low),
            _ => {
                return Err(bad(format_args!(
                    "{key:?} holds a \"%\" that is not followed by two hexadecimal digits (write %25 for a percent sign)"
                )));
            }
        }
    }
    String::from_utf8(out).map_err(|_| bad(format_args!("{key:?} is not UTF-8 once percent-decoded")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        split(text).unwrap()
    }

    fn want(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect()
    }

    #[test]
    fn pairs_with_quotes_and_backslashes() {
        assert_eq!(
            pairs(r"host = localhost port=5432  password='a \'b\\ c' user=x\ y dbname=''"),
            want(&[
                ("host", "localhost"),
                ("port", "5432"),
                ("password", r"a 'b\ c"),
                ("user", "x y"),
                ("dbname", "")
            ])
        );
        assert!(pairs("  ").is_empty());
    }

    #[test]
    fn urls() {
        assert_eq!(
            pairs("postgres://us%40r:p%3Aw:d@h1:1,[::1]:2,h3/my%2Fdb?sslmode=require&application_name=a%20b"),
            want(&[
                ("user", "us@r"),
                ("password", "p:w:d"),
                ("host", "h1,::1,h3"),
                ("port", "1,2,"),
                ("dbname", "my/db"),
                ("sslmode", "require"),
                ("application_name", "a b")
            ])
        );
        assert_eq!(pairs("postgresql://"), want(&[]));
        assert_eq!(
            pairs("postgres:///db?host=/run/pg"),
            want(&[("dbname", "db"), ("host", "/run/pg")])
        );
        assert_eq!(
            pairs("postgres://%2Frun%2Fpg/db"),
            want(&[("host", "/run/pg"), ("dbname", "db")])
        );
        assert_eq!(
            pairs("postgres://h?ssl=true"),
            want(&[("host", "h"), ("sslmode", "require")])
        );
    }

    #[test]
    fn errors_never_repeat_a_value() {
        for text in [
            "password=geheim geheim2",
            "password='geheim",
            "postgres://u:%zzgeheim@h/d",
            "postgres://u:geheim%00@h/d",
            "postgres://u:geheim@[::1/d",
            "postgres://u:geheim@h/d?password",
            "postgres://u:geheim9/xyz@h/d",
            "postgres://u:9/geheim@h/d",
        ] {
            let error = split(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(!error.chain().contains("geheim"), "{error}");
        }
    }
}
