//! The parameters of a connection by name, before they are checked against each other.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::environment::Environment;
use super::options::{
    ChannelBinding, ConnectOptions, Host, PasswordSource, RootCertificates, TargetSessionAttrs, TlsMode,
    TlsNegotiation, TlsOptions,
};
use crate::{Error, ErrorKind};

/// Values by parameter name; every name is one that [`Parameters::build`] reads.
#[derive(Default)]
pub(super) struct Parameters(BTreeMap<&'static str, String>);

/// What is honoured.
const KNOWN: [&str; 30] = [
    "application_name",
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "dbname",
    "fallback_application_name",
    "gssencmode",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "load_balance_hosts",
    "options",
    "passfile",
    "password",
    "port",
    "require_auth",
    "ssl_min_protocol_version",
    "sslcert",
    "sslcompression",
    "sslkey",
    "sslmode",
    "sslnegotiation",
    "sslrootcert",
    "sslsni",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];

/// What libpq knows and we refuse, with the reason.
const REFUSED: [(&str, &str); 15] = [
    (
        "replication",
        "pgcdc decides itself which connections are for replication",
    ),
    (
        "service",
        "service files are not read: give the parameters themselves",
    ),
    (
        "sslpassword",
        "encrypted keys are not supported: give sslkey a key without passphrase",
    ),
    ("sslcertmode", "only its default, allow, is supported"),
    ("sslcrl", "revocation lists are not supported"),
    ("sslcrldir", "revocation lists are not supported"),
    (
        "ssl_max_protocol_version",
        "the newest common version is always used",
    ),
    ("sslkeylogfile", "keys of connections are never written out"),
    ("requirepeer", "it is not supported"),
    ("min_protocol_version", "protocol 3.0 is always used"),
    ("max_protocol_version", "protocol 3.0 is always used"),
    ("krbsrvname", "GSSAPI is not supported"),
    ("gsslib", "GSSAPI is not supported"),
    ("gssdelegation", "GSSAPI is not supported"),
    ("scram_client_key", "log-in by stored SCRAM keys is not supported"),
];

fn bad(key: &str, what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Config, format!("connection parameter {key:?}: {what}"))
}

impl Parameters {
    /// Sets a parameter; a later value replaces an earlier one.
    ///
    /// # Errors
    /// A name that is not honoured.
    pub(super) fn set(&mut self, key: &str, value: String) -> Result<(), Error> {
        match KNOWN.iter().find(|k| **k == key) {
            Some(key) => {
                self.0.insert(key, value);
                Ok(())
            }
            None => Err(match REFUSED.iter().find(|(k, _)| *k == key) {
                Some((_, reason)) => bad(key, reason),
                None => bad(key, "there is no such parameter"),
            }),
        }
    }

    /// The options these parameters mean.
    ///
    /// # Errors
    /// A wrong value, or values that contradict each other.
    pub(super) fn build(self, environment: &Environment<'_>) -> Result<ConnectOptions, Error> {
        self.only("client_encoding", &["UTF8", "utf8", "UTF-8", "utf-8", "auto"])?;
        self.only("load_balance_hosts", &["disable"])?;
        self.only("gssencmode", &["disable", "prefer"])?;
        self.only("sslcompression", &["0"])?;
        let hosts = self.hosts(environment)?;
        let user = match self.get("user") {
            Some(user) => user.to_owned(),
            None => environment
                .user()
                .ok_or_else(|| bad("user", "none is given (nor PGUSER or USER set)"))?,
        };
        let database = self.get("dbname").unwrap_or(&user).to_owned();
        let mut o = ConnectOptions::with_defaults(hosts, user, database);
        o.password = PasswordSource {
            literal: self.get("password").map(|p| p.to_owned().into()),
            file: None,
            passfile: self.path("passfile").or_else(|| environment.at_home(".pgpass")),
        };
        o.tls = self.tls(environment)?;
        o.channel_binding = self
            .choice("channel_binding", &CHANNEL_BINDING)?
            .unwrap_or(o.channel_binding);
        o.target = self.choice("target_session_attrs", &TARGETS)?.unwrap_or(o.target);
        if let Some(list) = self.get("require_auth") {
            o.require_auth = methods(list)?;
        }
        if let Some(seconds) = self.number::<u64>("connect_timeout")? {
            // 0 waits for ever; libpq gives 1 second a second one.
            o.connect_timeout = (seconds > 0).then(|| Duration::from_secs(seconds.max(2)));
        }
        let seconds = |key| {
            Ok::<_, Error>(
                self.number::<u64>(key)?
                    .filter(|s| *s > 0)
                    .map(Duration::from_secs),
            )
        };
        o.keepalives.on = self.switch("keepalives")?.unwrap_or(true);
        o.keepalives.idle = seconds("keepalives_idle")?.or(o.keepalives.idle);
        o.keepalives.interval = seconds("keepalives_interval")?.or(o.keepalives.interval);
        o.keepalives.count = self
            .number("keepalives_count")?
            .filter(|n| *n > 0)
            .or(o.keepalives.count);
        o.tcp_user_timeout = self
            .number::<u64>("tcp_user_timeout")?
            .filter(|ms| *ms > 0)
            .map(Duration::from_millis);
        o.options = self.get("options").map(str::to_owned);
        o.application_name = self
            .get("application_name")
            .or_else(|| self.get("fallback_application_name"))
            .map(str::to_owned);
        Ok(o)
    }

    fn hosts(&self, environment: &Environment<'_>) -> Result<Vec<Host>, Error> {
        let list = |key| match self.get(key) {
            Some(text) => text.split(',').map(|t| t.trim().to_owned()).collect(),
            None => Vec::new(),
        };
        let (names, addresses, ports) = (list("host"), list("hostaddr"), list("port"));
        if !names.is_empty() && !addresses.is_empty() && names.len() != addresses.len() {
            return Err(bad("hostaddr", "its list is not as long as that of \"host\""));
        }
        let count = names.len().max(addresses.len()).max(1);
        if ports.len() > 1 && ports.len() != count {
            return Err(bad("port", "its list is not as long as that of the hosts"));
        }
        (0..count)
            .map(|i| {
                let port = match ports.get(i).or(ports.first()).map(String::as_str) {
                    None | Some("") => 5432,
                    Some(text) => match text.parse::<u16>() {
                        Ok(port) if port > 0 => port,
                        _ => {
                            return Err(bad("port", "it is not a port number (1 to 65535)"));
                        }
                    },
                };
                let address: Option<std::net::IpAddr> = match addresses.get(i).filter(|a| !a.is_empty()) {
                    None => None,
                    Some(text) => Some(
                        text.parse()
                            .map_err(|_| bad("hostaddr", format_args!("{text:?} is not an IP address")))?,
                    ),
                };
                let name = match (names.get(i).filter(|n| !n.is_empty()), address) {
                    (Some(name), _) => name.clone(),
                    (None, Some(address)) => address.to_string(),
                    (None, None) => environment.default_host(port),
                };
                Ok(Host { name, address, port })
            })
            .collect()
    }

    fn tls(&self, environment: &Environment<'_>) -> Result<TlsOptions, Error> {
        let roots = match self.get("sslrootcert") {
            Some("system") => Some(RootCertificates::System),
            Some(path) => Some(RootCertificates::File(path.into())),
            None => environment
                .found_at_home(".postgresql/root.crt")
                .map(RootCertificates::File),
        };
        let system = roots == Some(RootCertificates::System);
        let mode = self.choice("sslmode", &TLS_MODES)?;
        if system && mode.is_some_and(|m| m != TlsMode::VerifyFull) {
            return Err(bad("sslmode", "must be verify-full where sslrootcert=system"));
        }
        let mode = mode.unwrap_or(if system {
            TlsMode::VerifyFull
        } else {
            TlsMode::Prefer
        });
        let negotiation = self
            .choice("sslnegotiation", &NEGOTIATIONS)?
            .unwrap_or(TlsNegotiation::Postgres);
        if negotiation == TlsNegotiation::Direct && mode < TlsMode::Require {
            return Err(bad(
                "sslnegotiation",
                "direct needs sslmode require, verify-ca or verify-full",
            ));
        }
        let certificate = self
            .path("sslcert")
            .or_else(|| environment.found_at_home(".postgresql/postgresql.crt"));
        let key = self
            .path("sslkey")
            .or_else(|| environment.found_at_home(".postgresql/postgresql.key"));
        if self.get("sslcert").is_some() && key.is_none() {
            return Err(bad("sslkey", "is missing (sslcert is given)"));
        }
        let version = self.choice(
            "ssl_min_protocol_version",
            &[("TLSv1.2", false), ("TLSv1.3", true)],
        )?;
        Ok(TlsOptions {
            mode,
            negotiation,
            roots,
            certificate,
            key,
            sni: self.switch("sslsni")?.unwrap_or(true),
            only_tls13: version.unwrap_or(false),
        })
    }

    /// An empty value counts as none, as in libpq.
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str).filter(|v| !v.is_empty())
    }

    fn path(&self, key: &str) -> Option<PathBuf> {
        self.get(key).map(PathBuf::from)
    }

    fn number<T: FromStr>(&self, key: &str) -> Result<Option<T>, Error> {
        self.get(key)
            .map(|v| {
                v.trim()
                    .parse()
                    .map_err(|_| bad(key, format_args!("{v:?} is not a number that fits")))
            })
            .transpose()
    }

    fn switch(&self, key: &str) -> Result<Option<bool>, Error> {
        self.choice(key, &[("0", false), ("1", true)])
    }

    fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Result<Option<T>, Error> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        match choices.iter().find(|(name, _)| *name == value) {
            Some((_, choice)) => Ok(Some(*choice)),
            None => {
                let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
                Err(bad(
                    key,
                    format_args!("{value:?} is none of {}", names.join(", ")),
                ))
            }
        }
    }

    fn only(&self, key: &str, allowed: &[&str]) -> Result<(), Error> {
        let choices: Vec<(&str, ())> = allowed.iter().map(|a| (*a, ())).collect();
        self.choice(key, &choices).map(drop)
    }
}

/// Methods that may be asked of us, as `require_auth` names them.
const METHODS: [&str; 4] = ["password", "md5", "scram-sha-256", "none"];

/// `a,b` allows these, `!a,!b` all but these.
fn methods(list: &str) -> Result<Vec<String>, Error> {
    let names: Vec<&str> = list.split(',').map(str::trim).collect();
    let negated = names.iter().filter(|n| n.starts_with('!')).count();
    if negated != 0 && negated != names.len() {
        return Err(bad(
            "require_auth",
            "methods with and without \"!\" cannot be mixed",
        ));
    }
    for name in &names {
        let plain = name.trim_start_matches('!');
        if !METHODS.contains(&plain) {
            return Err(bad(
                "require_auth",
                format_args!("{plain:?} is none of {}", METHODS.join(", ")),
            ));
        }
    }
    Ok(METHODS
        .iter()
        .filter(|m| names.iter().any(|n| n.trim_start_matches('!') == **m) == (negated == 0))
        .map(|m| (*m).to_owned())
        .collect())
}

const TLS_MODES: [(&str, TlsMode); 6] = [
    ("disable", TlsMode::Disable),
    ("allow", TlsMode::Allow),
    ("prefer", TlsMode::Prefer),
    ("require", TlsMode::Require),
    ("verify-ca", TlsMode::VerifyCa),
    ("verify-full", TlsMode::VerifyFull),
];
const NEGOTIATIONS: [(&str, TlsNegotiation); 2] = [
    ("postgres", TlsNegotiation::Postgres),
    ("direct", TlsNegotiation::Direct),
];
const CHANNEL_BINDING: [(&str, ChannelBinding); 3] = [
    ("disable", ChannelBinding::Disable),
    ("prefer", ChannelBinding::Prefer),
    ("require", ChannelBinding::Require),
];
const TARGETS: [(&str, TargetSessionAttrs); 6] = [
    ("any", TargetSessionAttrs::Any),
    ("read-write", TargetSessionAttrs::ReadWrite),
    ("read-only", TargetSessionAttrs::ReadOnly),
    ("primary", TargetSessionAttrs::Primary),
    ("standby", TargetSessionAttrs::Standby),
    ("prefer-standby", TargetSessionAttrs::PreferStandby),
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use secrecy::ExposeSecret as _;

    use super::*;

    fn parse_in(text: &str, variables: &[(&str, &str)], files: &[&str]) -> Result<ConnectOptions, Error> {
        let variable = |n: &str| {
            variables
                .iter()
                .find(|(k, _)| *k == n)
                .map(|(_, v)| (*v).to_owned())
        };
        let exists = |p: &Path| files.iter().any(|f| Path::new(f) == p);
        ConnectOptions::parse_in(text, &Environment::new(&variable, &exists))
    }

    fn parse(text: &str) -> Result<ConnectOptions, Error> {
        parse_in(text, &[("USER", "os")], &[])
    }

    #[test]
    fn the_text_wins_over_variables_and_they_over_defaults() {
        let variables = [
            ("PGHOST", "vh"),
            ("PGPORT", "7"),
            ("PGUSER", "vu"),
            ("PGPASSWORD", "vp"),
            ("PGSSLMODE", "require"),
            ("HOME", "/home/x"),
        ];
        let o = parse_in("host=h dbname=d", &variables, &[]).unwrap();
        assert_eq!(o.describe(), "vu@h:7/d");
        assert_eq!(o.tls.mode, TlsMode::Require);
        let password = o.password_for(&o.hosts()[0]).unwrap().unwrap();
        assert_eq!(password.expose_secret(), "vp");
        assert_eq!(o.password.passfile.as_deref(), Some(Path::new("/home/x/.pgpass")));
        assert_eq!(parse("").unwrap().describe(), "os@localhost:5432/os");
    }

    #[test]
    fn a_local_socket_is_the_default_host() {
        let o = parse_in("user=u port=6000", &[], &["/tmp/.s.PGSQL.6000"]).unwrap();
        assert!(o.hosts()[0].is_socket());
        assert_eq!(o.hosts()[0].name, "/tmp");
    }

    #[test]
    fn lists_of_hosts() {
        let o = parse("postgres://u@a:1,b,[::1]:3/d?target_session_attrs=primary").unwrap();
        assert_eq!(o.describe(), "u@a:1,b:5432,[::1]:3/d");
        assert_eq!(o.target, TargetSessionAttrs::Primary);
        let o = parse("host=a,b port=6").unwrap();
        assert_eq!(o.describe(), "os@a:6,b:6/os");
        assert!(parse("host=a,b,c port=1,2").is_err());
        assert!(parse("host=a hostaddr=::1,::1").is_err());
        let o = parse("hostaddr=127.0.0.1 host=name").unwrap();
        assert_eq!(o.hosts()[0].address, Some("127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn a_wrong_parameter_is_named() {
        for (text, key) in [
            ("hots=a", "hots"),
            ("replication=database", "replication"),
            ("sslpassword=x", "sslpassword"),
            ("sslmode=on", "sslmode"),
            ("port=0", "port"),
            ("port=65536", "port"),
            ("hostaddr=h", "hostaddr"),
            ("client_encoding=LATIN1", "client_encoding"),
            ("keepalives=2", "keepalives"),
            ("connect_timeout=soon", "connect_timeout"),
            ("sslrootcert=system sslmode=require", "sslmode"),
            ("sslnegotiation=direct", "sslnegotiation"),
            ("require_auth=gss", "require_auth"),
            ("require_auth=md5,!password", "require_auth"),
            ("sslcert=/c", "sslkey"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{text}");
            assert!(error.to_string().contains(&format!("{key:?}")), "{text}: {error}");
        }
    }

    #[test]
    fn tls_defaults_follow_libpq() {
        let tls = |text| parse(text).unwrap().tls;
        assert_eq!(tls("").mode, TlsMode::Prefer);
        assert_eq!(tls("sslrootcert=system").mode, TlsMode::VerifyFull);
        let o = parse_in(
            "user=u",
            &[("HOME", "/h")],
            &[
                "/h/.postgresql/root.crt",
                "/h/.postgresql/postgresql.key",
                "/h/.postgresql/postgresql.crt",
            ],
        )
        .unwrap();
        assert_eq!(
            o.tls.roots,
            Some(RootCertificates::File("/h/.postgresql/root.crt".into()))
        );
        assert_eq!(o.tls.key, Some("/h/.postgresql/postgresql.key".into()));
    }

    #[test]
    fn numbers_and_methods() {
        let o =
            parse("connect_timeout=1 keepalives_idle=7 keepalives_count=0 tcp_user_timeout=1500").unwrap();
        assert_eq!(o.connect_timeout, Some(Duration::from_secs(2)));
        assert_eq!(o.keepalives.idle, Some(Duration::from_secs(7)));
        assert_eq!(o.keepalives.count, Some(3));
        assert_eq!(o.tcp_user_timeout, Some(Duration::from_millis(1500)));
        assert_eq!(parse("connect_timeout=0").unwrap().connect_timeout, None);
        assert_eq!(
            parse("require_auth=scram-sha-256").unwrap().require_auth,
            ["scram-sha-256"]
        );
        assert_eq!(
            parse("require_auth=!password,!md5").unwrap().require_auth,
            ["scram-sha-256", "none"]
        );
    }
}
