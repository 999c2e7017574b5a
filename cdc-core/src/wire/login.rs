//! From the start-up packet to the server's readiness, without IO.

use std::collections::BTreeMap;

use bytes::BytesMut;
use postgres_protocol::message::frontend;

use super::auth::{Authentication, Credentials};
use super::body::Body;
use super::options::ConnectOptions;
use super::response::{Doing, Response};
use super::session::Purpose;
use crate::{Error, ErrorKind};

/// A log-in under way.
pub(super) struct Login {
    authentication: Authentication,
    whom: String,
    consented: bool,
    parameters: BTreeMap<String, String>,
}

/// Settings that decide how the server writes values as text, or whether it gives up on us. They are fixed for every
/// connection so that neither `postgresql.conf` nor a role's or database's settings change what we read.
const PINNED: [(&str, &str); 11] = [
    ("datestyle", "ISO"),
    ("intervalstyle", "postgres"),
    ("extra_float_digits", "3"),
    ("bytea_output", "hex"),
    ("timezone", "UTC"),
    ("lc_monetary", "C"),
    ("search_path", ""),
    // From 18 on a warning is all that tells of a missing publication.
    ("client_min_messages", "notice"),
    ("statement_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    ("lock_timeout", "0"),
];

impl Login {
    /// Begins: appends the start-up packet to `out`.
    ///
    /// # Errors
    /// A parameter that holds a zero byte.
    pub(super) fn begin(
        o: &ConnectOptions,
        purpose: Purpose,
        application_name: &str,
        credentials: Credentials,
        whom: String,
        out: &mut BytesMut,
    ) -> Result<Self, Error> {
        let options = pinned(o.options.as_deref(), purpose);
        let mut packet = vec![
            ("user", o.user.as_str()),
            ("database", o.database.as_str()),
            ("client_encoding", "UTF8"),
            (
                "application_name",
                o.application_name.as_deref().unwrap_or(application_name),
            ),
            ("options", options.as_str()),
        ];
        if purpose == Purpose::Replication {
            packet.push(("replication", "database"));
        }
        frontend::startup_message(packet, out).map_err(|e| {
            Error::new(ErrorKind::Config, "a connection parameter holds a zero byte").with_source(e)
        })?;
        Ok(Self {
            authentication: Authentication::new(credentials),
            whom,
            consented: false,
            parameters: BTreeMap::new(),
        })
    }

    /// Takes one message, appends the answer to `out`; true once the server is ready for queries.
    ///
    /// # Errors
    /// The server's refusal, or a message that does not belong here.
    pub(super) fn on_message(&mut self, tag: u8, body: &[u8], out: &mut BytesMut) -> Result<bool, Error> {
        match tag {
            b'R' if !self.consented => {
                self.consented = self.authentication.answer(body, out)?;
                Ok(false)
            }
            b'S' if self.consented => {
                let (name, value) = parameter(body)?;
                self.parameters.insert(name, value);
                Ok(false)
            }
            b'K' if self.consented => Ok(false),
            b'Z' if self.consented => Ok(true),
            b'N' => {
                let notice = Response::parse(body)?;
                tracing::debug!(
                    code = notice.code(),
                    message = notice.message,
                    "notice during log-in"
                );
                Ok(false)
            }
            b'E' => Err(Response::parse(body)?.into_error(Doing::Login(&self.whom))),
            _ => Err(Error::new(
                ErrorKind::Protocol,
                format!(
                    "message {:?} during log-in of {}: is this a PostgreSQL server?",
                    char::from(tag),
                    self.whom
                ),
            )),
        }
    }

    /// The parameters that the server has reported.
    pub(super) fn into_parameters(self) -> BTreeMap<String, String> {
        self.parameters
    }
}

/// Reads a ParameterStatus.
pub(super) fn parameter(body: &[u8]) -> Result<(String, String), Error> {
    let mut body = Body::new("parameter status", body);
    Ok((body.text("name")?.to_owned(), body.text("value")?.to_owned()))
}

/// The number form of `server_version`: `15.18 (Debian …)` is 150018, `18beta1` is 180000, `9.6.24` is 90624.
pub(super) fn version_number(text: &str) -> Option<u32> {
    let number = text.split([' ', '(']).next()?;
    let mut parts = number.split('.').map(|p| {
        let digits = p.bytes().take_while(u8::is_ascii_digit).count();
        p.get(..digits).and_then(|d| d.parse::<u32>().ok())
    });
    let major = parts.next()??;
    let minor = parts.next().flatten().unwrap_or(0);
    if major >= 10 {
        return major.checked_mul(10_000)?.checked_add(minor);
    }
    let patch = parts.next().flatten().unwrap_or(0);
    major
        .checked_mul(10_000)?
        .checked_add(minor.checked_mul(100)?)?
        .checked_add(patch)
}

fn pinned(given: Option<&str>, purpose: Purpose) -> String {
    // The last one counts, so ours come last.
    let mut options = given.unwrap_or_default().to_owned();
    let row_security = (purpose == Purpose::Sql).then_some(("row_security", "off"));
    for (name, value) in PINNED.into_iter().chain(row_security) {
        if !options.is_empty() {
            options.push(' ');
        }
        options.push_str("-c ");
        options.push_str(name);
        options.push('=');
        options.push_str(value);
    }
    options
}

#[cfg(test)]
mod tests {
    use super::super::options::{ChannelBinding, Host};
    use super::*;

    fn begin(purpose: Purpose, out: &mut BytesMut) -> Login {
        let host = Host {
            name: "h".into(),
            address: None,
            port: 1,
        };
        let mut o = ConnectOptions::with_defaults(vec![host], "u".into(), "d".into());
        o.options = Some("-c datestyle=German".into());
        let credentials = Credentials {
            user: "u".into(),
            password: None,
            private: true,
            end_point: None,
            channel_binding: ChannelBinding::Prefer,
            allowed: Vec::new(),
        };
        Login::begin(&o, purpose, "test", credentials, "u@h:1/d".into(), out).unwrap()
    }

    fn text(out: &[u8]) -> String {
        String::from_utf8_lossy(out).replace('\0', "|")
    }

    #[test]
    fn the_packet_asks_for_replication_only_where_wanted() {
        let mut out = BytesMut::new();
        begin(Purpose::Replication, &mut out);
        assert!(text(&out).contains("|replication|database|"));
        assert!(!text(&out).contains("row_security"));
        out.clear();
        begin(Purpose::Sql, &mut out);
        assert!(!text(&out).contains("replication") && text(&out).contains("-c row_security=off"));
    }

    #[test]
    fn pinned_settings_come_after_given_ones() {
        let mut out = BytesMut::new();
        begin(Purpose::Sql, &mut out);
        let sent = text(&out);
        assert!(sent.find("German").unwrap() < sent.find("datestyle=ISO").unwrap());
        assert!(sent.contains("-c search_path= -c client_min_messages=notice -c statement_timeout=0"));
    }

    #[test]
    fn messages_in_their_order_lead_to_readiness() {
        let mut out = BytesMut::new();
        let mut login = begin(Purpose::Sql, &mut out);
        out.clear();
        assert!(!login.on_message(b'R', &[0, 0, 0, 0], &mut out).unwrap());
        assert!(
            !login
                .on_message(b'S', b"server_version\x0015.18\0", &mut out)
                .unwrap()
        );
        assert!(!login.on_message(b'K', &[0; 8], &mut out).unwrap());
        assert!(login.on_message(b'Z', b"I", &mut out).unwrap());
        assert!(out.is_empty());
        assert_eq!(
            login.into_parameters().get("server_version").map(String::as_str),
            Some("15.18")
        );
    }

    #[test]
    fn readiness_before_consent_is_refused() {
        let mut out = BytesMut::new();
        for tag in [b'Z', b'S', b'K', b'T', b'H'] {
            let error = begin(Purpose::Sql, &mut out)
                .on_message(tag, b"I", &mut out)
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Protocol);
        }
    }

    #[test]
    fn versions() {
        for (text, number) in [
            ("15.18 (Debian 15.18-0+deb12u1)", 150_018),
            ("18beta1", 180_000),
            ("9.6.24", 90_624),
            ("17", 170_000),
        ] {
            assert_eq!(version_number(text), Some(number), "{text}");
        }
        assert_eq!(version_number("x"), None);
    }
}
