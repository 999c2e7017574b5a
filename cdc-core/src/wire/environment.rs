//! What libpq takes from the process's surroundings: `PG*` variables, the home directory, the usual socket directories.

use std::path::PathBuf;

/// Read access to the surroundings, so that tests can bring their own.
pub(super) struct Environment<'a> {
    variable: &'a dyn Fn(&str) -> Option<String>,
    exists: &'a dyn Fn(&std::path::Path) -> bool,
}

/// Variables and the parameters they stand for.
const VARIABLES: [(&str, &str); 20] = [
    ("PGHOST", "host"),
    ("PGHOSTADDR", "hostaddr"),
    ("PGPORT", "port"),
    ("PGDATABASE", "dbname"),
    ("PGUSER", "user"),
    ("PGPASSWORD", "password"),
    ("PGPASSFILE", "passfile"),
    ("PGCHANNELBINDING", "channel_binding"),
    ("PGREQUIREAUTH", "require_auth"),
    ("PGAPPNAME", "application_name"),
    ("PGOPTIONS", "options"),
    ("PGCONNECT_TIMEOUT", "connect_timeout"),
    ("PGTARGETSESSIONATTRS", "target_session_attrs"),
    ("PGSSLMODE", "sslmode"),
    ("PGSSLNEGOTIATION", "sslnegotiation"),
    ("PGSSLROOTCERT", "sslrootcert"),
    ("PGSSLCERT", "sslcert"),
    ("PGSSLKEY", "sslkey"),
    ("PGSSLSNI", "sslsni"),
    ("PGSSLMINPROTOCOLVERSION", "ssl_min_protocol_version"),
];

impl<'a> Environment<'a> {
    /// Surroundings from two questions: a variable's value, and whether a file is there.
    pub(super) fn new(
        variable: &'a dyn Fn(&str) -> Option<String>,
        exists: &'a dyn Fn(&std::path::Path) -> bool,
    ) -> Self {
        Self { variable, exists }
    }

    /// The parameters that `PG*` variables give. An empty variable counts as unset, as in libpq.
    pub(super) fn parameters(&self) -> impl Iterator<Item = (&'static str, String)> {
        VARIABLES
            .iter()
            .filter_map(|(variable, key)| Some((*key, self.variable(variable)?)))
    }

    /// The operating system's user, as far as variables tell.
    pub(super) fn user(&self) -> Option<String> {
        self.variable("USER").or_else(|| self.variable("LOGNAME"))
    }

    /// A file in the home directory, whether or not it exists.
    pub(super) fn at_home(&self, path: &str) -> Option<PathBuf> {
        Some(PathBuf::from(self.variable("HOME")?).join(path))
    }

    /// A file in the home directory, if it exists.
    pub(super) fn found_at_home(&self, path: &str) -> Option<PathBuf> {
        self.at_home(path).filter(|p| (self.exists)(p))
    }

    /// Where to connect when no host is given: a local server's socket directory, else `localhost`.
    pub(super) fn default_host(&self, port: u16) -> String {
        ["/var/run/postgresql", "/tmp"]
            .into_iter()
            .find(|d| (self.exists)(&PathBuf::from(d).join(format!(".s.PGSQL.{port}"))))
            .unwrap_or("localhost")
            .to_owned()
    }

    fn variable(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|v| !v.is_empty())
    }
}
