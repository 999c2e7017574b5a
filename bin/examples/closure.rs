//! Changes of a database in a function of your own, without Kafka and without a configuration file.
//!
//! ```text
//! cargo run --example closure -- postgres://postgres@localhost/shop my_publication
//! ```
//!
//! The publication must exist. The slot `pgcdc_example` is made at the first run; offsets are kept in the file
//! `pgcdc_example.offset`, so a second run goes on where the first stopped. Ctrl-C stops cleanly.
//!
//! The contract: a batch holds records in commit order; when the function returns `Ok`, all of them count as processed, and
//! after a crash the stream starts at the first batch for which it did not. Batches may come twice, rows are never left out.

use std::sync::Arc;

use cdc_core::engine::{Pipeline, SourceOptions};
use cdc_core::offset::FileStore;
use cdc_core::seam::{OffsetStore, PipelineKey};
use cdc_core::wire::ConnectOptions;
use cdc_core::{Batch, Error};
use cdc_snapshot::{CopySnapshotter, SnapshotOptions};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut args = std::env::args().skip(1);
    let (Some(url), Some(publication)) = (args.next(), args.next()) else {
        eprintln!("usage: closure URL PUBLICATION");
        std::process::exit(2);
    };
    let source = SourceOptions::new(ConnectOptions::parse(&url)?, "pgcdc_example", &publication);
    let pipeline = Pipeline::builder(source)
        .snapshotter(Arc::new(CopySnapshotter::new(SnapshotOptions::default())?))
        .offsets(Box::new(|| {
            Box::pin(async {
                let key = PipelineKey {
                    pipeline: "example".into(),
                    server: "example".into(),
                };
                Ok(Box::new(FileStore::open("pgcdc_example.offset", key).await?) as Box<dyn OffsetStore>)
            })
        }))
        .for_each(|batch: &Batch| {
            for record in batch.records() {
                let text = |bytes: Option<&[u8]>| {
                    bytes
                        .map(String::from_utf8_lossy)
                        .unwrap_or_default()
                        .into_owned()
                };
                println!(
                    "{} {} {}",
                    record.head.topic.name,
                    text(record.key),
                    text(record.value)
                );
            }
            Ok(())
        })
        .build()?;
    let stop = CancellationToken::new();
    let on_signal = stop.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            on_signal.cancel();
        }
    });
    pipeline.run(stop).await
}
