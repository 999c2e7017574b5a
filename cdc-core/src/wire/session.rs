//! One logged-in connection: queries, COPY and replication commands by the simple query protocol.

use std::collections::BTreeMap;

use postgres_protocol::message::frontend;

use super::channel::Channel;
use super::command::{self, CreateSlot, StartReplication, quote_literal};
use super::copy::CopyOut;
use super::dial;
use super::inbox::Message;
use super::login::{parameter, version_number};
use super::options::{ConnectOptions, Host, TargetSessionAttrs};
use super::response::{Doing, Response};
use super::rows::{Rows, described, row};
use super::stream::ReplicationStream;
use crate::{Error, ErrorKind, Lsn};

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Queries and COPY. Row-level security that would hide rows is an error here, never a shorter result.
    Sql,
    /// Replication commands (`replication=database`); queries work too.
    Replication,
}

/// Result of IDENTIFY_SYSTEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemIdentity {
    /// Identifies the cluster, through restarts, standbys and promotions.
    pub system_id: String,
    /// Current timeline.
    pub timeline: u32,
    /// Position of the last WAL flushed.
    pub xlog_pos: Lsn,
    /// Connected database.
    pub database: Option<String>,
}

/// Result of CREATE_REPLICATION_SLOT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedSlot {
    /// The stream from this slot holds exactly the transactions that commit at or after this position.
    pub consistent_point: Lsn,
    /// Name of the exported snapshot, which lives until the session's next command.
    pub snapshot_name: Option<String>,
}

/// One logged-in connection.
///
/// # Cancel safety
/// A future of a session that is dropped before it is done leaves the session in the middle of an exchange: every later
/// call says so, and the session must be dropped too.
#[derive(Debug)]
pub struct Session {
    pub(super) channel: Channel,
    parameters: BTreeMap<String, String>,
    version: u32,
    host: Host,
    /// Set while a command is under way.
    pub(super) busy: bool,
}

impl Session {
    /// Connects to the first server that answers and is of the kind asked for, and logs in.
    ///
    /// # Errors
    /// What the last server said; a refusal of the log-in ends the search.
    pub async fn connect(o: &ConnectOptions, p: Purpose, application_name: &str) -> Result<Self, Error> {
        let passes: &[TargetSessionAttrs] = match o.target {
            TargetSessionAttrs::PreferStandby => &[TargetSessionAttrs::Standby, TargetSessionAttrs::Any],
            _ => std::slice::from_ref(&o.target),
        };
        let mut failures = Vec::new();
        for target in passes {
            for host in &o.hosts {
                match Self::connect_to(o, host, p, application_name, *target).await {
                    Ok(session) => return Ok(session),
                    Err(e) if matches!(e.kind(), ErrorKind::Io | ErrorKind::ServerUnavailable) => {
                        failures.push(e)
                    }
                    Err(e) => return Err(e),
                }
            }
        }
        match failures.len() {
            1 => Err(failures.remove(0)),
            _ => {
                let all: Vec<String> = failures.iter().map(Error::chain).collect();
                Err(Error::new(
                    ErrorKind::ServerUnavailable,
                    format!("no server of the list can be used: {}", all.join("; ")),
                ))
            }
        }
    }

    async fn connect_to(
        o: &ConnectOptions,
        host: &Host,
        purpose: Purpose,
        application_name: &str,
        target: TargetSessionAttrs,
    ) -> Result<Self, Error> {
        let (channel, parameters) = Box::pin(dial::host(o, host, purpose, application_name)).await?;
        let text = parameters.get("server_version").map_or("", String::as_str);
        let Some(version) = version_number(text) else {
            return Err(Error::new(
                ErrorKind::Protocol,
                format!("server {host} reports version {text:?}, which cannot be read"),
            ));
        };
        let mut session = Self {
            channel,
            parameters,
            version,
            host: host.clone(),
            busy: false,
        };
        session.pin_newer_settings().await?;
        session.check_target(host, target).await?;
        Ok(session)
    }

    /// Which server of the list it is connected to.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Settings that older servers do not know cannot be part of the start-up packet.
    async fn pin_newer_settings(&mut self) -> Result<(), Error> {
        let sql = match self.version {
            170_000.. => "SET idle_session_timeout = 0; SET transaction_timeout = 0",
            140_000.. => "SET idle_session_timeout = 0",
            _ => return Ok(()),
        };
        self.query(sql).await.map(drop)
    }

    async fn check_target(&mut self, host: &Host, target: TargetSessionAttrs) -> Result<(), Error> {
        use TargetSessionAttrs as T;
        let (sql, wanted, name) = match target {
            T::Any | T::PreferStandby => return Ok(()),
            T::ReadWrite => ("SHOW transaction_read_only", "off", "read-write"),
            T::ReadOnly => ("SHOW transaction_read_only", "on", "read-only"),
            T::Primary => ("SELECT pg_catalog.pg_is_in_recovery()", "f", "primary"),
            T::Standby => ("SELECT pg_catalog.pg_is_in_recovery()", "t", "standby"),
        };
        if self.query(sql).await?.first() == Some(wanted) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::ServerUnavailable,
            format!("server {host} is not {name}, which target_session_attrs asks for"),
        ))
    }

    /// The server's version: 150018 is 15.18.
    #[must_use]
    pub fn server_version(&self) -> u32 {
        self.version
    }

    /// A parameter that the server reports of itself, such as `server_encoding`.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// Runs SQL by the simple protocol, several statements too; returns the last one's rows.
    ///
    /// # Errors
    /// The server's refusal, with its SQLSTATE.
    pub async fn query(&mut self, sql: &str) -> Result<Rows, Error> {
        self.run(sql, Doing::Query).await
    }

    async fn run(&mut self, sql: &str, doing: Doing<'_>) -> Result<Rows, Error> {
        self.send_query(sql).await?;
        let mut rows = Rows::default();
        let mut failure = None;
        loop {
            let message = self.receive(doing).await?;
            let body = self.channel.inbox.bytes(message.body);
            match message.tag {
                b'T' => rows = described(body)?,
                b'D' => rows.rows.push(row(body)?),
                b'C' | b'I' | b'd' | b'c' => {}
                b'E' => failure = Some(Response::parse(body)?.into_error(doing)),
                b'G' => {
                    frontend::copy_fail("pgcdc sends no rows", &mut self.channel.outbox)
                        .map_err(unsendable)?;
                    self.channel.send().await?;
                }
                // Rows of a COPY are passed over up to the end, so that the session stays usable.
                b'H' => {
                    failure = Some(Error::new(
                        ErrorKind::Query,
                        "query is a COPY: its rows cannot be read this way",
                    ));
                }
                b'Z' => {
                    self.busy = false;
                    return failure.map_or(Ok(rows), Err);
                }
                tag => return Err(out_of_place(tag, "a query")),
            }
        }
    }

    /// Starts a `COPY … TO STDOUT`.
    ///
    /// # Errors
    /// The server's refusal, with its SQLSTATE, or SQL that is no such COPY.
    pub async fn copy_out<'s>(&'s mut self, sql: &str) -> Result<CopyOut<'s>, Error> {
        self.send_query(sql).await?;
        let mut failure = None;
        loop {
            let message = self.receive(Doing::Query).await?;
            let body = self.channel.inbox.bytes(message.body);
            match message.tag {
                b'H' if failure.is_none() => return Ok(CopyOut::new(self)),
                b'E' => failure = Some(Response::parse(body)?.into_error(Doing::Query)),
                b'Z' => {
                    self.busy = false;
                    return Err(
                        failure.unwrap_or_else(|| Error::new(ErrorKind::Query, "query is no COPY TO STDOUT"))
                    );
                }
                b'T' | b'D' | b'C' | b'I' => {}
                tag => return Err(out_of_place(tag, "a COPY")),
            }
        }
    }

    /// Asks which cluster this is and where its WAL ends.
    ///
    /// # Errors
    /// The server's refusal, or an answer of another shape.
    pub async fn identify_system(&mut self) -> Result<SystemIdentity, Error> {
        let rows = self.query("IDENTIFY_SYSTEM").await?;
        let need = |column| {
            rows.value(0, column)
                .ok_or_else(|| no_column("IDENTIFY_SYSTEM", column))
        };
        Ok(SystemIdentity {
            system_id: need("systemid")?.to_owned(),
            timeline: need("timeline")?
                .parse()
                .map_err(|_| no_column("IDENTIFY_SYSTEM", "timeline"))?,
            xlog_pos: position(need("xlogpos")?)?,
            database: rows.value(0, "dbname").map(str::to_owned),
        })
    }

    /// The history file of a timeline other than the first: a line for each timeline before it, with its number and the
    /// position where it ended.
    ///
    /// # Errors
    /// The server's refusal, or an answer of another shape.
    pub async fn timeline_history(&mut self, timeline: u32) -> Result<String, Error> {
        let rows = self.query(&format!("TIMELINE_HISTORY {timeline}")).await?;
        let content = rows.value(0, "content").map(str::to_owned);
        content.ok_or_else(|| no_column("TIMELINE_HISTORY", "content"))
    }

    /// Creates a logical slot with `pgoutput`. An exported snapshot lives until this session's next command.
    ///
    /// # Errors
    /// The server's refusal; `wal_level` too low is of its own kind.
    pub async fn create_slot(&mut self, c: &CreateSlot) -> Result<CreatedSlot, Error> {
        for (asked, since, what) in [
            (c.two_phase, 150_000, "two_phase"),
            (c.failover, 170_000, "failover"),
        ] {
            if asked && self.version < since {
                return Err(Error::new(
                    ErrorKind::Config,
                    format!("slot option {what} needs PostgreSQL {} or newer", since / 10_000),
                ));
            }
        }
        let rows = match self
            .run(&c.command(self.version), Doing::CreateSlot(&c.name))
            .await
        {
            Ok(rows) => rows,
            Err(error) => return Err(self.explain(error, &c.name).await),
        };
        let point = rows
            .value(0, "consistent_point")
            .ok_or_else(|| no_column("CREATE_REPLICATION_SLOT", "consistent_point"))?;
        Ok(CreatedSlot {
            consistent_point: position(point)?,
            snapshot_name: rows.value(0, "snapshot_name").map(str::to_owned),
        })
    }

    /// Drops a slot; with `wait` it waits until nobody uses the slot.
    ///
    /// # Errors
    /// The server's refusal: no such slot, or in use.
    pub async fn drop_slot(&mut self, name: &str, wait: bool) -> Result<(), Error> {
        self.run(&command::drop_slot(name, wait), Doing::DropSlot(name))
            .await
            .map(drop)
    }

    /// Turns the session into the stream of a slot.
    ///
    /// # Errors
    /// The server's refusal: slot missing, in use, or lost, each of its own kind.
    pub async fn start_replication(mut self, s: &StartReplication) -> Result<ReplicationStream, Error> {
        let doing = Doing::Start(&s.slot);
        self.send_query(&s.command()).await?;
        let mut failure = None;
        loop {
            let message = self.receive(doing).await?;
            let body = self.channel.inbox.bytes(message.body);
            match message.tag {
                b'W' if failure.is_none() => return Ok(ReplicationStream::new(self.channel, s)),
                b'E' => failure = Some(Response::parse(body)?.into_error(doing)),
                b'Z' => {
                    self.busy = false;
                    return Err(match failure {
                        Some(error) => self.explain(error, &s.slot).await,
                        None => Error::new(ErrorKind::Protocol, "START_REPLICATION ended without a stream"),
                    });
                }
                tag => return Err(out_of_place(tag, "START_REPLICATION")),
            }
        }
    }

    /// Finds out by queries what a refusal with SQLSTATE 55000 means, since its message is translated.
    async fn explain(&mut self, error: Error, slot: &str) -> Error {
        if error.sqlstate() != Some("55000") {
            return error;
        }
        let name = quote_literal(slot);
        let found = self
            .query(&format!(
                "SELECT pg_catalog.current_setting('wal_level') AS wal_level, \
                 pg_catalog.current_database() AS here, s.database, s.slot_type, s.wal_status \
                 FROM (SELECT 1) AS one LEFT JOIN pg_catalog.pg_replication_slots AS s ON s.slot_name = {name}"
            ))
            .await;
        let Ok(rows) = found else {
            return error;
        };
        let value = |column| rows.value(0, column);
        let because = |kind, what: String| {
            Error::new(kind, what)
                .with_sqlstate(*b"55000")
                .with_source(error.to_string())
        };
        match value("wal_level") {
            Some("logical") | None => {}
            Some(level) => {
                return because(
                    ErrorKind::WalLevel,
                    format!(
                        "the server runs with wal_level = {level}, and logical replication needs logical"
                    ),
                );
            }
        }
        match value("slot_type") {
            Some("physical") => because(
                ErrorKind::Config,
                format!("replication slot {slot:?} is no logical slot"),
            ),
            Some(_) if value("database") != value("here") => because(
                ErrorKind::Config,
                format!(
                    "replication slot {slot:?} belongs to database {:?}, not to {:?}",
                    value("database").unwrap_or_default(),
                    value("here").unwrap_or_default()
                ),
            ),
            _ if value("wal_status") == Some("lost") => because(
                ErrorKind::SlotLost,
                format!("replication slot {slot:?} was invalidated: WAL that it needs is gone"),
            ),
            _ => error,
        }
    }

    async fn send_query(&mut self, sql: &str) -> Result<(), Error> {
        if self.busy {
            return Err(Error::new(
                ErrorKind::Query,
                "an earlier command of this session was abandoned half-way: open a new session",
            ));
        }
        frontend::query(sql, &mut self.channel.outbox).map_err(unsendable)?;
        self.busy = true;
        self.channel.send().await
    }

    /// The next message that matters: notices and parameter changes are dealt with, and an error that ends the
    /// connection is returned as such.
    pub(super) async fn receive(&mut self, doing: Doing<'_>) -> Result<Message, Error> {
        loop {
            let message = self.channel.receive().await?;
            let body = self.channel.inbox.bytes(message.body.clone());
            match message.tag {
                b'S' => {
                    let (name, value) = parameter(body)?;
                    self.parameters.insert(name, value);
                }
                b'N' => {
                    let notice = Response::parse(body)?;
                    tracing::debug!(
                        severity = notice.severity,
                        code = notice.code(),
                        message = notice.message,
                        "notice from the server"
                    );
                }
                b'E' => {
                    let response = Response::parse(body)?;
                    if matches!(response.severity.as_str(), "FATAL" | "PANIC") {
                        return Err(response.into_error(doing));
                    }
                    return Ok(message);
                }
                _ => return Ok(message),
            }
        }
    }
}

fn position(text: &str) -> Result<Lsn, Error> {
    text.parse()
        .map_err(|e| Error::new(ErrorKind::Protocol, "the server's answer holds no position").with_source(e))
}

fn no_column(command: &str, column: &str) -> Error {
    Error::new(
        ErrorKind::Protocol,
        format!("the answer to {command} has no valid {column:?}"),
    )
}

fn unsendable(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Query, "query holds a zero byte or is too long").with_source(error)
}

pub(super) fn out_of_place(tag: u8, during: &str) -> Error {
    Error::new(
        ErrorKind::Protocol,
        format!("message {:?} does not belong into {during}", char::from(tag)),
    )
}
