//! The crate's error: what failed, and what the engine or the operator does about it.

use std::error::Error as StdError;
use std::fmt;

/// What the engine does with a failed operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Wait and start again from the stored offset.
    RetryLater,
    /// Stop: a person must act first; the text says how.
    Operator(&'static str),
    /// Stop: this is a defect of the program or a peer that breaks its protocol.
    Bug,
}

/// Kinds of failure, named after what failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Network or file input and output.
    Io,
    /// The server shuts down, starts up or is out of connections.
    ServerUnavailable,
    /// The slot is in use by another connection.
    SlotBusy,
    /// The slot is missing.
    SlotMissing,
    /// The slot was invalidated, or its WAL is gone.
    SlotLost,
    /// The stored offset and the server do not belong together, or changes between them are gone.
    Gap,
    /// The publication is missing or does not cover what is asked for.
    Publication,
    /// `wal_level` is not `logical`.
    WalLevel,
    /// Log-in refused: user, password, `pg_hba.conf`.
    Auth,
    /// A privilege is missing.
    Privilege,
    /// TLS could not be set up as asked.
    Tls,
    /// A query was refused.
    Query,
    /// The peer sent bytes that break the protocol.
    Protocol,
    /// A value cannot be represented.
    Value,
    /// A transform or converter cannot be applied to a record.
    Transform,
    /// The configuration is wrong.
    Config,
    /// The downstream system refused or failed; retrying may help.
    SinkUnavailable,
    /// The downstream system refused for good.
    SinkRejected,
    /// Another instance has taken over.
    Fenced,
    /// The stored offset cannot be read or written.
    Offset,
}

/// An error with its kind, the context in which it arose and its cause.
///
/// The text never holds row values or secrets.
pub struct Error {
    kind: ErrorKind,
    context: String,
    sqlstate: Option<[u8; 5]>,
    hint: Option<&'static str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// A new error: `context` is one lower-case clause without a full stop.
    pub fn new(kind: ErrorKind, context: impl Into<String>) -> Self {
        Self {
            kind,
            context: context.into(),
            sqlstate: None,
            hint: None,
            source: None,
        }
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds the server's five-character SQLSTATE.
    #[must_use]
    pub fn with_sqlstate(mut self, code: [u8; 5]) -> Self {
        self.sqlstate = Some(code);
        self
    }

    /// Replaces the kind's general advice by a more exact one.
    #[must_use]
    pub fn with_hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The server's SQLSTATE, if the server said one.
    #[must_use]
    pub fn sqlstate(&self) -> Option<&str> {
        self.sqlstate.as_ref().and_then(|c| std::str::from_utf8(c).ok())
    }

    /// Maps the failure to the engine's reaction.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        use ErrorKind as K;
        match self.kind {
            K::Io | K::ServerUnavailable | K::SlotBusy | K::SinkUnavailable => Remedy::RetryLater,
            K::Protocol => Remedy::Bug,
            _ => Remedy::Operator(self.advice()),
        }
    }

    /// What a person can do about it. Exhaustive on purpose: a new kind must choose.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        use ErrorKind as K;
        let general = match self.kind {
            K::Io => "see the cause; if it is the network, check that the server runs and can be reached",
            K::ServerUnavailable => "start the server, or check its address",
            K::SlotBusy => "stop the other reader, or choose another slot name",
            K::SinkUnavailable => "start the downstream system, or check its address",
            K::Protocol => "this should not happen: please report it",
            K::SlotMissing | K::SlotLost | K::Gap => {
                "changes may be missing: run `pgcdc doctor`, then re-create the slot and take a new snapshot"
            }
            K::Publication => "create the publication: `pgcdc doctor` prints the SQL",
            K::WalLevel => "set wal_level = logical in postgresql.conf and restart the server",
            K::Auth => "check user, password and pg_hba.conf",
            K::Privilege => "grant the privilege: `pgcdc doctor` prints the SQL",
            K::Tls => "check sslmode, sslrootcert and the certificates",
            K::Query => "see the server's message",
            K::Value => {
                "correct the value, exclude its column, or set format.on_event_error to leave such rows out"
            }
            K::Transform => {
                "correct the transform, put a predicate before it, or set on_record_error to skip such records"
            }
            K::Config => "correct the configuration",
            K::SinkRejected => "see the reason given by the downstream system",
            K::Fenced => "stop one of the two instances",
            K::Offset => "check the offset store",
        };
        self.hint.unwrap_or(general)
    }

    /// The whole story on one line: context and causes.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut next = self.source();
        while let Some(cause) = next {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            next = cause.source();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.chain())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|e| e as &(dyn StdError + 'static))
    }
}
