//! What is asked of the server before a run, and the decision where to begin.

use crate::catalog;
use crate::engine::options::{PublicationMode, SnapshotMode, SourceOptions, USERS_SEARCH_PATH};
use crate::filter::Capture;
use crate::schema::Table;
use crate::seam::{Lineage, StoredOffset};
use crate::wire::{CreateSlot, Purpose, Session, SlotSnapshot, SystemIdentity, quote_ident, quote_literal};
use crate::{Checkpoint, Error, ErrorKind, Lsn, SnapshotProgress};

/// Connections and facts of a run that is about to begin.
#[derive(Debug)]
pub(crate) struct Prepared {
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

/// A row of `pg_replication_slots`.
#[derive(Debug, Clone)]
struct Slot {
    plugin: String,
    database: String,
    lost: bool,
    confirmed: Lsn,
}

/// The two connections of a run, and what is asked of them first.
#[derive(Debug)]
pub(crate) struct Opened {
    sql: Session,
    replication: Session,
    identity: SystemIdentity,
    tables: Vec<Table>,
}

/// Connects, and asks what needs no stored offset: both connections at once, so that a start costs the longer of the two.
pub(crate) async fn open(o: &SourceOptions, capture: &Capture) -> Result<Opened, Error> {
    let catalog = async {
        let mut sql = open_sql(o).await?;
        if o.snapshot != SnapshotMode::InitialOnly {
            check_wal_level(&mut sql).await?;
        }
        let tables = catalog::tables(&mut sql, capture).await?;
        Ok::<_, Error>((sql, tables))
    };
    let stream = async {
        let mut replication = Session::connect(&o.connect, Purpose::Replication, APPLICATION).await?;
        let identity = replication.identify_system().await?;
        Ok((replication, identity))
    };
    let ((sql, tables), (replication, identity)) = tokio::try_join!(catalog, stream)?;
    Ok(Opened {
        sql,
        replication,
        identity,
        tables,
    })
}

/// Checks, creates what may be created, and decides where to begin.
pub(crate) async fn prepare(
    o: &SourceOptions,
    opened: Opened,
    stored: Option<StoredOffset>,
) -> Result<Prepared, Error> {
    let Opened {
        mut sql,
        mut replication,
        identity,
        tables,
    } = opened;
    let streams = o.snapshot != SnapshotMode::InitialOnly;
    let lineage = lineage_of(o, &identity);
    let mut offset = match stored {
        Some(stored) => Some(same_lineage(stored, &lineage)?),
        None => None,
    };
    if !streams {
        let done = offset.is_some_and(|c| c.snapshot == SnapshotProgress::Completed);
        let snapshot = (!done).then_some(SnapshotStart {
            name: None,
            lsn: None,
            exporter: None,
        });
        return Ok(Prepared {
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
    ensure_publication(&mut sql, o, &tables).await?;
    let mut slot = find_slot(&mut sql, &o.slot.name).await?;
    if let Some(s) = &slot {
        check_slot(o, s, &lineage)?;
    }
    if let Some(gap) = gap(o, offset.as_ref(), slot.as_ref()) {
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
    let mut sql = Session::connect(&o.connect, Purpose::Sql, APPLICATION).await?;
    let beats = o.heartbeat.as_ref().is_some_and(|h| h.action_query.is_some());
    if beats || !o.initial_statements.is_empty() {
        sql.query(USERS_SEARCH_PATH).await?;
    }
    for statement in &o.initial_statements {
        sql.query(statement).await?;
    }
    Ok(sql)
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

fn lineage_of(o: &SourceOptions, identity: &SystemIdentity) -> Lineage {
    Lineage {
        system_id: identity.system_id.clone(),
        timeline: identity.timeline,
        database: o.connect.database().to_owned(),
        slot: o.slot.name.clone(),
    }
}

fn same_lineage(stored: StoredOffset, now: &Lineage) -> Result<Checkpoint, Error> {
    let was = &stored.lineage;
    let differs = [
        ("server (system identifier)", was.system_id == now.system_id),
        ("database", was.database == now.database),
        ("slot", was.slot == now.slot),
        ("timeline (an old primary)", was.timeline <= now.timeline),
    ];
    if let Some((what, _)) = differs.iter().find(|(_, same)| !same) {
        let context = format!(
            "the stored offset belongs to another {what}: it was written for {was:?}, this is {now:?}"
        );
        return Err(Error::new(ErrorKind::Gap, context).with_hint(
            "connect to the former server, or clear the offset with `pgcdc offsets clear` to begin anew",
        ));
    }
    Ok(stored.checkpoint)
}

async fn ensure_publication(sql: &mut Session, o: &SourceOptions, tables: &[Table]) -> Result<(), Error> {
    let p = &o.publication;
    let name = quote_ident(&p.name);
    let find = format!(
        "SELECT puballtables FROM pg_catalog.pg_publication WHERE pubname = {}",
        quote_literal(&p.name)
    );
    let found = scalar(sql, &find).await?;
    let list = || {
        let names = tables
            .iter()
            .map(|t| format!("{}.{}", quote_ident(&t.schema), quote_ident(&t.name)));
        names.collect::<Vec<_>>().join(", ")
    };
    if let Some(all) = found {
        if p.mode == PublicationMode::Filtered
            && all != "t"
            && !tables.is_empty()
            && differs(sql, o, tables).await?
        {
            sql.query(&format!("ALTER PUBLICATION {name} SET TABLE {}", list()))
                .await?;
        }
        return Ok(());
    }
    let scope = match p.mode {
        PublicationMode::Disabled => {
            let context = format!(
                "publication \"{}\" does not exist in database \"{}\"",
                p.name,
                o.connect.database()
            );
            return Err(Error::new(ErrorKind::Publication, context));
        }
        PublicationMode::Filtered if tables.is_empty() => {
            let context = format!(
                "no table matches the filters, so publication \"{}\" would be empty",
                p.name
            );
            return Err(Error::new(ErrorKind::Publication, context).with_hint("correct the table filters"));
        }
        PublicationMode::Filtered => format!(" FOR TABLE {}", list()),
        PublicationMode::AllTables => " FOR ALL TABLES".to_owned(),
        PublicationMode::NoTables => String::new(),
    };
    let mut with = Vec::new();
    if p.via_partition_root {
        with.push("publish_via_partition_root = true".to_owned());
    }
    if let Some(publish) = &p.publish {
        with.push(format!("publish = {}", quote_literal(publish)));
    }
    let with = if with.is_empty() {
        String::new()
    } else {
        format!(" WITH ({})", with.join(", "))
    };
    sql.query(&format!("CREATE PUBLICATION {name}{scope}{with}"))
        .await?;
    tracing::info!(publication = %p.name, "created the publication");
    Ok(())
}

/// Whether the publication's own table list is another than the captured set.
async fn differs(sql: &mut Session, o: &SourceOptions, tables: &[Table]) -> Result<bool, Error> {
    let query = format!(
        "SELECT r.prrelid FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid WHERE p.pubname = {}",
        quote_literal(&o.publication.name)
    );
    let rows = sql.query(&query).await?.rows;
    let mut have: Vec<u32> = rows
        .iter()
        .filter_map(|r| r.first()?.as_deref()?.parse().ok())
        .collect();
    let mut want: Vec<u32> = tables.iter().map(|t| t.oid).collect();
    have.sort_unstable();
    want.sort_unstable();
    Ok(have != want)
}

async fn find_slot(sql: &mut Session, name: &str) -> Result<Option<Slot>, Error> {
    let query = format!(
        "SELECT coalesce(plugin, ''), coalesce(database, ''), coalesce(wal_status, '') = 'lost', confirmed_flush_lsn \
         FROM pg_catalog.pg_replication_slots WHERE slot_name = {}",
        quote_literal(name)
    );
    let Some(row) = sql.query(&query).await?.rows.into_iter().next() else {
        return Ok(None);
    };
    let text = |i: usize| row.get(i).cloned().flatten();
    Ok(Some(Slot {
        plugin: text(0).unwrap_or_default(),
        database: text(1).unwrap_or_default(),
        lost: text(2).as_deref() == Some("t"),
        confirmed: text(3).and_then(|t| t.parse().ok()).unwrap_or(Lsn::ZERO),
    }))
}

fn check_slot(o: &SourceOptions, slot: &Slot, lineage: &Lineage) -> Result<(), Error> {
    let name = &o.slot.name;
    if slot.plugin != "pgoutput" {
        let context = format!(
            "slot \"{name}\" uses the plug-in \"{}\", not pgoutput",
            slot.plugin
        );
        return Err(Error::new(ErrorKind::Config, context).with_hint("choose another slot name"));
    }
    if slot.database != lineage.database {
        let context = format!(
            "slot \"{name}\" belongs to database \"{}\", not \"{}\"",
            slot.database, lineage.database
        );
        return Err(Error::new(ErrorKind::Config, context).with_hint("choose another slot name"));
    }
    Ok(())
}

/// Why streaming from the stored offset would leave changes out, if it would. The server itself never says so: it moves
/// a start position that is too old silently forward.
fn gap(o: &SourceOptions, offset: Option<&Checkpoint>, slot: Option<&Slot>) -> Option<Error> {
    let name = &o.slot.name;
    match (offset, slot) {
        (_, Some(slot)) if slot.lost => Some(Error::new(
            ErrorKind::SlotLost,
            format!("slot \"{name}\" was invalidated: its WAL is gone"),
        )),
        (Some(offset), None) => Some(Error::new(
            ErrorKind::SlotMissing,
            format!(
                "slot \"{name}\" is missing, but changes up to {} have been delivered from it",
                offset.resume_lsn
            ),
        )),
        (Some(offset), Some(slot)) if slot.confirmed > offset.resume_lsn => Some(Error::new(
            ErrorKind::Gap,
            format!(
                "slot \"{name}\" stands at {}, ahead of the stored offset {}: somebody else has read from it",
                slot.confirmed, offset.resume_lsn
            ),
        )),
        _ => None,
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
        let created = create_slot(o, replication, reads).await?;
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
        Some(extra_snapshot(o).await?)
    } else {
        None
    };
    Ok(Start {
        snapshot,
        stream: Some(from),
    })
}

fn from_lsn(lsn: Lsn) -> Checkpoint {
    Checkpoint {
        resume_lsn: lsn,
        event_lsn: lsn,
        ..Checkpoint::default()
    }
}

async fn create_slot(
    o: &SourceOptions,
    replication: &mut Session,
    export: bool,
) -> Result<crate::wire::CreatedSlot, Error> {
    if !o.slot.create {
        let context = format!("slot \"{}\" does not exist and may not be created", o.slot.name);
        return Err(
            Error::new(ErrorKind::SlotMissing, context).with_hint("create the slot, or allow slot.create")
        );
    }
    let snapshot = if export {
        SlotSnapshot::Export
    } else {
        SlotSnapshot::Nothing
    };
    let create = CreateSlot {
        name: o.slot.name.clone(),
        temporary: o.slot.temporary,
        snapshot,
        two_phase: false,
        failover: o.slot.failover,
    };
    let created = replication.create_slot(&create).await?;
    tracing::info!(slot = %o.slot.name, lsn = %created.consistent_point, "created the slot");
    Ok(created)
}

/// A snapshot at a known position for a slot that exists already: exported by a temporary slot of its own.
async fn extra_snapshot(o: &SourceOptions) -> Result<SnapshotStart, Error> {
    let mut exporter = Session::connect(&o.connect, Purpose::Replication, APPLICATION).await?;
    let mut name: String = format!("{}_snapshot", o.slot.name);
    name.truncate(63);
    let create = CreateSlot {
        name,
        temporary: true,
        snapshot: SlotSnapshot::Export,
        two_phase: false,
        failover: false,
    };
    let created = exporter.create_slot(&create).await?;
    Ok(SnapshotStart {
        name: created.snapshot_name,
        lsn: Some(created.consistent_point),
        exporter: Some(exporter),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(confirmed: u64, lost: bool) -> Slot {
        Slot {
            plugin: "pgoutput".into(),
            database: "d".into(),
            lost,
            confirmed: Lsn(confirmed),
        }
    }

    #[test]
    fn every_way_to_lose_changes_is_a_gap() {
        let Ok(connect) = crate::wire::ConnectOptions::parse("host=h user=u dbname=d") else {
            panic!("conninfo")
        };
        let o = SourceOptions::new(connect, "s", "p");
        let at = |lsn| {
            Some(Checkpoint {
                resume_lsn: Lsn(lsn),
                ..Checkpoint::default()
            })
        };
        let kind = |offset: Option<Checkpoint>, slot: Option<Slot>| {
            gap(&o, offset.as_ref(), slot.as_ref()).map(|e| e.kind())
        };
        assert_eq!(kind(at(10), Some(slot(10, false))), None);
        assert_eq!(
            kind(at(10), Some(slot(9, false))),
            None,
            "the server may forget acknowledgements in a crash"
        );
        assert_eq!(kind(None, None), None);
        assert_eq!(kind(None, Some(slot(5, false))), None);
        assert_eq!(kind(at(10), Some(slot(11, false))), Some(ErrorKind::Gap));
        assert_eq!(kind(at(10), None), Some(ErrorKind::SlotMissing));
        assert_eq!(kind(at(10), Some(slot(10, true))), Some(ErrorKind::SlotLost));
        assert_eq!(kind(None, Some(slot(0, true))), Some(ErrorKind::SlotLost));
    }

    #[test]
    fn an_offset_of_another_server_is_refused() {
        let now = Lineage {
            system_id: "1".into(),
            timeline: 2,
            database: "d".into(),
            slot: "s".into(),
        };
        let stored = |lineage: Lineage| StoredOffset {
            lineage,
            checkpoint: Checkpoint::default(),
        };
        assert!(same_lineage(stored(now.clone()), &now).is_ok());
        assert!(
            same_lineage(
                stored(Lineage {
                    timeline: 1,
                    ..now.clone()
                }),
                &now
            )
            .is_ok(),
            "promoted since"
        );
        assert!(
            same_lineage(
                stored(Lineage {
                    timeline: 3,
                    ..now.clone()
                }),
                &now
            )
            .is_err()
        );
        assert!(
            same_lineage(
                stored(Lineage {
                    system_id: "2".into(),
                    ..now.clone()
                }),
                &now
            )
            .is_err()
        );
        assert!(
            same_lineage(
                stored(Lineage {
                    database: "e".into(),
                    ..now.clone()
                }),
                &now
            )
            .is_err()
        );
    }
}
