//! Reads a slot's stream up to a position and throws it away: the speed of the connection alone.
//!
//! Compares with `pg_recvlogical --start --endpos=LSN -f /dev/null` on a copy of the slot. Confirms nothing, so that it can
//! be run again.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use cdc_core::Lsn;
use cdc_core::wire::command::publication_names;
use cdc_core::wire::{ConnectOptions, Frame, Purpose, Session, StartReplication};

const USAGE: &str = "usage: null_stream CONNINFO SLOT PUBLICATION END_LSN";

#[derive(Default)]
struct Counts {
    frames: u64,
    rows: u64,
    bytes: u64,
    waits: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().context(USAGE);
    let (conninfo, slot, publication) = (next()?, next()?, next()?);
    let end: Lsn = next()?.parse()?;
    let options = ConnectOptions::parse(&conninfo)?;
    let session = Session::connect(&options, Purpose::Replication, "null_stream").await?;
    let start = StartReplication {
        slot,
        start: Lsn::ZERO,
        options: vec![
            ("proto_version".to_owned(), "1".to_owned()),
            ("publication_names".to_owned(), publication_names(&[publication])),
        ],
        status_interval: Duration::from_secs(10),
    };
    let began = Instant::now();
    let cpu_before = cpu()?;
    let counts = drain(session, &start, end).await?;
    report(&counts, began.elapsed(), cpu()?.saturating_sub(cpu_before));
    Ok(())
}

async fn drain(session: Session, start: &StartReplication, end: Lsn) -> Result<Counts> {
    let mut stream = session.start_replication(start).await?;
    let mut counts = Counts::default();
    loop {
        stream.readable().await?;
        counts.waits += 1;
        while let Some(frame) = stream.next_frame()? {
            let at = match frame {
                Frame::XLogData { end, payload, .. } => {
                    counts.frames += 1;
                    counts.bytes += payload.len() as u64;
                    counts.rows += u64::from(payload.first() == Some(&b'I'));
                    end
                }
                Frame::Keepalive { end, .. } => end,
            };
            if at >= end {
                return Ok(counts);
            }
        }
    }
}

/// Processor time of this process, from the kernel's count of ticks (1/100 s).
fn cpu() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(") ").context("/proc/self/stat")?;
    let ticks: u64 = fields
        .split(' ')
        .skip(11)
        .take(2)
        .map(|t| t.parse::<u64>().unwrap_or_default())
        .sum();
    Ok(Duration::from_millis(ticks * 10))
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn report(counts: &Counts, wall: Duration, cpu: Duration) {
    let rows = counts.rows as f64;
    println!(
        "{} rows, {} frames, {:.1} MB in {:.2} s: {:.0} rows/s; {:.2} s CPU, {:.2} us a row; {} waits, {:.1} frames each",
        counts.rows,
        counts.frames,
        counts.bytes as f64 / 1e6,
        wall.as_secs_f64(),
        rows / wall.as_secs_f64(),
        cpu.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / rows.max(1.0),
        counts.waits,
        counts.frames as f64 / counts.waits.max(1) as f64,
    );
}
