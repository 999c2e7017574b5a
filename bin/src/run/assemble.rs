//! From the validated configuration to the parts of a pipeline.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use cdc_core::engine::{
    HeartbeatOptions, OffsetFactory, Pipeline, PublicationMode, PublicationOptions, RetryOptions,
    SinkFactory, SlotOptions, SnapshotMode, SourceOptions,
};
use cdc_core::offset::{FileStore, MemoryStore, PostgresStore};
use cdc_core::seam::{OffsetStore, PipelineKey, Sink};
use cdc_core::sink::{ForEach, LineForm, Lines};
use cdc_core::wire::ConnectOptions;
use cdc_core::{Batch, Error, ErrorKind};
use cdc_kafka::{KafkaConfig, KafkaOffsetStore, KafkaSink, SinkOptions};
use cdc_snapshot::{CopySnapshotter, SnapshotOptions};
use secrecy::ExposeSecret;
use sink_es::{IndexConfig, IndexSink};

use super::fence::Fence;
use crate::config::{self, OffsetsConfig, OutputConfig, PublicationAutocreate, Source, Validated};

/// The pipeline that reads from PostgreSQL; none if the configuration has only the index stage.
///
/// # Errors
/// What the configuration's own checks cannot see: the connection string, patterns.
pub fn pipeline(config: &Validated, fence: &Fence) -> Result<Option<Pipeline>, Error> {
    let Some(source) = &config.source else {
        return Ok(None);
    };
    let connect = source.connect.clone();
    let key = PipelineKey {
        pipeline: config.name.clone(),
        server: config.format.topic_prefix.clone(),
    };
    let snapshot = &source.config.snapshot;
    let reader = CopySnapshotter::new(SnapshotOptions {
        threads: usize::from(snapshot.max_threads),
        include: snapshot.include.clone(),
        overrides: snapshot.overrides.clone(),
    })?;
    let retry = &source.config.retry;
    let pipeline = Pipeline::builder(source_options(source, connect.clone()))
        .format(config.format.clone())
        .reshape(config.reshape.clone())
        .capture(config.capture.clone())
        .snapshotter(Arc::new(reader))
        .retry(RetryOptions {
            first: retry.initial,
            longest: retry.max,
            limit: retry.attempts,
        })
        .offsets(offsets(config, &connect, &key)?)
        .sink(sink(config, fence)?)
        .build()?;
    Ok(Some(pipeline))
}

/// What the engine is told about the source.
#[must_use]
pub fn source_options(source: &Source, connect: ConnectOptions) -> SourceOptions {
    let c = &source.config;
    SourceOptions {
        connect,
        slot: SlotOptions {
            name: c.slot.name.clone(),
            create: c.slot.create,
            drop_on_stop: c.slot.drop_on_stop,
            failover: c.slot.failover,
            temporary: c.slot.temporary,
        },
        publication: PublicationOptions {
            name: c.publication.name.clone(),
            mode: match c.publication.autocreate {
                PublicationAutocreate::Disabled => PublicationMode::Disabled,
                PublicationAutocreate::Filtered => PublicationMode::Filtered,
                PublicationAutocreate::AllTables => PublicationMode::AllTables,
                PublicationAutocreate::NoTables => PublicationMode::NoTables,
            },
            via_partition_root: c.publication.via_partition_root,
            publish: c.publication.publish.clone(),
        },
        snapshot: match c.snapshot.mode {
            config::SnapshotMode::Initial => SnapshotMode::Initial,
            config::SnapshotMode::Always => SnapshotMode::Always,
            config::SnapshotMode::NoData => SnapshotMode::NoData,
            config::SnapshotMode::InitialOnly => SnapshotMode::InitialOnly,
            config::SnapshotMode::WhenNeeded => SnapshotMode::WhenNeeded,
        },
        snapshot_version: None,
        whole_transactions: false,
        stream_in_progress: c.streaming.in_progress,
        spool_memory: c.streaming.memory.as_u64(),
        spool_dir: c.streaming.spill_dir.clone(),
        status_interval: c.streaming.status_interval,
        heartbeat: (!c.heartbeat.interval.is_zero()).then(|| HeartbeatOptions {
            interval: c.heartbeat.interval,
            action_query: c.heartbeat.action_query.clone(),
        }),
        stream_params: c.streaming.params.clone().into_iter().collect(),
        initial_statements: c.initial_statements.clone(),
        signals: c.signal_options(),
    }
}

fn sink(config: &Validated, fence: &Fence) -> Result<SinkFactory, Error> {
    if let Some(kafka) = &config.kafka {
        let bytes = config.source.as_ref().map(|s| s.config.memory.0.as_u64());
        return Ok(to_kafka(kafka.clone(), bytes));
    }
    if let Some(index) = &config.index {
        return Ok(to_index(index.clone(), config.name.clone(), fence.clone()));
    }
    match &config.output {
        Some(OutputConfig::Stdout) => Ok(to_stdout(LineForm::Record)),
        Some(OutputConfig::Ndjson(file)) => Ok(to_file(file.path.clone())),
        Some(OutputConfig::Null) => Ok(to_nothing()),
        None => Err(Error::new(
            ErrorKind::Config,
            "nothing receives the source's changes",
        )),
    }
}

fn to_kafka(kafka: KafkaConfig, buffer_bytes: Option<u64>) -> SinkFactory {
    let options = buffer_bytes.map_or_else(SinkOptions::default, |buffer_bytes| SinkOptions { buffer_bytes });
    Box::new(move || {
        let kafka = kafka.clone();
        Box::pin(async move { Ok(Box::new(KafkaSink::open(&kafka, options).await?) as Box<dyn Sink>) })
    })
}

fn to_index(index: IndexConfig, name: String, fence: Fence) -> SinkFactory {
    Box::new(move || {
        let (index, name, fence) = (index.clone(), name.clone(), fence.clone());
        Box::pin(async move {
            let sink = index_sink(&index, None, &name).await?;
            fence.at_work(sink.refresher());
            Ok(Box::new(sink) as Box<dyn Sink>)
        })
    })
}

/// The index sink, with a producer for dead letters if a topic is configured for them.
///
/// # Errors
/// As the sink's and the producer's.
pub async fn index_sink(
    index: &IndexConfig,
    kafka: Option<&KafkaConfig>,
    pipeline: &str,
) -> Result<IndexSink, Error> {
    match kafka {
        Some(kafka) if !index.dead_letter_topics().is_empty() => {
            let topics = KafkaSink::open(kafka, SinkOptions::default()).await?;
            IndexSink::with_dead_letters(index, Box::new(topics), pipeline)
        }
        _ => IndexSink::new(index),
    }
}

/// Records or values as lines on standard output.
#[must_use]
pub fn to_stdout(form: LineForm) -> SinkFactory {
    Box::new(move || {
        Box::pin(async move {
            let lines = Lines::start(io::stdout(), form, |out| out.flush())?;
            Ok(Box::new(lines) as Box<dyn Sink>)
        })
    })
}

fn to_file(path: PathBuf) -> SinkFactory {
    Box::new(move || {
        let path = path.clone();
        Box::pin(async move {
            let lines = Lines::append(&path)?;
            Ok(Box::new(lines) as Box<dyn Sink>)
        })
    })
}

fn to_nothing() -> SinkFactory {
    Box::new(|| Box::pin(async { Ok(Box::new(ForEach::new(|_: &Batch| Ok(()))) as Box<dyn Sink>) }))
}

/// Where the pipeline keeps its offsets.
///
/// # Errors
/// Kind `Config` if the section does not fit the rest.
pub fn offsets(
    config: &Validated,
    source: &ConnectOptions,
    key: &PipelineKey,
) -> Result<OffsetFactory, Error> {
    let key = key.clone();
    Ok(match &config.offsets {
        OffsetsConfig::Memory => {
            let memory = MemoryStore::default();
            Box::new(move || {
                let memory = memory.clone();
                Box::pin(async move { Ok(Box::new(memory) as Box<dyn OffsetStore>) })
            })
        }
        OffsetsConfig::File(file) => {
            let path = file.path.clone();
            Box::new(move || {
                let (path, key) = (path.clone(), key.clone());
                Box::pin(
                    async move { Ok(Box::new(FileStore::open(path, key).await?) as Box<dyn OffsetStore>) },
                )
            })
        }
        OffsetsConfig::Postgres(table) => {
            let connect = match &table.url {
                Some(url) => ConnectOptions::parse(url.expose_secret())?,
                None => source.clone(),
            };
            let (schema, table) = (table.schema.clone(), table.table.clone());
            Box::new(move || {
                let store = PostgresStore::new(connect.clone(), &schema, &table, key.clone());
                Box::pin(async move { Ok(Box::new(store) as Box<dyn OffsetStore>) })
            })
        }
        OffsetsConfig::Kafka => {
            let kafka = config.kafka.clone();
            let kafka = kafka
                .ok_or_else(|| Error::new(ErrorKind::Config, "offsets in Kafka need the kafka section"))?;
            Box::new(move || {
                let (kafka, key) = (kafka.clone(), key.clone());
                Box::pin(async move {
                    Ok(Box::new(KafkaOffsetStore::open(&kafka, key).await?) as Box<dyn OffsetStore>)
                })
            })
        }
    })
}
