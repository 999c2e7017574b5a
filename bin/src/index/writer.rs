//! The pipeline that writes to the old index, as another process sees it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cdc_core::Error;
use cdc_core::wire::{ConnectOptions, Purpose, Session, quote_literal};
use cdc_kafka::{GroupWatch, SourceConfig};
use sink_es::FilledFrom;

use super::filling::end_of_log;
use crate::config::Validated;
use crate::run::group_of;

/// How often it is looked at.
const GLANCE: Duration = Duration::from_millis(500);
/// Who has not come so far in this time is taken for one that is not running: an idle stream confirms its position every ten
/// seconds.
const LONGEST: Duration = Duration::from_secs(60);

/// Where the pipeline is.
#[derive(Debug)]
pub(super) struct Writer {
    /// In the order in which rows come by.
    places: Vec<Place>,
    /// It has been waited for in vain.
    silent: AtomicBool,
}

#[derive(Debug)]
enum Place {
    /// Behind what its slot has confirmed.
    Slot(Box<ConnectOptions>, String),
    /// Behind the offsets that its group has committed.
    Group(GroupWatch),
}

impl Writer {
    /// The pipeline of a configuration, as far as it writes a topic's documents. What the filling knows `from` the table need
    /// not be in the topic yet.
    ///
    /// # Errors
    /// What the client refuses.
    pub(super) fn of(config: &Validated, topic: &str, from: FilledFrom) -> Result<Self, Error> {
        let mut places = Vec::new();
        if let Some(source) = &config.source
            && (from == FilledFrom::Table || config.consume.is_none())
        {
            let slot = source.config.slot.name.clone();
            places.push(Place::Slot(Box::new(source.connect.clone()), slot));
        }
        if let (Some(kafka), Some(consume)) = (&config.kafka, &config.consume) {
            let topics = SourceConfig {
                group_id: consume.group_id.clone(),
                ..SourceConfig::new(vec![topic.to_owned()])
            };
            places.push(Place::Group(GroupWatch::new(kafka, &topics, &group_of(config))?));
        }
        Ok(Self {
            places,
            silent: AtomicBool::new(false),
        })
    }

    /// Returns once it has come past everything that is there now; false if it does not, or nobody says.
    pub(super) async fn has_passed(&self) -> bool {
        if self.places.is_empty() || self.silent.load(Ordering::Relaxed) {
            return false;
        }
        for place in &self.places {
            match tokio::time::timeout(LONGEST, place.pass()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(error = %error.chain(), "it cannot be told where the pipeline is");
                    return false;
                }
                Err(_) => {
                    tracing::warn!(
                        "the pipeline is not running, or far behind: documents that differ are only looked at for some seconds"
                    );
                    self.silent.store(true, Ordering::Relaxed);
                    return false;
                }
            }
        }
        true
    }
}

impl Place {
    async fn pass(&self) -> Result<(), Error> {
        match self {
            Self::Group(watch) => {
                let mut open = watch.ends().await?;
                while !open.is_empty() {
                    open = watch.open(open).await?;
                    if !open.is_empty() {
                        tokio::time::sleep(GLANCE).await;
                    }
                }
            }
            Self::Slot(connect, slot) => {
                let end = end_of_log(connect).await?;
                let mut sql = Session::connect(connect, Purpose::Sql, "pgcdc index rebuild").await?;
                let ask = format!(
                    "SELECT 1 FROM pg_catalog.pg_replication_slots WHERE slot_name = {} AND confirmed_flush_lsn >= '{end}'",
                    quote_literal(slot)
                );
                while sql.query(&ask).await?.rows.is_empty() {
                    tokio::time::sleep(GLANCE).await;
                }
            }
        }
        Ok(())
    }
}
