//! Moves a consumer group that has no members: where its next one begins to read.

use std::sync::{Arc, PoisonError};

use cdc_core::{Error, ErrorKind};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::{Offset, TopicPartitionList};

use super::group::{ASK, Bounds, GroupWatch, Inner};
use crate::client::Quiet;
use crate::error;
use crate::offsets::blocking;

/// Where a group is moved to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResetTo {
    /// The first record that the topic still has.
    Earliest,
    /// Behind the last record.
    Latest,
    /// The first record with this timestamp or a later one, in milliseconds since 1970-01-01 UTC; behind the last one where
    /// there is none.
    Time(i64),
}

/// A partition that a group is moved in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionMove {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub partition: i32,
    /// Offset that the group would have read next; none: it had committed none.
    pub from: Option<i64>,
    /// Offset that it reads next.
    pub to: i64,
}

impl GroupWatch {
    /// Where the group would be moved to in each partition of the topics. Moves nothing.
    ///
    /// # Errors
    /// When the brokers do not answer.
    pub async fn moves(&self, to: ResetTo) -> Result<Vec<PartitionMove>, Error> {
        let inner = Arc::clone(&self.inner);
        blocking(move || inner.moves(to)).await
    }

    /// Moves the group.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if it has members, whose own commits would undo it; when the brokers do not answer.
    pub async fn reset(&self, moves: Vec<PartitionMove>) -> Result<(), Error> {
        let inner = Arc::clone(&self.inner);
        blocking(move || inner.reset(&moves)).await
    }
}

impl Inner {
    fn moves(&self, to: ResetTo) -> Result<Vec<PartitionMove>, Error> {
        let consumer = self.consumer.lock().unwrap_or_else(PoisonError::into_inner);
        let bounds = self.bounds(&consumer)?;
        if bounds.is_empty() {
            return Ok(Vec::new());
        }
        let mut list = TopicPartitionList::with_capacity(bounds.len());
        for ((topic, partition), _) in &bounds {
            list.add_partition(topic, *partition);
        }
        let committed = consumer
            .committed_offsets(list, ASK)
            .map_err(|e| error::from_kafka(&e, "the group's offsets cannot be read"))?;
        let at_time = match to {
            ResetTo::Time(ms) => Some(at_time(&consumer, &bounds, ms)?),
            ResetTo::Earliest | ResetTo::Latest => None,
        };
        let moves = bounds.into_iter().map(|((topic, partition), (low, high))| {
            let found = at_time.as_ref().and_then(|l| offset(l, &topic, partition));
            PartitionMove {
                from: offset(&committed, &topic, partition),
                to: match to {
                    ResetTo::Earliest => low,
                    ResetTo::Latest => high,
                    ResetTo::Time(_) => found.unwrap_or(high),
                },
                topic,
                partition,
            }
        });
        Ok(moves.collect())
    }

    fn reset(&self, moves: &[PartitionMove]) -> Result<(), Error> {
        let failed = |e: &KafkaError| error::from_kafka(e, "the group's offsets cannot be moved");
        let mut list = TopicPartitionList::with_capacity(moves.len());
        for m in moves {
            list.add_partition_offset(&m.topic, m.partition, Offset::Offset(m.to))
                .map_err(|e| failed(&e))?;
        }
        let consumer = self.consumer.lock().unwrap_or_else(PoisonError::into_inner);
        consumer.commit(&list, CommitMode::Sync).map_err(|e| match e.rdkafka_error_code() {
            Some(Code::UnknownMemberId | Code::IllegalGeneration | Code::RebalanceInProgress | Code::FencedInstanceId) => {
                Error::new(ErrorKind::Config, "the group has members, so its offsets cannot be moved")
                    .with_hint("stop every pipeline that reads by this group; the place of one that was killed, or has a group.instance.id, is kept until session.timeout.ms is over (45 s)")
                    .with_source(e)
            }
            _ => failed(&e),
        })
    }
}

/// The offsets of the first records that are no older.
fn at_time(consumer: &BaseConsumer<Quiet>, bounds: &[Bounds], ms: i64) -> Result<TopicPartitionList, Error> {
    let failed = |e| error::from_kafka(&e, "the offsets at that time cannot be found");
    let mut list = TopicPartitionList::with_capacity(bounds.len());
    for ((topic, partition), _) in bounds {
        list.add_partition_offset(topic, *partition, Offset::Offset(ms))
            .map_err(failed)?;
    }
    consumer.offsets_for_times(list, ASK).map_err(failed)
}

fn offset(list: &TopicPartitionList, topic: &str, partition: i32) -> Option<i64> {
    match list.find_partition(topic, partition)?.offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    }
}
