//! The part of a JAAS configuration that names a user: Java's way to say what librdkafka calls `sasl.username`.

use cdc_core::{Error, ErrorKind};

/// Log-in of a `sasl.jaas.config` value.
#[derive(PartialEq, Eq)]
pub(crate) struct Login {
    /// `sasl.mechanism` family that the login module belongs to.
    pub(crate) module: Module,
    pub(crate) username: String,
    pub(crate) password: String,
}

/// Login modules whose options are a user and a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Module {
    Plain,
    Scram,
}

/// Reads `MODULE required username="u" password="p";`.
///
/// # Errors
/// [`ErrorKind::Config`]; the text never holds the value.
pub(crate) fn parse(text: &str) -> Result<Login, Error> {
    let mut words = Words { rest: text };
    let class = words.plain().ok_or_else(|| malformed("it is empty"))?;
    let module = match class.rsplit('.').next() {
        Some("PlainLoginModule") => Module::Plain,
        Some("ScramLoginModule") => Module::Scram,
        _ => {
            return Err(Error::new(
                ErrorKind::Config,
                format!("kafka property sasl.jaas.config names the login module {class}, which has no counterpart here"),
            )
            .with_hint("PlainLoginModule and ScramLoginModule are understood; for Kerberos and OAUTHBEARER set librdkafka's sasl.kerberos.* and sasl.oauthbearer.* properties"));
        }
    };
    words
        .plain()
        .ok_or_else(|| malformed("the control flag (required) is missing"))?;
    let (mut username, mut password) = (None, None);
    while !words.at_end() {
        let name = words.plain().ok_or_else(|| malformed("an option has no name"))?;
        let value = words.value().ok_or_else(|| malformed("an option has no value"))?;
        match name {
            "username" => username = Some(value),
            "password" => password = Some(value),
            "serviceName" | "tokenauth" => {
                return Err(malformed("tokenauth and serviceName are not supported"));
            }
            other => return Err(malformed(&format!("option {other} is not known"))),
        }
    }
    Ok(Login {
        module,
        username: username.ok_or_else(|| malformed("username is missing"))?,
        password: password.ok_or_else(|| malformed("password is missing"))?,
    })
}

fn malformed(what: &str) -> Error {
    Error::new(
        ErrorKind::Config,
        format!("kafka property sasl.jaas.config cannot be read: {what}"),
    )
    .with_hint("set sasl.mechanism, sasl.username and kafka.sasl_password_file instead")
}

struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    fn at_end(&mut self) -> bool {
        self.rest = self.rest.trim_start();
        self.rest.is_empty() || self.rest.starts_with(';')
    }

    /// Up to the next blank, `=` or `;`.
    fn plain(&mut self) -> Option<&'a str> {
        let rest = self.rest.trim_start();
        let end = rest
            .find(|c: char| c.is_whitespace() || c == '=' || c == ';')
            .unwrap_or(rest.len());
        let (word, rest) = rest.split_at_checked(end)?;
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    /// `=` and a word or a quoted string with backslash escapes.
    fn value(&mut self) -> Option<String> {
        let rest = self.rest.trim_start().strip_prefix('=')?.trim_start();
        self.rest = rest;
        let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
            return self.plain().map(str::to_owned);
        };
        let (mut value, mut escaped) = (String::new(), false);
        for (at, c) in rest.char_indices().skip(1) {
            match c {
                _ if escaped => {
                    value.push(c);
                    escaped = false;
                }
                '\\' => escaped = true,
                c if c == quote => {
                    self.rest = rest.get(at + c.len_utf8()..)?;
                    return Some(value);
                }
                c => value.push(c),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_and_scram_log_ins_are_read() {
        let login = parse(
            "org.apache.kafka.common.security.scram.ScramLoginModule required\n username=\"al\\\"ice\" password='se;cret' ;",
        )
        .unwrap();
        assert_eq!(login.module, Module::Scram);
        assert_eq!(login.username, "al\"ice");
        assert_eq!(login.password, "se;cret");
        let login = parse("PlainLoginModule required username=a password=b;").unwrap();
        assert_eq!(
            (login.module, login.username.as_str(), login.password.as_str()),
            (Module::Plain, "a", "b")
        );
    }

    #[test]
    fn what_cannot_be_read_is_refused_without_showing_the_value() {
        for bad in [
            "",
            "PlainLoginModule",
            "PlainLoginModule required username=topsecret;",
            "PlainLoginModule required username=a password=\"topsecret",
            "PlainLoginModule required username=a password=topsecret more=1;",
            "com.sun.security.auth.module.Krb5LoginModule required password=topsecret;",
        ] {
            let Err(error) = parse(bad) else {
                panic!("accepted: {bad}")
            };
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(!error.chain().contains("topsecret"), "{error}");
        }
    }
}
