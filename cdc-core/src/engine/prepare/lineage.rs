//! Whether a stored offset can be continued on this server.

use crate::engine::options::SourceOptions;
use crate::seam::{Lineage, StoredOffset};
use crate::wire::{Session, SystemIdentity};
use crate::{Error, ErrorKind, Lsn};

/// Where this run reads.
pub(super) fn of(o: &SourceOptions, identity: &SystemIdentity) -> Lineage {
    Lineage {
        system_id: identity.system_id.clone(),
        timeline: identity.timeline,
        database: o.connect.database().to_owned(),
        slot: o.slot.name.clone(),
        numbering: numbering(o),
    }
}

/// What the numbers of a transaction's rows depend on, as a hash that is never zero.
fn numbering(o: &SourceOptions) -> u32 {
    let mut text = o.publication.name.clone();
    for (name, value) in &o.stream_params {
        text.extend(["\0", name, "\0", value]);
    }
    crc32fast::hash(text.as_bytes()).max(1)
}

/// Forgets how much of an open transaction has been delivered if its rows are numbered otherwise now: they come again,
/// where going by their numbers would leave some out.
pub(super) fn renumber(stored: &mut StoredOffset, now: &Lineage) {
    let was = stored.lineage.numbering;
    let point = &mut stored.checkpoint;
    if was != 0 && was != now.numbering && point.position.commit_lsn >= point.resume_lsn {
        tracing::warn!(
            "the publication or the stream's options have changed: the transaction that was under way comes again from its beginning"
        );
        point.position.seq = 0;
    }
}

/// Refuses an offset of another server, database or slot, or of an old primary.
pub(super) fn check(stored: &StoredOffset, now: &Lineage) -> Result<(), Error> {
    let was = &stored.lineage;
    let differs = [
        ("server (system identifier)", was.system_id == now.system_id),
        ("database", was.database == now.database),
        ("slot", was.slot == now.slot),
        ("timeline (an old primary)", was.timeline <= now.timeline),
    ];
    match differs.iter().find(|(_, same)| !same) {
        Some((what, _)) => Err(foreign(format!(
            "the stored offset belongs to another {what}: it was written for {was:?}, this is {now:?}"
        ))),
        None => Ok(()),
    }
}

/// Refuses an offset on a branch of history that this server does not have: after a failover to a standby that had not
/// received everything, or a restore to an earlier time. The server itself would skip up to the offset and never say so.
///
/// `confirmed`: where the slot stands. A standby that is promoted under way goes on streaming, and some offsets may be stored
/// with its former timeline before that is noticed. But a slot of this server stands exactly there only if we acknowledged that.
pub(super) async fn check_branch(
    replication: &mut Session,
    stored: &StoredOffset,
    identity: &SystemIdentity,
    confirmed: Option<Lsn>,
) -> Result<(), Error> {
    let (was, resume) = (stored.lineage.timeline, stored.checkpoint.resume_lsn);
    if was < identity.timeline {
        let history = replication.timeline_history(identity.timeline).await?;
        let Some(end) = end_of(&history, was) else {
            return Err(foreign(format!(
                "the stored offset was written on timeline {was}, which is no part of the history of this server's timeline {}",
                identity.timeline
            )));
        };
        if resume > end && confirmed != Some(resume) {
            return Err(foreign(format!(
                "changes up to {resume} were delivered from timeline {was}, but this server left it at {end}: it was promoted before it had received them"
            )));
        }
    }
    if resume <= identity.xlog_pos {
        return Ok(());
    }
    // The offset may be younger than that answer: a run that ends just now has stored it.
    let end = replication.identify_system().await?.xlog_pos;
    if resume <= end {
        return Ok(());
    }
    Err(foreign(format!(
        "the stored offset {resume} lies ahead of this server's WAL, which ends at {end}: it was restored to an earlier time"
    )))
}

/// Where a timeline ends in a history file: lines of timeline, position and reason.
fn end_of(history: &str, timeline: u32) -> Option<Lsn> {
    history.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace();
        (words.next()?.parse() == Ok(timeline)).then(|| words.next()?.parse().ok())?
    })
}

fn foreign(context: String) -> Error {
    Error::new(ErrorKind::Gap, context).with_hint(
        "connect to the former server, or clear the offset with `pgcdc offsets clear` to begin anew",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Checkpoint;

    #[test]
    fn an_offset_of_another_server_is_refused() {
        let now = Lineage {
            numbering: 1,
            system_id: "1".into(),
            timeline: 2,
            database: "d".into(),
            slot: "s".into(),
        };
        let checked = |change: fn(&mut Lineage)| {
            let mut lineage = now.clone();
            change(&mut lineage);
            let stored = StoredOffset {
                lineage,
                checkpoint: Checkpoint::default(),
            };
            check(&stored, &now).map_err(|e| e.kind())
        };
        assert_eq!(checked(|_| {}), Ok(()));
        assert_eq!(checked(|l| l.timeline = 1), Ok(()), "promoted since");
        for change in [
            (|l| l.timeline = 3) as fn(&mut Lineage),
            |l| l.system_id = "2".into(),
            |l| l.database = "e".into(),
            |l| l.slot = "t".into(),
        ] {
            assert_eq!(checked(change), Err(ErrorKind::Gap));
        }
    }

    #[test]
    fn a_timelines_end_is_found_in_its_successors_history() {
        let history =
            "1\t0/5000A28\tno recovery target specified\n\n# a comment\n2\t1/0\tbefore 2000-01-01\n";
        assert_eq!(end_of(history, 1), Some(Lsn(0x500_0A28)));
        assert_eq!(end_of(history, 2), Some(Lsn(0x1_0000_0000)));
        assert_eq!(end_of(history, 3), None);
        assert_eq!(end_of("1\tx\ty", 1), None);
    }
}
