//! Measures the Kafka sink alone: records a second, and CPU a record by thread, without PostgreSQL.
//!
//! `kafka_produce HOST:PORT [records] [property=value …]`; `batch=N` sets the records of a batch, `partitions=N` the
//! partitions of the topic, `buffer=BYTES` the sink's buffer. The records have keys of 14 bytes and JSON values of about
//! 690 bytes, like the change events of a table with a dozen columns.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use cdc_core::seam::Sink;
use cdc_core::{Batch, Lsn, Position, RecordHead, Topic};
use cdc_kafka::{KafkaConfig, KafkaSink, SinkOptions};

/// Bytes of a value.
const VALUE: usize = 690;

/// The kernel's name for the main thread.
const MAIN_THREAD: &str = "kafka_produce";

struct Plan {
    records: u64,
    batch: u64,
    options: SinkOptions,
    config: KafkaConfig,
}

fn plan() -> Result<Plan> {
    let mut arguments = std::env::args().skip(1);
    let servers = arguments
        .next()
        .context("usage: kafka_produce HOST:PORT [records] [property=value …]")?;
    let mut plan = Plan {
        records: 1_000_000,
        batch: 500,
        options: SinkOptions::default(),
        config: KafkaConfig::new(servers),
    };
    for argument in arguments {
        match argument.split_once('=') {
            None => plan.records = argument.parse()?,
            Some(("batch", n)) => plan.batch = n.parse()?,
            Some(("partitions", n)) => plan.config.topics.partitions = n.parse()?,
            Some(("buffer", n)) => plan.options.buffer_bytes = n.parse()?,
            Some((name, value)) => plan.config = plan.config.with_property(name, value),
        }
    }
    Ok(plan)
}

#[tokio::main(worker_threads = 1)]
async fn main() -> Result<()> {
    let plan = plan()?;
    let stamp = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)?
        .as_millis();
    let topic = Arc::new(Topic {
        name: format!("bench-{stamp}"),
    });
    let mut sink = KafkaSink::open(&plan.config, plan.options).await?;
    let values = Values::make()?;
    let mut spare = write(&mut sink, Batch::default(), &topic, &values, 0..1).await?;
    sink.flush().await?;
    let (began, before) = (Instant::now(), cpu()?);
    let mut next = 1;
    while next <= plan.records {
        let end = (next + plan.batch).min(plan.records + 1);
        spare = write(&mut sink, spare.unwrap_or_default(), &topic, &values, next..end).await?;
        next = end;
    }
    sink.flush().await?;
    let (took, after) = (began.elapsed(), cpu()?);
    report(plan.records, took, &before, &after);
    latency(&mut sink, &topic, &values).await?;
    sink.close().await?;
    Ok(())
}

/// Writes one batch of records with the numbers given.
async fn write(
    sink: &mut KafkaSink,
    mut batch: Batch,
    topic: &Arc<Topic>,
    values: &Values,
    numbers: std::ops::Range<u64>,
) -> Result<Option<Batch>> {
    for n in numbers {
        write!(batch.buf(), "{{\"id\":{n:08}}}")?;
        batch.mark_key();
        batch.buf().extend_from_slice(values.get(n));
        batch.mark_value();
        batch.finish(&RecordHead {
            topic: Arc::clone(topic),
            partition: None,
            timestamp_ms: None,
            position: Position::default(),
            version_lsn: Lsn::ZERO,
        });
    }
    Ok(sink.write(batch).await?)
}

/// Values made before the clock runs; enough of them that a batch of the client's never holds one twice.
struct Values {
    bytes: Vec<u8>,
    count: usize,
}

impl Values {
    fn make() -> Result<Self> {
        let (mut bytes, count) = (Vec::new(), 10_000);
        for n in 0..count {
            value(n as u64, &mut bytes)?;
        }
        Ok(Self { bytes, count })
    }

    fn get(&self, n: u64) -> &[u8] {
        #[expect(clippy::cast_possible_truncation, reason = "a remainder of the count")]
        let at = (n % self.count as u64) as usize * VALUE;
        self.bytes.get(at..at + VALUE).unwrap_or_default()
    }
}

/// One change event: names that repeat, numbers and text that do not.
fn value(n: u64, out: &mut Vec<u8>) -> Result<()> {
    let start = out.len();
    let mut x = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    write!(
        out,
        "{{\"before\":null,\"after\":{{\"id\":{n},\"customer\":{},\"note\":\"",
        x >> 40
    )?;
    while out.len() - start < VALUE - 440 {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        write!(out, "{:x} ", x & 0xffff_ffff)?;
    }
    write!(
        out,
        "\"}},\"source\":{{\"version\":\"1.0\",\"connector\":\"postgresql\",\"name\":\"srv\",\"ts_ms\":{},\"snapshot\":\"false\",\"db\":\"shop\",\
         \"sequence\":\"[\\\"{n}\\\",\\\"{n}\\\"]\",\"schema\":\"public\",\"table\":\"orders\",\"txId\":{n},\"lsn\":{n},\"xmin\":null}},\
         \"transaction\":null,\"op\":\"c\",\"ts_ms\":{}",
        1_700_000_000_000 + n,
        1_700_000_000_100 + n
    )?;
    while out.len() - start < VALUE - 1 {
        out.push(b' ');
    }
    out.push(b'}');
    Ok(())
}

/// Writes one record at a time, and says how long each took to be durable.
async fn latency(sink: &mut KafkaSink, topic: &Arc<Topic>, values: &Values) -> Result<()> {
    let before = cpu()?;
    let mut times = Vec::new();
    for n in 0..1000 {
        let began = Instant::now();
        write(sink, Batch::default(), topic, values, n..n + 1).await?;
        sink.flush().await?;
        times.push(began.elapsed());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    times.sort();
    let at = |percent: usize| {
        times
            .get(times.len() * percent / 100)
            .copied()
            .unwrap_or_default()
    };
    let used: f64 = cpu()?.values().sum::<f64>() - before.values().sum::<f64>();
    println!(
        "one record at a time: p50 {:?} p99 {:?}; {:.0} µs CPU a record",
        at(50),
        at(99),
        used * 1e6 / 1000.0
    );
    Ok(())
}

fn report(records: u64, took: Duration, before: &BTreeMap<String, f64>, after: &BTreeMap<String, f64>) {
    #[expect(clippy::cast_precision_loss, reason = "a report")]
    let records = records as f64;
    let (mut total, mut sink) = (0.0, 0.0);
    let mut lines = Vec::new();
    for (thread, seconds) in after {
        let used = seconds - before.get(thread).unwrap_or(&0.0);
        total += used;
        // The main thread copies records into batches, and the runtime's worker runs nothing else.
        if thread != MAIN_THREAD {
            sink += used;
        }
        lines.push(format!("{thread} {:.2}", used * 1e6 / records));
    }
    println!(
        "{:.0} records/s; {:.2} µs CPU a record, {:.2} of it in the sink ({}); peak memory {}",
        records / took.as_secs_f64(),
        total * 1e6 / records,
        sink * 1e6 / records,
        lines.join(", "),
        peak()
    );
}

fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.unwrap_or("unknown").trim().to_owned()
}

/// CPU seconds of this process by thread name, from the kernel's nanosecond counters.
fn cpu() -> Result<BTreeMap<String, f64>> {
    let mut all = BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        let name = std::fs::read_to_string(task.join("comm"))?;
        let stat = std::fs::read_to_string(task.join("schedstat"))?;
        let nanos: f64 = stat
            .split_whitespace()
            .next()
            .context("schedstat is empty")?
            .parse()?;
        *all.entry(name.trim().to_owned()).or_insert(0.0) += nanos / 1e9;
    }
    Ok(all)
}
