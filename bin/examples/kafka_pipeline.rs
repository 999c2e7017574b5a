//! The Kafka pipeline inside a program of your own: rows to topics, offsets in a compacted topic.
//!
//! ```text
//! cargo run --example kafka_pipeline -- postgres://postgres@localhost/shop my_publication localhost:9092
//! ```
//!
//! The same engine as `pgcdc run`: it restarts by itself, and a clean stop leaves everything read in Kafka, stored and
//! acknowledged. Live figures are in [`Pipeline::status`]; metrics go to whatever `metrics` recorder the program installs.

use std::sync::Arc;
use std::time::Duration;

use cdc_core::Error;
use cdc_core::engine::{Pipeline, SourceOptions};
use cdc_core::envelope::Format;
use cdc_core::seam::{OffsetStore, PipelineKey, Sink};
use cdc_core::wire::ConnectOptions;
use cdc_kafka::{KafkaConfig, KafkaOffsetStore, KafkaSink, SinkOptions};
use cdc_snapshot::{CopySnapshotter, SnapshotOptions};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [url, publication, brokers] = args.as_slice() else {
        eprintln!("usage: kafka_pipeline URL PUBLICATION BROKERS");
        std::process::exit(2);
    };
    let kafka = KafkaConfig::new(brokers.clone()).with_property("compression.type", "lz4");
    let for_offsets = kafka.clone();
    let source = SourceOptions::new(ConnectOptions::parse(url)?, "pgcdc_example_kafka", publication);
    let pipeline = Pipeline::builder(source)
        .format(Format {
            topic_prefix: "example".into(),
            ..Format::default()
        })
        .snapshotter(Arc::new(CopySnapshotter::new(SnapshotOptions::default())?))
        .sink(Box::new(move || {
            let kafka = kafka.clone();
            Box::pin(async move {
                Ok(Box::new(KafkaSink::open(&kafka, SinkOptions::default()).await?) as Box<dyn Sink>)
            })
        }))
        .offsets(Box::new(move || {
            let kafka = for_offsets.clone();
            let key = PipelineKey {
                pipeline: "example".into(),
                server: "example".into(),
            };
            Box::pin(async move {
                Ok(Box::new(KafkaOffsetStore::open(&kafka, key).await?) as Box<dyn OffsetStore>)
            })
        }))
        .build()?;
    let (status, stop) = (pipeline.status(), CancellationToken::new());
    let on_signal = stop.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            on_signal.cancel();
        }
    });
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            eprintln!(
                "{}: {} rows, confirmed {}",
                status.phase().name(),
                status.rows(),
                status.confirmed_lsn()
            );
        }
    });
    pipeline.run(stop).await
}
