//! What to connect to, and how: libpq's parameters, validated.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::environment::Environment;
use super::{conninfo, passfile};
use crate::{Error, ErrorKind};

/// How far TLS is asked for: libpq's `sslmode`. Without one it is `prefer`, so that a URL means here what it means to
/// libpq; only `verify-full` protects against somebody in the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsMode {
    /// Never.
    Disable,
    /// Only if the server refuses to do without.
    Allow,
    /// If the server can; without checking its certificate.
    Prefer,
    /// Always; the certificate is checked only if a root certificate is given.
    Require,
    /// Always, with a certificate from a trusted authority.
    VerifyCa,
    /// Always, with a certificate from a trusted authority for the host's name.
    VerifyFull,
}

/// How TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsNegotiation {
    /// By a request inside PostgreSQL's protocol.
    Postgres,
    /// At once (PostgreSQL 17).
    Direct,
}

/// Which certificates are trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootCertificates {
    /// Those of this PEM file.
    File(PathBuf),
    /// Those of the operating system.
    System,
}

/// Whether SCRAM is bound to the TLS channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelBinding {
    /// Never.
    Disable,
    /// If the server offers it.
    Prefer,
    /// Always: the connection fails rather than log in without.
    Require,
}

/// Which of several servers is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetSessionAttrs {
    /// The first that answers.
    Any,
    /// One that accepts writes by default.
    ReadWrite,
    /// One that refuses writes by default.
    ReadOnly,
    /// One that is not in recovery.
    Primary,
    /// One that is in recovery.
    Standby,
    /// One that is in recovery if there is one, else any.
    PreferStandby,
}

/// One server to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Name, address, or the directory of a Unix socket (then it starts with `/`, or `@` for an abstract one).
    pub name: String,
    /// Address to use instead of looking the name up.
    pub address: Option<IpAddr>,
    /// Port.
    pub port: u16,
}

/// TLS parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsOptions {
    /// `sslmode`.
    pub mode: TlsMode,
    /// `sslnegotiation`.
    pub negotiation: TlsNegotiation,
    /// `sslrootcert`, or `~/.postgresql/root.crt` if it exists. Without either, `verify-full` trusts the operating
    /// system's authorities, and `verify-ca` is refused.
    pub roots: Option<RootCertificates>,
    /// `sslcert`, or `~/.postgresql/postgresql.crt` if it exists.
    pub certificate: Option<PathBuf>,
    /// `sslkey`, or `~/.postgresql/postgresql.key` if it exists.
    pub key: Option<PathBuf>,
    /// `sslsni`: whether the host's name is sent in clear.
    pub sni: bool,
    /// `ssl_min_protocol_version` is `TLSv1.3`.
    pub only_tls13: bool,
}

/// TCP keep-alive parameters; what is not given is left to the operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalives {
    /// `keepalives`.
    pub on: bool,
    /// `keepalives_idle`.
    pub idle: Option<Duration>,
    /// `keepalives_interval`.
    pub interval: Option<Duration>,
    /// `keepalives_count`.
    pub count: Option<u32>,
}

/// Where the password comes from, in the order in which it is looked for.
#[derive(Clone, Default)]
pub(super) struct PasswordSource {
    pub(super) literal: Option<SecretString>,
    /// A file that holds the password and nothing else; read at every connection, so that it can be changed.
    pub(super) file: Option<PathBuf>,
    /// `~/.pgpass` or what stands for it.
    pub(super) passfile: Option<PathBuf>,
}

/// Everything needed to open a connection. `Debug` shows no secret.
#[derive(Clone)]
pub struct ConnectOptions {
    pub(super) hosts: Vec<Host>,
    pub(super) user: String,
    pub(super) database: String,
    pub(super) password: PasswordSource,
    pub(super) tls: TlsOptions,
    pub(super) channel_binding: ChannelBinding,
    pub(super) require_auth: Vec<String>,
    pub(super) target: TargetSessionAttrs,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) keepalives: Keepalives,
    pub(super) tcp_user_timeout: Option<Duration>,
    pub(super) options: Option<String>,
    pub(super) application_name: Option<String>,
    pub(super) max_message: usize,
}

/// The server's own limit of one message.
const MAX_MESSAGE: usize = 1 << 30;
/// Where no `connect_timeout` is given. A silent address must not stop a pipeline for the kernel's two minutes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Dead peers are noticed after 30 + 3 × 10 seconds, half of a server's usual `wal_sender_timeout` after it noticed us.
const KEEPALIVES: Keepalives = Keepalives {
    on: true,
    idle: Some(Duration::from_secs(30)),
    interval: Some(Duration::from_secs(10)),
    count: Some(3),
};

impl ConnectOptions {
    /// Reads a `postgres://` URL or a `key=value` text. What it leaves out is taken from `PG*` variables and, at every
    /// connection, `~/.pgpass`, as libpq does.
    ///
    /// # Errors
    /// An unknown parameter, one that pgcdc cannot honour, or a wrong value; the text names the parameter.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let variable = |name: &str| std::env::var(name).ok();
        let exists = |path: &std::path::Path| path.exists();
        Self::parse_in(text, &Environment::new(&variable, &exists))
    }

    /// Whether such a text holds a password itself.
    #[must_use]
    pub fn holds_password(text: &str) -> bool {
        conninfo::split(text).is_ok_and(|all| all.iter().any(|(key, _)| key.ends_with("password")))
    }

    pub(super) fn parse_in(text: &str, environment: &Environment<'_>) -> Result<Self, Error> {
        let mut draft = super::parameters::Parameters::default();
        for (key, value) in environment.parameters() {
            draft.set(key, value)?;
        }
        for (key, value) in conninfo::split(text)? {
            draft.set(&key, value)?;
        }
        draft.build(environment)
    }

    /// Options with every default for these servers.
    pub(super) fn with_defaults(hosts: Vec<Host>, user: String, database: String) -> Self {
        Self {
            hosts,
            user,
            database,
            password: PasswordSource::default(),
            tls: TlsOptions {
                mode: TlsMode::Prefer,
                negotiation: TlsNegotiation::Postgres,
                roots: None,
                certificate: None,
                key: None,
                sni: true,
                only_tls13: false,
            },
            channel_binding: ChannelBinding::Prefer,
            require_auth: Vec::new(),
            target: TargetSessionAttrs::Any,
            connect_timeout: Some(CONNECT_TIMEOUT),
            keepalives: KEEPALIVES,
            tcp_user_timeout: None,
            options: None,
            application_name: None,
            max_message: MAX_MESSAGE,
        }
    }

    /// Database name.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
    }

    /// User name.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The servers to try, in this order.
    #[must_use]
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// `user@host:port/db`, with all hosts, for messages; no secret.
    #[must_use]
    pub fn describe(&self) -> String {
        let hosts: Vec<String> = self.hosts.iter().map(ToString::to_string).collect();
        format!("{}@{}/{}", self.user, hosts.join(","), self.database)
    }

    /// The same server, another database.
    #[must_use]
    pub fn with_database(mut self, name: &str) -> Self {
        name.clone_into(&mut self.database);
        self
    }

    /// Replaces the user.
    #[must_use]
    pub fn with_user(mut self, name: &str) -> Self {
        name.clone_into(&mut self.user);
        self
    }

    /// Replaces the servers to try.
    #[must_use]
    pub fn with_hosts(mut self, hosts: Vec<Host>) -> Self {
        self.hosts = hosts;
        self
    }

    /// Replaces the password.
    #[must_use]
    pub fn with_password(mut self, password: SecretString) -> Self {
        self.password.literal = Some(password);
        self
    }

    /// Takes the password from a file that holds nothing else; it is read at every connection and wins over a password
    /// given otherwise. One line end after the password is not part of it.
    #[must_use]
    pub fn with_password_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.password.literal = None;
        self.password.file = Some(path.into());
        self
    }

    /// Replaces the TLS parameters.
    #[must_use]
    pub fn with_tls(mut self, tls: TlsOptions) -> Self {
        self.tls = tls;
        self
    }

    /// The TLS parameters.
    #[must_use]
    pub fn tls(&self) -> &TlsOptions {
        &self.tls
    }

    /// Replaces `channel_binding`.
    #[must_use]
    pub fn with_channel_binding(mut self, channel_binding: ChannelBinding) -> Self {
        self.channel_binding = channel_binding;
        self
    }

    /// Replaces `target_session_attrs`.
    #[must_use]
    pub fn with_target(mut self, target: TargetSessionAttrs) -> Self {
        self.target = target;
        self
    }

    /// Replaces the time allowed for each server until log-in is complete; none waits for ever.
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Replaces the keep-alive parameters.
    #[must_use]
    pub fn with_keepalives(mut self, keepalives: Keepalives) -> Self {
        self.keepalives = keepalives;
        self
    }

    /// Replaces the largest message accepted, in bytes; default 1 GiB, the server's own limit.
    #[must_use]
    pub fn with_max_message(mut self, bytes: usize) -> Self {
        self.max_message = bytes;
        self
    }

    /// The password for one server, or none if there is none anywhere.
    ///
    /// # Errors
    /// A password file of ours that cannot be read.
    pub(super) fn password_for(&self, host: &Host) -> Result<Option<SecretString>, Error> {
        if let Some(literal) = &self.password.literal {
            return Ok(Some(literal.clone()));
        }
        if let Some(path) = &self.password.file {
            let text = std::fs::read_to_string(path)
                .map(SecretString::from)
                .map_err(|e| {
                    Error::new(
                        ErrorKind::Config,
                        format!("cannot read password file {}", path.display()),
                    )
                    .with_source(e)
                })?;
            return Ok(Some(
                text.expose_secret().lines().next().unwrap_or_default().into(),
            ));
        }
        let whose = passfile::Whose {
            // libpq looks a default socket directory up as localhost.
            host: if host.is_socket() { "localhost" } else { &host.name },
            port: host.port,
            database: &self.database,
            user: &self.user,
        };
        Ok(self
            .password
            .passfile
            .as_deref()
            .and_then(|path| passfile::look_up(path, whose)))
    }
}

impl Host {
    /// Whether this is the directory of a Unix socket.
    #[must_use]
    pub fn is_socket(&self) -> bool {
        self.name.starts_with(['/', '@'])
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(f, "[{}]:{}", self.name, self.port)
        } else {
            write!(f, "{}:{}", self.name, self.port)
        }
    }
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("to", &self.describe())
            .field("tls", &self.tls)
            .field("channel_binding", &self.channel_binding)
            .field("target_session_attrs", &self.target)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str) -> Host {
        Host {
            name: name.into(),
            address: None,
            port: 1,
        }
    }

    #[test]
    fn no_text_shows_the_password() {
        let o = ConnectOptions::with_defaults(vec![host("h")], "u".into(), "d".into())
            .with_password("geheim".to_owned().into());
        assert!(!format!("{o:?} {}", o.describe()).contains("geheim"));
        assert_eq!(o.describe(), "u@h:1/d");
        assert_eq!(o.with_database("e").describe(), "u@h:1/e");
        assert_eq!(host("::1").to_string(), "[::1]:1");
    }

    #[test]
    fn a_password_file_is_read_anew_each_time() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let o = ConnectOptions::with_defaults(vec![host("h")], "u".into(), "d".into())
            .with_password_file(file.path());
        for (text, password) in [
            ("one\n", "one"),
            ("two\r\n", "two"),
            (" three \nfour\n", " three "),
        ] {
            std::fs::write(file.path(), text).unwrap();
            let found = o.password_for(&o.hosts()[0]).unwrap().unwrap();
            assert_eq!(found.expose_secret(), password);
        }
        let missing = o.with_password_file("/nowhere/at/all");
        assert_eq!(
            missing.password_for(&host("h")).unwrap_err().kind(),
            ErrorKind::Config
        );
    }
}
