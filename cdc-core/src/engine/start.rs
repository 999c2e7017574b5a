//! START_REPLICATION with what this server's version has and its settings ask for.

use std::time::Duration;

use super::options::SourceOptions;
use super::prepare::scalar;
use crate::wire::{ReplicationStream, Session, StartReplication, quote_ident};
use crate::{Checkpoint, Error};

/// Streams from the stored position.
pub(super) async fn start_stream(
    o: &SourceOptions,
    mut session: Session,
    from: &Checkpoint,
) -> Result<ReplicationStream, Error> {
    let status_interval = status_interval(&mut session, o.status_interval).await?;
    let version = session.server_version() / 10_000;
    let streams = o.stream_in_progress && version >= 14;
    let proto = match version {
        _ if !streams => "1",
        14 => "2",
        15 => "3",
        _ => "4",
    };
    let mut options = vec![
        ("proto_version".to_owned(), proto.to_owned()),
        ("publication_names".to_owned(), quote_ident(&o.publication.name)),
    ];
    if version >= 14 {
        options.push(("messages".to_owned(), "true".to_owned()));
    }
    if streams {
        options.push(("streaming".to_owned(), "on".to_owned()));
    }
    options.extend(o.stream_params.iter().cloned());
    let start = StartReplication {
        slot: o.slot.name.clone(),
        start: from.resume_lsn,
        options,
        status_interval,
    };
    tracing::info!(slot = %o.slot.name, from = %from.resume_lsn, "streaming");
    session.start_replication(&start).await
}

/// How often the server hears of us: several times in `wal_sender_timeout`, after which it takes us for dead.
async fn status_interval(session: &mut Session, wanted: Duration) -> Result<Duration, Error> {
    let timeout = "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'";
    let timeout = scalar(session, timeout).await?;
    Ok(within(wanted, timeout.and_then(|ms| ms.parse().ok())))
}

/// `timeout_ms`: zero where it is switched off.
fn within(wanted: Duration, timeout_ms: Option<u64>) -> Duration {
    match timeout_ms {
        Some(ms @ 1..) => wanted.min(Duration::from_millis(ms.div_ceil(4))),
        _ => wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_hears_of_us_before_it_loses_patience() {
        let (ten, ms) = (Duration::from_secs(10), Duration::from_millis);
        assert_eq!(within(ten, Some(60_000)), ten);
        assert_eq!(within(ten, Some(5_000)), ms(1_250));
        assert_eq!(within(ms(100), Some(5_000)), ms(100));
        assert_eq!(within(ten, Some(0)), ten);
        assert_eq!(within(ten, None), ten);
    }
}
