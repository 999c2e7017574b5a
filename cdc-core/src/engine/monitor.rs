//! Watches beside the stream what the stream does not say: the server's position, the slot's health, the publication.

use std::time::Duration;

use super::options::SourceOptions;
use super::prepare::open_sql;
use super::status::Status;
use crate::telemetry::{Meters, number};
use crate::wire::{Session, quote_literal};
use crate::{Error, ErrorKind, Lsn};

/// Often enough to see a slot near its limit, seldom enough to be no load.
const INTERVAL: Duration = Duration::from_secs(10);

/// Runs until it finds that going on would lose changes.
///
/// Losing its own connection is no reason to end, for the stream has its own; unless the server shuts down.
pub(crate) async fn watch(o: &SourceOptions, status: &Status, meters: &Meters) -> Error {
    let mut session = None;
    let mut publication = None;
    let mut failing = false;
    loop {
        match look(o, &mut session, &mut publication, status, meters).await {
            Ok(()) => failing = false,
            Err(error) if error.kind() == ErrorKind::Publication || error.kind() == ErrorKind::SlotLost => {
                return error;
            }
            // A server that shuts down ends ordinary sessions at once and then waits for its WAL senders, without end if
            // the sink is stuck and the stream stands still: it must see us go.
            Err(error) if matches!(error.sqlstate(), Some("57P01" | "57P02" | "57P03")) => return error,
            Err(error) => {
                session = None;
                // Once, however long it lasts: the stream goes on without.
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(error = %error.chain(), "lag, the slot's health and the publication are not watched: no connection for it");
                }
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn look(
    o: &SourceOptions,
    session: &mut Option<Session>,
    publication: &mut Option<String>,
    status: &Status,
    meters: &Meters,
) -> Result<(), Error> {
    let sql = match session {
        Some(sql) => sql,
        none => none.insert(open_sql(o).await?),
    };
    let query = format!(
        "SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() \
                ELSE pg_catalog.pg_current_wal_lsn() END, s.wal_status, s.safe_wal_size, \
         (SELECT p.oid FROM pg_catalog.pg_publication p WHERE p.pubname = {}), \
         CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()) END \
         FROM (SELECT 1) one LEFT JOIN pg_catalog.pg_replication_slots s ON s.slot_name = {}",
        quote_literal(&o.publication.name),
        quote_literal(&o.slot.name)
    );
    let row = sql
        .query(&query)
        .await?
        .rows
        .into_iter()
        .next()
        .unwrap_or_default();
    let text = |i: usize| row.get(i).and_then(Option::as_deref);
    if let Some(at) = text(0).and_then(|t| t.parse::<Lsn>().ok()) {
        status.server_at(at);
        meters.server.set(number(at.0));
        meters
            .lag
            .set(number(at.0.saturating_sub(status.confirmed_lsn().0)));
    }
    // The first eight digits. A standby that was promoted goes on streaming, on a new timeline.
    let timeline = text(4).and_then(|name| u32::from_str_radix(name.get(..8)?, 16).ok());
    if let Some(timeline) = timeline {
        status.timeline_is(timeline);
    }
    if text(1) == Some("lost") {
        return Err(Error::new(
            ErrorKind::SlotLost,
            format!("slot \"{}\" was invalidated: its WAL is gone", o.slot.name),
        ));
    }
    if let Some(safe) = text(2).and_then(|t| t.parse::<u64>().ok()) {
        meters.safe_wal.set(number(safe));
    }
    match (text(3), publication.as_deref()) {
        // From 18 on the server only logs a missing publication and sends nothing: going on would lose rows silently.
        (None, _) => Err(Error::new(
            ErrorKind::Publication,
            format!("publication \"{}\" is gone", o.publication.name),
        )),
        (Some(now), Some(was)) if now != was => {
            let context = format!(
                "publication \"{}\" was dropped and created again",
                o.publication.name
            );
            Err(Error::new(ErrorKind::Publication, context)
                .with_hint("changes made in between are missing: take a new snapshot"))
        }
        (Some(now), _) => {
            *publication = Some(now.to_owned());
            Ok(())
        }
    }
}
