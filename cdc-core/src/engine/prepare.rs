//! What is asked of the server before a run, and the decision where to begin.

mod lineage;
mod publication;
mod signals;
mod slot;

use std::sync::Arc;

use crate::catalog;
use crate::engine::options::{SnapshotMode, SourceOptions};
use crate::engine::session::open_session;
use crate::filter::Capture;
use crate::schema::Table;
use crate::seam::{Lineage, StoredOffset};
use crate::wire::{Purpose, Session, SystemIdentity};
use crate::{Checkpoint, Error, ErrorKind, Lsn, SnapshotProgress};

use slot::Slot;
pub(crate) use slot::drop_slot;

/// Connections and facts of a run that is about to begin.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The options, for the one server of the list that is used.
    pub(crate) source: Arc<SourceOptions>,
    pub(crate) sql: Session,
    pub(crate) replication: Option<Session>,
    pub(crate) lineage: Lineage,
    pub(crate) tables: Vec<Table>,
    pub(crate) start: Start,
}

/// Where to begin.
#[derive(Debug)]
pub(crate) struct Start {
    /// Read the tables first.
    pub(crate) snapshot: Option<SnapshotStart>,
    /// Then stream from here; none: stop.
    pub(crate) stream: Option<Checkpoint>,
}

/// The snapshot to read in.
#[derive(Debug)]
pub(crate) struct SnapshotStart {
    pub(crate) name: Option<String>,
    pub(crate) lsn: Option<Lsn>,
    /// Exporting connection of an existing slot's extra snapshot; it must stay open until the snapshot is taken.
    pub(crate) exporter: Option<Session>,
}

/// The two connections of a run, and what is asked of them first.
#[derive(Debug)]
pub(crate) struct Opened {
    source: Arc<SourceOptions>,
    sql: Session,
    replication: Session,
    identity: SystemIdentity,
    tables: Vec<Table>,
}

/// Connects, and asks what needs no stored offset: both connections at once, so that a start costs the longer of the two.
///
/// With several servers the one that streams is found first. The slot is on that server alone, and whatever else is asked
/// in this run must be asked there.
pub(crate) async fn open(source: &Arc<SourceOptions>, capture: &Capture) -> Result<Opened, Error> {
    if let [_, _, ..] = source.connect.hosts() {
        let found = Session::connect(&source.connect, Purpose::Replication, APPLICATION).await?;
        let host = found.host().clone();
        let mut one = SourceOptions::clone(source);
        one.connect = one.connect.with_hosts(vec![host]);
        return open_at(Arc::new(one), Some(found), capture).await;
    }
    open_at(Arc::clone(source), None, capture).await
}

async fn open_at(
    source: Arc<SourceOptions>,
    replication: Option<Session>,
    capture: &Capture,
) -> Result<Opened, Error> {
    let o = &*source;
    let catalog = async {
        let mut sql = open_sql(o).await?;
        if o.snapshot != SnapshotMode::InitialOnly {
            check_wal_level(&mut sql).await?;
        }
        let tables = catalog::tables(&mut sql, capture).await?;
        Ok::<_, Error>((sql, tables))
    };
    let stream = async {
        let mut replication = match replication {
            Some(session) => session,
            None => Session::connect(&o.connect, Purpose::Replication, APPLICATION).await?,
        };
        let identity = replication.identify_system().await?;
        Ok((replication, identity))
    };
    let ((sql, tables), (replication, identity)) = tokio::try_join!(catalog, stream)?;
    Ok(Opened {
        source,
        sql,
        replication,
        identity,
        tables,
    })
}

/// Checks, creates what may be created, and decides where to begin.
pub(crate) async fn prepare(opened: Opened, stored: Option<StoredOffset>) -> Result<Prepared, Error> {
    let Opened {
        source,
        mut sql,
        mut replication,
        identity,
        tables,
    } = opened;
    let o = &*source;
    let streams = o.snapshot != SnapshotMode::InitialOnly;
    let lineage = lineage::of(o, &identity);
    let mut stored = stored;
    if let Some(stored) = &mut stored {
        lineage::check(stored, &lineage)?;
        lineage::renumber(stored, &lineage);
    }
    if !streams {
        let done = stored.is_some_and(|s| s.checkpoint.snapshot == SnapshotProgress::Completed);
        let snapshot = (!done).then_some(SnapshotStart {
            name: None,
            lsn: None,
            exporter: None,
        });
        return Ok(Prepared {
            source,
            sql,
            replication: None,
            lineage,
            tables,
            start: Start {
                snapshot,
                stream: None,
            },
        });
    }
    if let Some(s) = &o.signals {
        signals::check(s, &tables)?;
    }
    publication::ensure(&mut sql, o, &tables).await?;
    if let Some(s) = &o.signals {
        signals::warn_unpublished(&mut sql, o, s).await?;
    }
    let mut slot = slot::find(&mut sql, &o.slot.name).await?;
    if let Some(s) = &slot {
        slot::check(o, s, &lineage)?;
    }
    if let Some(stored) = &stored {
        let confirmed = slot.as_ref().map(|s| s.confirmed);
        lineage::check_branch(&mut replication, stored, &identity, confirmed).await?;
    }
    let mut offset = stored.map(|s| s.checkpoint);
    if let Some(gap) = slot::gap(o, offset.as_ref(), slot.as_ref()) {
        let again = match o.snapshot {
            SnapshotMode::WhenNeeded => true,
            // The slot went with the last clean stop: that was asked for, and so is the snapshot that closes the gap.
            SnapshotMode::Initial | SnapshotMode::Always => slot.is_none() && o.slot.drop_on_stop,
            SnapshotMode::NoData | SnapshotMode::InitialOnly => false,
        };
        if !again {
            return Err(gap);
        }
        tracing::warn!(reason = %gap, "changes since the stored offset are gone: reading the tables again");
        offset = None;
        if slot.take_if(|s| s.lost).is_some() {
            replication.drop_slot(&o.slot.name, false).await?;
        }
    }
    let start = begin_at(o, offset, slot.as_ref(), &mut replication).await?;
    Ok(Prepared {
        source,
        sql,
        replication: Some(replication),
        lineage,
        tables,
        start,
    })
}

/// Name under which the connections show in `pg_stat_activity`.
pub(crate) const APPLICATION: &str = "pgcdc";

/// An ordinary connection with the configured statements run.
pub(crate) async fn open_sql(o: &SourceOptions) -> Result<Session, Error> {
    let beats = o.heartbeat.as_ref().is_some_and(|h| h.action_query.is_some());
    open_session(&o.connect, APPLICATION, &o.initial_statements, beats).await
}

/// Fails if streaming from `from` leaves changes out.
pub(crate) async fn check_slot(o: &SourceOptions, sql: &mut Session, from: &Checkpoint) -> Result<(), Error> {
    let slot = slot::find(sql, &o.slot.name).await?;
    slot::gap(o, Some(from), slot.as_ref()).map_or(Ok(()), Err)
}

/// The only value of a one-row, one-column answer.
pub(crate) async fn scalar(sql: &mut Session, query: &str) -> Result<Option<String>, Error> {
    Ok(sql
        .query(query)
        .await?
        .rows
        .into_iter()
        .next()
        .and_then(|row| row.into_iter().next())
        .flatten())
}

async fn check_wal_level(sql: &mut Session) -> Result<(), Error> {
    let level = scalar(sql, "SELECT setting FROM pg_catalog.pg_settings WHERE name IN ('wal_level', 'effective_wal_level') ORDER BY name LIMIT 1").await?;
    match level.as_deref() {
        Some("logical") => Ok(()),
        other => {
            let level = other.unwrap_or("unknown");
            Err(Error::new(
                ErrorKind::WalLevel,
                format!("wal_level is {level}, but logical decoding needs logical"),
            ))
        }
    }
}

async fn begin_at(
    o: &SourceOptions,
    offset: Option<Checkpoint>,
    slot: Option<&Slot>,
    replication: &mut Session,
) -> Result<Start, Error> {
    let interrupted = offset
        .as_ref()
        .is_some_and(|c| c.snapshot == SnapshotProgress::Running);
    if o.snapshot == SnapshotMode::NoData && interrupted {
        let context =
            "the last run stopped in the middle of a snapshot, and snapshot mode no_data never takes one";
        return Err(
            Error::new(ErrorKind::Config, context).with_hint("use snapshot mode initial or when_needed")
        );
    }
    let reads = match o.snapshot {
        SnapshotMode::NoData => false,
        SnapshotMode::Always => true,
        SnapshotMode::Initial | SnapshotMode::WhenNeeded | SnapshotMode::InitialOnly => {
            offset.is_none() || interrupted
        }
    };
    let Some(slot) = slot else {
        let created = slot::create(o, replication, reads).await?;
        let from = from_lsn(created.consistent_point);
        let snapshot = SnapshotStart {
            name: created.snapshot_name,
            lsn: Some(created.consistent_point),
            exporter: None,
        };
        return Ok(Start {
            snapshot: reads.then_some(snapshot),
            stream: Some(from),
        });
    };
    // What an interrupted snapshot has sent may have been deleted since: stream from where it began, not from the new one.
    let from = offset.unwrap_or_else(|| from_lsn(slot.confirmed));
    let snapshot = if reads {
        Some(slot::extra_snapshot(o, position_of_rows(&from)).await?)
    } else {
        None
    };
    Ok(Start {
        snapshot,
        stream: Some(from),
    })
}

/// Position that snapshot rows carry when the stream begins at `from`, before the snapshot was taken.
///
/// It must not be the snapshot's own: a transaction's version is the end of the commit before it, so the first transaction
/// that the snapshot does not see has a version below the snapshot's position, and an index would refuse it. The stream
/// brings everything since `from` again, so rows of that version are overwritten by every change that follows.
/// Consumers of the topic know a commit before the first transaction only where the offset does.
fn position_of_rows(from: &Checkpoint) -> Lsn {
    if from.last_commit_lsn.is_zero() {
        from.resume_lsn
    } else {
        from.last_commit_lsn.min(from.resume_lsn)
    }
}

fn from_lsn(lsn: Lsn) -> Checkpoint {
    Checkpoint {
        resume_lsn: lsn,
        event_lsn: lsn,
        ..Checkpoint::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_later_snapshot_are_not_newer_than_what_the_stream_brings_first() {
        let known = Checkpoint {
            last_commit_lsn: Lsn(80),
            ..from_lsn(Lsn(160))
        };
        // The first transaction's version is 80 for consumers of the topic, and 160 for the sink.
        assert_eq!(position_of_rows(&known), Lsn(80));
        assert_eq!(position_of_rows(&from_lsn(Lsn(160))), Lsn(160));
    }
}
