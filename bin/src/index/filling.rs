//! What brings rows to a new index while the pipeline goes on: a consumer group of its own from the beginning of the topic,
//! or a pipeline of its own that reads the table and then its changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cdc_core::engine::{Pipeline, PublicationMode, RetryOptions, SnapshotMode, Status};
use cdc_core::filter::{Capture, Filters, NameFilter};
use cdc_core::seam::Sink;
use cdc_core::wire::{ConnectOptions, Purpose, Session};
use cdc_core::{Error, ErrorKind, Lsn};
use cdc_kafka::{GroupWatch, SourceConfig};
use cdc_snapshot::{CopySnapshotter, SnapshotOptions};
use sink_es::IndexConfig;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::tables::captured;
use crate::config::{Source, Validated};
use crate::run::fence::Fence;
use crate::run::relay::Relay;
use crate::run::{self, assemble};

/// How often it is looked at.
const GLANCE: Duration = Duration::from_millis(500);

/// Version 1. The table does not tell when a row was last changed, so every change that either pipeline brings must win over
/// what was read from the table.
const OLDEST: Lsn = Lsn(8);

/// A source of rows for the new index.
#[derive(Debug)]
pub(super) enum Filling {
    /// The topic.
    Topic(Box<FromTopic>),
    /// The table.
    Table(Box<FromTable>),
}

/// Reads the topic from its beginning, as the pipeline's index stage does.
#[derive(Debug)]
pub(super) struct FromTopic {
    relay: Relay,
    watch: GroupWatch,
}

/// Reads the table in the snapshot of a slot of its own, then streams from that slot: what the pipeline's own start does.
/// The slot ends with the connection, so that nothing holds back WAL once the rebuild is over, however it ends.
#[derive(Debug)]
pub(super) struct FromTable {
    pipeline: Pipeline,
    status: Arc<Status>,
    connect: ConnectOptions,
}

/// Where all partitions, or the log, ended.
enum End {
    Topic(Vec<cdc_kafka::PartitionEnd>),
    Table(Lsn),
}

impl Filling {
    /// Writes to the new index until `stop`, and then to the ends of the transactions begun.
    ///
    /// # Errors
    /// What does not mend by itself.
    pub(super) async fn run(&self, stop: CancellationToken) -> Result<(), Error> {
        match self {
            Self::Topic(topic) => topic.relay.run(stop).await,
            Self::Table(table) => table.pipeline.run(stop).await.map_err(slot_is_gone),
        }
    }

    /// Returns once everything that is there now has been written to the new index.
    ///
    /// # Errors
    /// When that takes longer than `patience`, or the end cannot be asked for.
    pub(super) async fn catch_up(&self, patience: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + patience;
        let mut end = self.end().await?;
        while !self.has_reached(&mut end).await? {
            if Instant::now() >= deadline {
                return Err(Error::new(
                    ErrorKind::SinkUnavailable,
                    "the new index did not catch up in time",
                )
                .with_hint("raise --patience, or see to what slows the cluster down"));
            }
            tokio::time::sleep(GLANCE).await;
        }
        Ok(())
    }

    async fn end(&self) -> Result<End, Error> {
        match self {
            Self::Topic(topic) => Ok(End::Topic(topic.watch.ends().await?)),
            Self::Table(table) => Ok(End::Table(end_of_log(&table.connect).await?)),
        }
    }

    async fn has_reached(&self, end: &mut End) -> Result<bool, Error> {
        match (self, end) {
            (Self::Topic(topic), End::Topic(open)) => {
                *open = topic.watch.open(std::mem::take(open)).await?;
                Ok(open.is_empty())
            }
            (Self::Table(table), End::Table(lsn)) => Ok(table.status.durable_lsn() >= *lsn),
            _ => Ok(false),
        }
    }
}

impl FromTopic {
    /// Sets the consumer group `group` up.
    ///
    /// # Errors
    /// Without a `kafka` section, and what the client refuses.
    pub(super) fn new(
        config: &Validated,
        topic: &str,
        index: IndexConfig,
        group: String,
    ) -> Result<Self, Error> {
        let kafka = config.kafka.as_ref().ok_or_else(|| {
            Error::new(
                ErrorKind::Config,
                "--topic fills the new index from Kafka, which needs the `kafka` section",
            )
            .with_hint("without Kafka, fill it from the table: --table SCHEMA.TABLE")
        })?;
        let topics = SourceConfig {
            group_id: Some(group.clone()),
            ..SourceConfig::new(vec![topic.to_owned()])
        };
        let watch = GroupWatch::new(kafka, &topics, &group)?;
        Ok(Self {
            watch: watch.clone(),
            relay: Relay {
                name: config.name.clone(),
                kafka: kafka.clone(),
                topics,
                group,
                index,
                reshape: config.before_index(),
                status: Arc::default(),
                fence: Fence::default(),
                whole_transactions: Some(watch),
            },
        })
    }
}

/// Tables to read.
#[derive(Debug)]
pub(super) struct Tables {
    names: Vec<String>,
    topics: Vec<String>,
}

impl Tables {
    /// Looks the tables up, given as `schema.table`.
    ///
    /// # Errors
    /// When the configuration reads from no database, or does not capture one of them.
    pub(super) async fn find(config: &Validated, names: &[String]) -> Result<Self, Error> {
        let source = source(config)?;
        let mut sql = Session::connect(&source.connect, Purpose::Sql, "pgcdc index rebuild").await?;
        let all = captured(config, source.connect.database(), &mut sql).await?;
        let mut topics = Vec::new();
        for name in names {
            let found = all
                .iter()
                .find(|c| *name == format!("{}.{}", c.table.schema, c.table.name))
                .ok_or_else(|| {
                    Error::new(
                        ErrorKind::Config,
                        format!("table {name} is not captured by this pipeline"),
                    )
                    .with_hint("write it as SCHEMA.TABLE, in the case that the catalog has; `source.tables` must let it pass")
                })?;
            topics.push(found.topic.clone());
        }
        topics.sort();
        topics.dedup();
        Ok(Self {
            names: names.to_vec(),
            topics,
        })
    }

    /// The one topic that their rows go to.
    ///
    /// # Errors
    /// When there are several, or transforms may name another one.
    pub(super) fn topic(&self, config: &Validated) -> Result<&str, Error> {
        match self.topics.as_slice() {
            [one] if config.reshape.chain.is_empty() => Ok(one),
            [_] => Err(Error::new(
                ErrorKind::Config,
                "transforms may send the table's rows to another topic than its own",
            )
            .with_hint("say with --topic which topic's index is to be rebuilt")),
            _ => Err(
                Error::new(ErrorKind::Config, "the tables' rows go to several topics")
                    .with_hint("rebuild one index at a time, or say with --topic where they meet"),
            ),
        }
    }
}

impl FromTable {
    /// Puts the pipeline together.
    ///
    /// # Errors
    /// What the configuration's own checks cannot see.
    pub(super) fn new(config: &Validated, tables: &Tables, index: IndexConfig) -> Result<Self, Error> {
        let source = source(config)?;
        let c = &source.config;
        let mut options = assemble::source_options(source, source.connect.clone());
        // Signals are for the pipeline, which writes what they ask for into the index that it fills.
        options.signals = None;
        options.slot.name = run::unique("pgcdc_rebuild");
        options.slot.create = true;
        options.slot.temporary = true;
        options.slot.drop_on_stop = false;
        options.slot.failover = false;
        // The pipeline has seen to it; a narrower set of tables must not change it.
        options.publication.mode = PublicationMode::Disabled;
        options.snapshot = SnapshotMode::Initial;
        options.snapshot_version = Some(OLDEST);
        options.whole_transactions = true;
        options.heartbeat = None;
        let capture = Capture::new(&Filters {
            schemas: c.schemas.clone(),
            tables: NameFilter {
                include: tables.names.iter().map(|name| regex::escape(name)).collect(),
                exclude: Vec::new(),
            },
            columns: c.columns.clone(),
            message_prefixes: NameFilter {
                include: Vec::new(),
                exclude: vec![".*".to_owned()],
            },
            ignore_builtin: c.ignore_builtin,
        })?;
        let reader = CopySnapshotter::new(SnapshotOptions {
            threads: usize::from(c.snapshot.max_threads),
            include: Vec::new(),
            overrides: overrides(&c.snapshot.overrides, &tables.names),
        })?;
        // Transactions have a topic, and so an index, of their own.
        let mut format = config.format.clone();
        format.transaction_metadata = false;
        let (kafka, name) = (config.kafka.clone(), config.name.clone());
        let pipeline = Pipeline::builder(options)
            .format(format)
            .reshape(config.reshape.clone())
            .capture(capture)
            .snapshotter(Arc::new(reader))
            .retry(RetryOptions {
                first: c.retry.initial,
                longest: c.retry.max,
                limit: c.retry.attempts,
            })
            .sink(Box::new(move || {
                let (index, kafka, name) = (index.clone(), kafka.clone(), name.clone());
                Box::pin(async move {
                    let sink = assemble::index_sink(&index, kafka.as_ref(), &name).await?;
                    Ok(Box::new(sink) as Box<dyn Sink>)
                })
            }))
            .build()?;
        Ok(Self {
            status: pipeline.status(),
            pipeline,
            connect: source.connect.clone(),
        })
    }
}

fn source(config: &Validated) -> Result<&Source, Error> {
    config.source.as_ref().ok_or_else(|| {
        Error::new(
            ErrorKind::Config,
            "--table reads from PostgreSQL, which needs the `source` section",
        )
        .with_hint("without it, fill the new index from Kafka: --topic TOPIC")
    })
}

/// The configured SELECTs of these tables.
fn overrides(all: &BTreeMap<String, String>, names: &[String]) -> BTreeMap<String, String> {
    let of_ours = all.iter().filter(|(table, _)| names.contains(table));
    of_ours
        .map(|(table, select)| (table.clone(), select.clone()))
        .collect()
}

/// Where the log ends that decoding can reach: what is not flushed, or not replayed on a standby, no pipeline has seen either.
pub(super) async fn end_of_log(connect: &ConnectOptions) -> Result<Lsn, Error> {
    let mut sql = Session::connect(connect, Purpose::Sql, "pgcdc index rebuild").await?;
    let ask = "SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() \
               ELSE pg_catalog.pg_current_wal_flush_lsn() END";
    let rows = sql.query(ask).await?.rows;
    let lsn = rows
        .into_iter()
        .next()
        .and_then(|row| row.into_iter().next())
        .flatten();
    lsn.and_then(|text| text.parse().ok())
        .ok_or_else(|| Error::new(ErrorKind::Protocol, "the server does not say where its log ends"))
}

/// The connection broke, and the slot went with it.
fn slot_is_gone(error: Error) -> Error {
    if error.kind() != ErrorKind::SlotMissing {
        return error;
    }
    Error::new(
        ErrorKind::SlotMissing,
        "the connection to the database broke, and the rebuild's temporary slot went with it",
    )
    .with_source(error)
    .with_hint("delete the new index and start the rebuild again")
}
