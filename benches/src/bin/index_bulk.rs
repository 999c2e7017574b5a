//! Measures the index sink alone against a raw bulk loader: the same documents, prepared in memory, on the same node.
//!
//! `index_bulk URL [documents] engine=sink|raw [docs=N] [in_flight=N]`: loads into an index of its own, without replicas
//! and refreshes. The loader sends ready bodies and reads no more of a reply than whether there were errors. Prints
//! documents a second, and the CPU time and the most memory that this process had.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use cdc_core::seam::Sink as _;
use cdc_core::{Batch, Lsn, Position, RecordHead, Topic};
use serde_json::json;
use sink_es::{IndexConfig, IndexSink};

/// Records of a batch, as the consumer hands them over.
const BATCH: u64 = 1000;

struct Plan {
    url: String,
    documents: u64,
    raw: bool,
    /// Documents a request and requests in flight; the sink's own if not given.
    docs: Option<usize>,
    in_flight: Option<usize>,
}

fn plan() -> Result<Plan> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments
        .next()
        .context("usage: index_bulk URL [documents] engine=sink|raw [docs=N] [in_flight=N]")?;
    let mut plan = Plan {
        url,
        documents: 200_000,
        raw: false,
        docs: None,
        in_flight: None,
    };
    for argument in arguments {
        match argument.split_once('=') {
            None => plan.documents = argument.parse()?,
            Some(("engine", name @ ("sink" | "raw"))) => plan.raw = name == "raw",
            Some(("docs", n)) => plan.docs = Some(n.parse()?),
            Some(("in_flight", n)) => plan.in_flight = Some(n.parse()?),
            Some((name, _)) => anyhow::bail!("unknown argument {name}"),
        }
    }
    Ok(plan)
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    let plan = plan()?;
    let installed = rustls::crypto::ring::default_provider().install_default();
    ensure!(installed.is_ok(), "another TLS provider was installed before");
    let http = reqwest::Client::new();
    let stamp = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)?
        .as_millis();
    let index = format!("bench-{stamp}");
    let body = json!({ "settings": { "number_of_replicas": 0, "refresh_interval": "-1" } });
    let made = http
        .put(format!("{}/{index}", plan.url))
        .header("content-type", "application/json")
        .body(body.to_string())
        .send()
        .await?;
    ensure!(
        made.status().is_success(),
        "index {index} was not made: {}",
        made.status()
    );
    let took = if plan.raw {
        through_loader(&plan, &http, &index).await?
    } else {
        through_sink(&plan, &index).await?
    };
    let documents = plan.documents as f64;
    println!("docs_per_s={:.0}", documents / took.as_secs_f64());
    println!("us_per_event={:.2}", cpu_seconds()? * 1e6 / documents);
    println!("peak_mb={:.1}", peak_memory()? as f64 / 1024.0);
    http.delete(format!("{}/{index}", plan.url)).send().await?;
    Ok(())
}

fn row(id: u64, out: &mut Vec<u8>) -> Result<()> {
    write!(
        out,
        r#"{{"id":{id},"name":"customer {id}","email":"c{id}@example.org","balance":"{}.{:02}","created":"2021-09-13T11:06:09.108Z","note":"{}"}}"#,
        id % 9973,
        id % 100,
        "lorem ipsum dolor sit amet ".repeat(4)
    )?;
    Ok(())
}

async fn through_sink(plan: &Plan, index: &str) -> Result<Duration> {
    let mut bulk = serde_json::Map::new();
    let given = [("max_docs", plan.docs), ("max_in_flight", plan.in_flight)];
    bulk.extend(
        given
            .into_iter()
            .filter_map(|(k, n)| Some((k.to_owned(), n?.into()))),
    );
    let config: IndexConfig =
        serde_json::from_value(json!({ "urls": [plan.url], "name": index, "bulk": bulk }))?;
    let mut sink = IndexSink::new(&config)?;
    let topic = Arc::new(Topic { name: "bench".into() });
    let began = Instant::now();
    let (mut next, mut spare) = (0, None);
    while next < plan.documents {
        let end = (next + BATCH).min(plan.documents);
        let mut batch: Batch = spare.take().unwrap_or_default();
        for id in next..end {
            write!(batch.buf(), r#"{{"id":{id}}}"#)?;
            batch.mark_key();
            batch.buf().extend_from_slice(b"{\"before\":null,\"after\":");
            row(id, batch.buf())?;
            write!(
                batch.buf(),
                r#","source":{{"lsn":{id},"ts_ms":1}},"op":"c","ts_ms":1}}"#
            )?;
            batch.mark_value();
            batch.finish(&RecordHead {
                topic: Arc::clone(&topic),
                partition: Some(0),
                timestamp_ms: None,
                position: Position {
                    commit_lsn: Lsn::ZERO,
                    seq: id,
                },
                version_lsn: Lsn(8 * (id + 1)),
            });
        }
        spare = sink.write(batch).await?;
        next = end;
    }
    sink.flush().await?;
    Ok(began.elapsed())
}

async fn through_loader(plan: &Plan, http: &reqwest::Client, index: &str) -> Result<Duration> {
    let docs = u64::try_from(plan.docs.unwrap_or(5000))?;
    let mut bodies = Vec::new();
    let mut next = 0;
    while next < plan.documents {
        let mut body = Vec::new();
        for id in next..(next + docs).min(plan.documents) {
            writeln!(
                body,
                r#"{{"index":{{"_index":"{index}","_id":"{id}","version":{},"version_type":"external_gte"}}}}"#,
                id + 1
            )?;
            row(id, &mut body)?;
            body.push(b'\n');
        }
        bodies.push(body);
        next += docs;
    }
    let bodies = Arc::new(tokio::sync::Mutex::new(bodies));
    let began = Instant::now();
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..plan.in_flight.unwrap_or(4) {
        let (http, bodies) = (http.clone(), Arc::clone(&bodies));
        let url = format!("{}/_bulk?filter_path=errors", plan.url);
        workers.spawn(async move {
            loop {
                let Some(body) = bodies.lock().await.pop() else {
                    return Ok::<_, anyhow::Error>(());
                };
                let answer = http
                    .post(&url)
                    .header("content-type", "application/x-ndjson")
                    .body(body)
                    .send()
                    .await?;
                ensure!(answer.status().is_success(), "status {}", answer.status());
                let text = answer.text().await?;
                ensure!(text.contains("false"), "documents were refused: {text}");
            }
        });
    }
    while let Some(done) = workers.join_next().await {
        done??;
    }
    Ok(began.elapsed())
}

/// CPU seconds of this process so far.
fn cpu_seconds() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(") ").next().context("no fields")?;
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u64>);
    Ok(ticks.sum::<Result<u64, _>>()? as f64 / 100.0)
}

/// The most memory that this process had so far, in KiB.
fn peak_memory() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|l| l.strip_prefix("VmHWM:"))
        .context("no VmHWM")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}
