//! The server's questions during log-in and our answers, without IO.

use bytes::BytesMut;
use postgres_protocol::authentication::{md5_hash, sasl};
use postgres_protocol::message::frontend;
use secrecy::{ExposeSecret as _, SecretString};

use super::body::Body;
use super::options::ChannelBinding;
use crate::{Error, ErrorKind};

/// What log-in may use and must hold to.
pub(super) struct Credentials {
    pub(super) user: String,
    pub(super) password: Option<SecretString>,
    /// Nobody on the way can read what is sent.
    pub(super) private: bool,
    /// `tls-server-end-point` data of the TLS connection, if there is one and its certificate defines them.
    pub(super) end_point: Option<Vec<u8>>,
    pub(super) channel_binding: ChannelBinding,
    /// Methods the server may ask for, as `require_auth` names them; empty allows all.
    pub(super) allowed: Vec<String>,
}

/// One log-in, from the server's first question to its consent.
pub(super) struct Authentication {
    credentials: Credentials,
    stage: Stage,
    /// Set once the answer was bound to the TLS channel.
    bound: bool,
}

/// What has happened so far; named by what is awaited.
enum Stage {
    /// The server's choice of a method.
    ExpectMethod,
    /// Consent: a password was sent.
    ExpectOk,
    /// The challenge to our first SCRAM message.
    ExpectChallenge(Box<sasl::ScramSha256>),
    /// The server's proof that it knows the password too.
    ExpectProof(Box<sasl::ScramSha256>),
    /// Everything: the server has consented.
    Done,
}

/// Largest number of SCRAM iterations that postgres-protocol works through for a server not yet trusted.
const MAX_ITERATIONS: u32 = 100_000;

impl Authentication {
    /// A log-in that has not begun.
    pub(super) fn new(credentials: Credentials) -> Self {
        Self {
            credentials,
            stage: Stage::ExpectMethod,
            bound: false,
        }
    }

    /// Answers one authentication message (its body, after tag `R`) by appending to `out`.
    /// Returns whether the server has consented.
    ///
    /// # Errors
    /// A question that we cannot or must not answer, or a proof that is wrong.
    pub(super) fn answer(&mut self, body: &[u8], out: &mut BytesMut) -> Result<bool, Error> {
        let mut body = Body::new("authentication request", body);
        let code = body.i32("code")?;
        self.stage = match (code, std::mem::replace(&mut self.stage, Stage::Done)) {
            (0, stage @ (Stage::ExpectMethod | Stage::ExpectOk)) => {
                self.check_consent(&stage)?;
                Stage::Done
            }
            (3, Stage::ExpectMethod) => self.cleartext(out)?,
            (5, Stage::ExpectMethod) => {
                let salt = body.take(4, "salt")?;
                self.md5(salt, out)?
            }
            (10, Stage::ExpectMethod) => self.sasl(body, out)?,
            (11, Stage::ExpectChallenge(scram)) => challenge(scram, body.rest(), out)?,
            (12, Stage::ExpectProof(mut scram)) => {
                scram.finish(body.rest()).map_err(|e| {
                    auth("the server could not prove that it knows the password: this may not be the right server")
                        .with_source(e)
                })?;
                Stage::ExpectOk
            }
            (2 | 6..=9, Stage::ExpectMethod) => {
                return Err(
                    auth("the server asks for Kerberos, GSSAPI or SSPI, which is not supported")
                        .with_hint("let pg_hba.conf ask this user for scram-sha-256"),
                );
            }
            (code, _) => {
                return Err(Error::new(
                    ErrorKind::Protocol,
                    format!("authentication request {code} came at a wrong time or is unknown"),
                ));
            }
        };
        Ok(matches!(self.stage, Stage::Done))
    }

    fn check_consent(&self, stage: &Stage) -> Result<(), Error> {
        if matches!(stage, Stage::ExpectMethod) {
            self.allow("none")?;
        }
        if self.credentials.channel_binding == ChannelBinding::Require && !self.bound {
            return Err(auth(
                "the server let us in without channel binding, which channel_binding=require demands",
            ));
        }
        Ok(())
    }

    fn allow(&self, method: &str) -> Result<(), Error> {
        let allowed = &self.credentials.allowed;
        if allowed.is_empty() || allowed.iter().any(|a| a == method) {
            return Ok(());
        }
        Err(auth(format!(
            "the server chose authentication method {method:?}, which require_auth does not allow"
        )))
    }

    /// Methods that cannot be bound to the channel are not even begun where binding is required.
    fn allow_unbound(&self, method: &str) -> Result<(), Error> {
        self.allow(method)?;
        if self.credentials.channel_binding == ChannelBinding::Require {
            return Err(auth(format!(
                "channel_binding=require, but the server asks for authentication method {method:?}"
            )));
        }
        Ok(())
    }

    fn password(&self) -> Result<&SecretString, Error> {
        self.credentials.password.as_ref().ok_or_else(|| {
            auth(format!(
                "the server asks for the password of user {:?}, and none is given",
                self.credentials.user
            ))
            .with_hint("give a password: in the connection text, by a file, PGPASSWORD or ~/.pgpass")
        })
    }

    fn cleartext(&self, out: &mut BytesMut) -> Result<Stage, Error> {
        self.allow_unbound("password")?;
        if !self.credentials.private {
            return Err(
                auth("the server asks for the password in clear over an unencrypted connection")
                    .with_hint("use sslmode=verify-full, or let pg_hba.conf ask for scram-sha-256"),
            );
        }
        send_password(self.password()?.expose_secret().as_bytes(), out)
    }

    fn md5(&self, salt: &[u8], out: &mut BytesMut) -> Result<Stage, Error> {
        self.allow_unbound("md5")?;
        let salt = salt.try_into().unwrap_or_default();
        tracing::warn!(
            user = self.credentials.user,
            "the server keeps an md5 password for this user: weak, and deprecated since PostgreSQL 18"
        );
        let hash = md5_hash(
            self.credentials.user.as_bytes(),
            self.password()?.expose_secret().as_bytes(),
            salt,
        );
        send_password(hash.as_bytes(), out)
    }

    fn sasl(&mut self, mut body: Body<'_>, out: &mut BytesMut) -> Result<Stage, Error> {
        self.allow("scram-sha-256")?;
        let (mut plain, mut plus) = (false, false);
        loop {
            match body.text("mechanism")? {
                "" => break,
                sasl::SCRAM_SHA_256 => plain = true,
                sasl::SCRAM_SHA_256_PLUS => plus = true,
                _ => {}
            }
        }
        let wish = self.credentials.channel_binding;
        let end_point = self
            .credentials
            .end_point
            .clone()
            .filter(|_| wish != ChannelBinding::Disable);
        let (mechanism, binding) = match end_point {
            Some(data) if plus => {
                self.bound = true;
                (
                    sasl::SCRAM_SHA_256_PLUS,
                    sasl::ChannelBinding::tls_server_end_point(data),
                )
            }
            _ if wish == ChannelBinding::Require => {
                return Err(auth(
                    "channel_binding=require needs TLS and a server that offers SCRAM-SHA-256-PLUS",
                ));
            }
            // Says that we could have bound: a server that did offer it notices if its offer was removed on the way.
            Some(_) if plain => (sasl::SCRAM_SHA_256, sasl::ChannelBinding::unrequested()),
            None if plain => (sasl::SCRAM_SHA_256, sasl::ChannelBinding::unsupported()),
            _ => {
                return Err(auth(
                    "the server offers no SASL mechanism that we know (SCRAM-SHA-256)",
                ));
            }
        };
        let scram = sasl::ScramSha256::new(self.password()?.expose_secret().as_bytes(), binding);
        frontend::sasl_initial_response(mechanism, scram.message(), out).map_err(too_long)?;
        Ok(Stage::ExpectChallenge(Box::new(scram)))
    }
}

fn challenge(mut scram: Box<sasl::ScramSha256>, message: &[u8], out: &mut BytesMut) -> Result<Stage, Error> {
    let iterations = std::str::from_utf8(message)
        .ok()
        .and_then(|m| m.split(',').find_map(|part| part.strip_prefix("i=")))
        .and_then(|n| n.parse::<u32>().ok());
    if iterations.is_some_and(|n| n > MAX_ITERATIONS) {
        return Err(auth(format!(
            "the server's password needs more than {MAX_ITERATIONS} SCRAM iterations, which is refused"
        ))
        .with_hint("lower scram_iterations on the server and set the password again"));
    }
    scram
        .update(message)
        .map_err(|e| auth("the server's SCRAM challenge is not valid").with_source(e))?;
    frontend::sasl_response(scram.message(), out).map_err(too_long)?;
    Ok(Stage::ExpectProof(scram))
}

fn send_password(password: &[u8], out: &mut BytesMut) -> Result<Stage, Error> {
    frontend::password_message(password, out)
        .map_err(|e| auth("the password holds a zero byte, which no server accepts").with_source(e))?;
    Ok(Stage::ExpectOk)
}

fn auth(context: impl Into<String>) -> Error {
    Error::new(ErrorKind::Auth, context)
}

fn too_long(error: std::io::Error) -> Error {
    auth("the answer to the server's log-in question cannot be sent").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> Credentials {
        Credentials {
            user: "u".into(),
            password: Some("pencil".to_owned().into()),
            private: false,
            end_point: None,
            channel_binding: ChannelBinding::Prefer,
            allowed: Vec::new(),
        }
    }

    fn request(code: i32, rest: &[u8]) -> Vec<u8> {
        let mut body = code.to_be_bytes().to_vec();
        body.extend_from_slice(rest);
        body
    }

    fn sasl_offer(names: &[&str]) -> Vec<u8> {
        let mut rest = Vec::new();
        for n in names {
            rest.extend_from_slice(n.as_bytes());
            rest.push(0);
        }
        rest.push(0);
        request(10, &rest)
    }

    fn ask(c: Credentials, body: &[u8]) -> Result<(bool, BytesMut), Error> {
        let mut out = BytesMut::new();
        Authentication::new(c)
            .answer(body, &mut out)
            .map(|done| (done, out))
    }

    fn contains(out: &[u8], text: &str) -> bool {
        out.windows(text.len()).any(|w| w == text.as_bytes())
    }

    #[test]
    fn trust_needs_no_answer() {
        let (done, out) = ask(credentials(), &request(0, b"")).unwrap();
        assert!(done && out.is_empty());
    }

    #[test]
    fn a_password_in_clear_is_sent_only_where_nobody_can_read_it() {
        let error = ask(credentials(), &request(3, b"")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth);
        let c = Credentials {
            private: true,
            ..credentials()
        };
        let (done, out) = ask(c, &request(3, b"")).unwrap();
        assert!(!done && contains(&out, "pencil"));
    }

    #[test]
    fn md5_is_the_double_hash() {
        let (_, out) = ask(credentials(), &request(5, b"abcd")).unwrap();
        assert!(contains(&out, &md5_hash(b"u", b"pencil", *b"abcd")));
        assert!(!contains(&out, "pencil"));
    }

    #[test]
    fn a_missing_password_is_said() {
        let c = Credentials {
            password: None,
            ..credentials()
        };
        let error = ask(c, &sasl_offer(&["SCRAM-SHA-256"])).unwrap_err();
        assert!(error.to_string().contains("none is given"), "{error}");
    }

    #[test]
    fn scram_binds_to_the_channel_where_it_can() {
        let both = sasl_offer(&["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]);
        let plain = sasl_offer(&["SCRAM-SHA-256"]);
        let tls = |channel_binding| Credentials {
            private: true,
            end_point: Some(vec![1; 32]),
            channel_binding,
            ..credentials()
        };
        use ChannelBinding as B;
        let (_, out) = ask(tls(B::Prefer), &both).unwrap();
        assert!(contains(&out, "SCRAM-SHA-256-PLUS\0") && contains(&out, "p=tls-server-end-point,,"));
        let (_, out) = ask(tls(B::Disable), &both).unwrap();
        assert!(contains(&out, "SCRAM-SHA-256\0") && contains(&out, "n,,n="));
        let (_, out) = ask(tls(B::Prefer), &plain).unwrap();
        assert!(contains(&out, "y,,n="));
        assert!(ask(tls(B::Require), &plain).is_err());
        assert!(ask(tls(B::Require), &request(0, b"")).is_err());
        assert!(ask(tls(B::Require), &request(3, b"")).is_err());
        assert!(ask(credentials(), &sasl_offer(&["OAUTHBEARER"])).is_err());
    }

    #[test]
    fn only_allowed_methods_are_answered() {
        let c = |allowed: &str| Credentials {
            allowed: vec![allowed.to_owned()],
            ..credentials()
        };
        assert!(ask(c("scram-sha-256"), &request(0, b"")).is_err());
        assert!(ask(c("scram-sha-256"), &request(5, b"abcd")).is_err());
        assert!(ask(c("none"), &request(0, b"")).is_ok());
    }

    #[test]
    fn consent_before_the_servers_proof_is_refused() {
        let mut a = Authentication::new(credentials());
        let mut out = BytesMut::new();
        a.answer(&sasl_offer(&["SCRAM-SHA-256"]), &mut out).unwrap();
        assert_eq!(
            a.answer(&request(0, b""), &mut out).unwrap_err().kind(),
            ErrorKind::Protocol
        );
    }

    #[test]
    fn too_many_iterations_are_refused_with_the_reason() {
        let mut a = Authentication::new(credentials());
        let mut out = BytesMut::new();
        a.answer(&sasl_offer(&["SCRAM-SHA-256"]), &mut out).unwrap();
        let error = a
            .answer(&request(11, b"r=x,s=eA==,i=100001"), &mut out)
            .unwrap_err();
        assert!(error.to_string().contains("100000"), "{error}");
    }

    #[test]
    fn broken_requests_are_errors() {
        for bad in [
            &b""[..],
            b"\0\0",
            &request(5, b"ab"),
            &request(10, b"SCRAM"),
            &request(77, b""),
        ] {
            assert!(ask(credentials(), bad).is_err());
        }
    }
}
