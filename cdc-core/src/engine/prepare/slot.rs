//! The slot: how it stands, whether it can be used, how a new one is made.

use std::time::Duration;

use crate::engine::options::SourceOptions;
use crate::seam::Lineage;
use crate::wire::{CreateSlot, CreatedSlot, Purpose, Session, SlotSnapshot, quote_literal};
use crate::{Checkpoint, Error, ErrorKind, Lsn, SnapshotProgress};

use super::{APPLICATION, SnapshotStart};

/// A row of `pg_replication_slots`.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    plugin: String,
    database: String,
    pub(super) lost: bool,
    two_phase: bool,
    /// Server process that reads from it, if one does.
    reader: Option<String>,
    pub(super) confirmed: Lsn,
}

/// Looks the slot up.
pub(super) async fn find(sql: &mut Session, name: &str) -> Result<Option<Slot>, Error> {
    let query = format!(
        "SELECT coalesce(s.plugin, ''), coalesce(s.database, ''), coalesce(s.wal_status, '') = 'lost', s.confirmed_flush_lsn, \
         s.active_pid, pg_catalog.to_jsonb(s) ->> 'two_phase' \
         FROM pg_catalog.pg_replication_slots s WHERE s.slot_name = {}",
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
        // Servers before 14 have no such column.
        two_phase: text(5).as_deref() == Some("true"),
        reader: text(4),
        confirmed: text(3).and_then(|t| t.parse().ok()).unwrap_or(Lsn::ZERO),
    }))
}

/// Refuses a slot that cannot be streamed from, or that somebody else streams from.
pub(super) fn check(o: &SourceOptions, slot: &Slot, lineage: &Lineage) -> Result<(), Error> {
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
    if slot.two_phase {
        let context = format!("slot \"{name}\" was created with two_phase, which is not supported");
        return Err(Error::new(ErrorKind::Config, context).with_hint(
            "drop the slot and let pgcdc create it, or choose another slot name; prepared transactions then come at their commit",
        ));
    }
    if let Some(pid) = &slot.reader {
        // Known before a snapshot is read in vain.
        let context = format!("slot \"{name}\" is in use by server process {pid}");
        return Err(Error::new(ErrorKind::SlotBusy, context));
    }
    Ok(())
}

/// Why streaming from the stored offset would leave changes out, if it would. The server itself never says so: it moves
/// a start position that is too old silently forward.
pub(super) fn gap(o: &SourceOptions, offset: Option<&Checkpoint>, slot: Option<&Slot>) -> Option<Error> {
    let name = &o.slot.name;
    match (offset, slot) {
        (_, Some(slot)) if slot.lost => Some(Error::new(
            ErrorKind::SlotLost,
            format!("slot \"{name}\" was invalidated: its WAL is gone"),
        )),
        (Some(offset), _)
            if offset.resume_lsn.is_zero() && offset.snapshot == SnapshotProgress::Completed =>
        {
            let context = "the tables were read by snapshot mode initial_only, which keeps no position that a stream could go on from";
            let hint = "clear the offset with `pgcdc offsets clear`: then the tables are read again, and the stream begins behind them";
            Some(Error::new(ErrorKind::Gap, context).with_hint(hint))
        }
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

/// Creates the slot.
pub(super) async fn create(
    o: &SourceOptions,
    replication: &mut Session,
    export: bool,
) -> Result<CreatedSlot, Error> {
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
pub(super) async fn extra_snapshot(o: &SourceOptions, rows_at: Lsn) -> Result<SnapshotStart, Error> {
    let mut exporter = Session::connect(&o.connect, Purpose::Replication, APPLICATION).await?;
    // The slot's own name may leave no room for an ending.
    let slot = crc32fast::hash(o.slot.name.as_bytes());
    let create = CreateSlot {
        name: format!("pgcdc_snapshot_{slot:08x}_{}", std::process::id()),
        temporary: true,
        snapshot: SlotSnapshot::Export,
        two_phase: false,
        failover: false,
    };
    let created = exporter.create_slot(&create).await?;
    Ok(SnapshotStart {
        name: created.snapshot_name,
        lsn: Some(rows_at),
        exporter: Some(exporter),
    })
}

/// Drops the slot at a clean stop (`slot.drop.on.stop`).
pub(crate) async fn drop_slot(o: &SourceOptions) -> Result<(), Error> {
    let name = &o.slot.name;
    let mut session = Session::connect(&o.connect, Purpose::Sql, APPLICATION).await?;
    let drop = format!(
        "SELECT pg_catalog.pg_drop_replication_slot({})",
        quote_literal(name)
    );
    let mut tries = 0..50;
    loop {
        match session.query(&drop).await {
            Ok(_) => {
                tracing::info!(slot = %name, "dropped the slot");
                return Ok(());
            }
            // The walsender of the connection just closed may need a moment to let go of the slot.
            Err(error) if error.sqlstate() == Some("55006") && tries.next().is_some() => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(confirmed: u64, lost: bool) -> Slot {
        Slot {
            plugin: "pgoutput".into(),
            database: "d".into(),
            lost,
            two_phase: false,
            reader: None,
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
        let read_only = || {
            Some(Checkpoint {
                snapshot: SnapshotProgress::Completed,
                ..Checkpoint::default()
            })
        };
        assert_eq!(kind(read_only(), None), Some(ErrorKind::Gap));
        assert_eq!(kind(read_only(), Some(slot(11, false))), Some(ErrorKind::Gap));
        assert_eq!(kind(at(10), Some(slot(10, true))), Some(ErrorKind::SlotLost));
        assert_eq!(kind(None, Some(slot(0, true))), Some(ErrorKind::SlotLost));
    }
}
