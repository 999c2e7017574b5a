//! Read your writes: waits until everything up to a position of the write-ahead log is searchable.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cdc_core::engine::Status;
use cdc_core::{Error, ErrorKind, Lsn};
use cdc_kafka::GroupWatch;
use serde_json::{Value, json};
use sink_es::Refresher;

/// How often the stages are looked at. Commits to Kafka's group go out every 50 ms.
const GLANCE: Duration = Duration::from_millis(10);
const GLANCE_GROUP: Duration = Duration::from_millis(50);

/// What a fence looks at. Stages that do not run here are not there.
#[derive(Clone, Debug, Default)]
pub struct Fence {
    /// The stage that reads from PostgreSQL.
    pub source: Option<Arc<Status>>,
    /// The index stage's group.
    pub group: Option<GroupWatch>,
    /// The index sink at work, which changes when a stage starts again.
    pub refresher: Arc<Mutex<Option<Refresher>>>,
    /// How long the last refresh took.
    pub last_refresh: Arc<Mutex<Option<Duration>>>,
}

impl Fence {
    /// Takes note of the sink at work.
    pub fn at_work(&self, refresher: Refresher) {
        *self.refresher.lock().unwrap_or_else(PoisonError::into_inner) = Some(refresher);
    }

    /// How long the last change took from stage to stage, and the last refresh, in milliseconds.
    #[must_use]
    pub fn latency(&self) -> Value {
        let refresher = self
            .refresher
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let steps = refresher.map(|r| r.latency().steps()).unwrap_or_default();
        let mut all: serde_json::Map<String, Value> = steps
            .iter()
            .filter(|(name, _)| !name.is_empty())
            .map(|(name, ms)| ((*name).to_owned(), json!(ms)))
            .collect();
        let refresh = *self.last_refresh.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(
            "indexed_to_searchable".into(),
            json!(refresh.map(|d| d.as_millis())),
        );
        Value::Object(all)
    }

    /// Returns once everything up to the position, or everything that is in Kafka now, is searchable.
    ///
    /// # Errors
    /// When the question cannot be answered here, and when the cluster or the brokers refuse.
    pub async fn wait(&self, lsn: Option<Lsn>) -> Result<(), Error> {
        match (&self.source, lsn) {
            (Some(source), Some(lsn)) => {
                while source.durable_lsn() < lsn {
                    tokio::time::sleep(GLANCE).await;
                }
            }
            (Some(_), None) => return Err(unanswerable("lsn is missing: /fence?lsn=0/16B3748")),
            (None, Some(_)) => {
                return Err(unanswerable(
                    "this process does not read the database: ask the one that does, then ask here without lsn",
                ));
            }
            (None, None) => {}
        }
        let mut topics = Vec::new();
        if let Some(group) = &self.group {
            let mut open = group.ends().await?;
            topics = open.iter().map(|(topic, ..)| topic.clone()).collect();
            topics.dedup();
            loop {
                open = group.open(open).await?;
                if open.is_empty() {
                    break;
                }
                tokio::time::sleep(GLANCE_GROUP).await;
            }
        }
        let refresher = loop {
            let now = self
                .refresher
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            match now {
                Some(refresher) => break refresher,
                None => tokio::time::sleep(GLANCE_GROUP).await,
            }
        };
        let took = refresher.refresh(&topics).await?;
        *self.last_refresh.lock().unwrap_or_else(PoisonError::into_inner) = Some(took);
        Ok(())
    }
}

fn unanswerable(text: &str) -> Error {
    Error::new(ErrorKind::Config, text)
}
