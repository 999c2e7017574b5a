//! Membership of a consumer group: which partitions are ours, and where they begin.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cdc_core::Error;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use serde::Deserialize;

use super::Shared;
use super::group::ASK;
use super::progress::{End, Place, Progress};
use crate::error;
use crate::report::{self, Reports};
use crate::telemetry::ConsumerMetrics;

/// How long partitions are kept, when they are to be given away, for batches under way.
const DRAIN: Duration = Duration::from_secs(5);

/// How often it is looked at those.
const GLANCE: Duration = Duration::from_millis(50);

/// The consumer's context: membership, reports and lag.
pub(super) struct Group {
    pub(super) reports: Reports,
    pub(super) metrics: ConsumerMetrics,
    progress: Mutex<Progress>,
    shared: Arc<Shared>,
    /// Whether partitions without a committed offset begin at their first record.
    from_the_first: bool,
    /// Why it is not known where partitions begin.
    failure: Mutex<Option<Error>>,
}

impl Group {
    pub(super) fn new(shared: Arc<Shared>, from_the_first: bool) -> Self {
        Self {
            reports: Reports::new(),
            metrics: ConsumerMetrics::new(),
            progress: Mutex::default(),
            shared,
            from_the_first,
            failure: Mutex::default(),
        }
    }

    pub(super) fn take_failure(&self) -> Option<Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Lets partitions that the group has committed nothing of begin at their first record. The others go on where the group
    /// is; if that place is gone, the client must say so, not choose another.
    fn place(&self, consumer: &BaseConsumer<Self>, list: &mut TopicPartitionList) {
        let placed = consumer
            .committed_offsets(list.clone(), ASK)
            .and_then(|committed| {
                committed.elements().iter().try_for_each(|e| {
                    e.error()?;
                    if e.offset() == Offset::Invalid {
                        list.set_partition_offset(e.topic(), e.partition(), Offset::Beginning)?;
                    }
                    Ok(())
                })
            });
        if let Err(e) = placed {
            let failure = error::from_kafka(&e, "the group's offsets cannot be read");
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
        }
    }

    pub(super) fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for batches under way, and commits what is durable of the partitions to be given away.
    fn drain(&self, consumer: &BaseConsumer<Self>, places: &[Place]) {
        let deadline = Instant::now() + DRAIN;
        while !self.shared.is_stopped()
            && self.progress().is_under_way(self.shared.durable(), places)
            && Instant::now() < deadline
        {
            let seen = self.shared.durable();
            self.shared.wait(GLANCE, |_| self.shared.durable() > seen);
        }
        let ends = self.progress().take_durable(self.shared.durable());
        commit(consumer, &ends, CommitMode::Sync);
    }
}

/// Commits these offsets.
pub(super) fn commit(consumer: &BaseConsumer<Group>, ends: &[End], mode: CommitMode) {
    if ends.is_empty() {
        return;
    }
    let mut list = TopicPartitionList::with_capacity(ends.len());
    let added: KafkaResult<()> = ends
        .iter()
        .try_for_each(|end| list.add_partition_offset(&end.place.0, end.place.1, Offset::Offset(end.next)));
    if let Err(e) = added.and_then(|()| consumer.commit(&list, mode)) {
        tracing::warn!(error = %e, "kafka offsets cannot be committed; the records would be read again");
    }
}

fn places(list: &TopicPartitionList) -> Vec<Place> {
    list.elements()
        .iter()
        .map(|e| (e.topic().to_owned(), e.partition()))
        .collect()
}

impl ConsumerContext for Group {
    /// As the client library does it, but for where partitions begin.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, err: RDKafkaRespErr, list: &mut TopicPartitionList) {
        use RDKafkaRespErr::{
            RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS as ASSIGN, RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS as REVOKE,
        };
        let cooperative = matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
        let done = match err {
            ASSIGN => {
                if self.from_the_first {
                    self.place(consumer, list);
                }
                self.pre_rebalance(consumer, &Rebalance::Assign(list));
                if cooperative {
                    consumer.incremental_assign(list)
                } else {
                    consumer.assign(list)
                }
            }
            REVOKE => {
                self.pre_rebalance(consumer, &Rebalance::Revoke(list));
                if cooperative {
                    consumer.incremental_unassign(list)
                } else {
                    consumer.unassign()
                }
            }
            other => {
                self.pre_rebalance(consumer, &Rebalance::Error(KafkaError::Rebalance(other.into())));
                consumer.unassign()
            }
        };
        if let Err(e) = done {
            tracing::warn!(error = %e, "the kafka consumer cannot take over its partitions");
        }
    }

    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => {
                let places = places(list);
                tracing::info!(partitions = ?places, "kafka partitions assigned");
                let mut progress = self.progress();
                places.into_iter().for_each(|place| progress.assign(place));
            }
            Rebalance::Revoke(list) => {
                let places = places(list);
                tracing::info!(partitions = ?places, "kafka partitions revoked");
                if !consumer.assignment_lost() {
                    self.drain(consumer, &places);
                }
                let mut progress = self.progress();
                places.iter().for_each(|place| progress.revoke(place));
            }
            Rebalance::Error(e) => tracing::warn!(error = %e, "the kafka consumer group could not rebalance"),
        }
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        self.metrics.partitions.set(self.progress().owned() as f64);
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        if let Err(e) = result {
            tracing::warn!(error = %e, "kafka offsets were not committed; the records would be read again");
        }
    }
}

impl ClientContext for Group {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        report::log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.reports.note(&error, reason);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        if let Ok(statistics) = serde_json::from_slice::<Statistics>(statistics) {
            #[expect(clippy::cast_precision_loss, reason = "a gauge")]
            self.metrics.lag.set(statistics.lag() as f64);
        }
    }
}

/// The few of librdkafka's statistics that are read.
#[derive(Deserialize)]
struct Statistics {
    #[serde(default)]
    topics: HashMap<String, TopicStatistics>,
}

#[derive(Deserialize)]
struct TopicStatistics {
    #[serde(default)]
    partitions: HashMap<String, PartitionStatistics>,
}

#[derive(Deserialize)]
struct PartitionStatistics {
    /// -1 if unknown.
    consumer_lag: i64,
}

impl Statistics {
    fn lag(&self) -> i64 {
        let partitions = self.topics.values().flat_map(|t| t.partitions.values());
        partitions
            .map(|p| p.consumer_lag.max(0))
            .fold(0, i64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_summed_over_known_partitions() {
        let statistics: Statistics = serde_json::from_str(
            r#"{"name":"x","topics":{"a":{"partitions":{"0":{"consumer_lag":5,"x":1},"-1":{"consumer_lag":-1}}},"b":{"partitions":{"0":{"consumer_lag":2}}}}}"#,
        )
        .unwrap();
        assert_eq!(statistics.lag(), 7);
    }
}
