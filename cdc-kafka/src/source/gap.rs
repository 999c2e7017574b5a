//! Records that a group should read next and that Kafka no longer has.

use std::time::Duration;

use cdc_core::{Error, ErrorKind};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::{Offset, TopicPartitionList};

use super::group::ASK;
use super::member::Group;
use crate::error;

/// What to do about it.
const HINT: &str = "changes and deletes in it never reach the index: rebuild it (`pgcdc index rebuild`), or move the group (`pgcdc index reset`) to go on \
                    without them; give the topic a longer retention";

/// How long a broker may take to tell where one partition begins: without it the error says less.
const GLANCE: Duration = Duration::from_secs(3);

/// The error for it, which says where and how much.
pub(super) fn found(consumer: &BaseConsumer<Group>) -> Error {
    let text = match first(consumer) {
        Ok(Some(text)) => text,
        _ => "records behind the group's committed offset are gone from kafka".to_owned(),
    };
    Error::new(ErrorKind::Gap, text)
        .with_source(error::reason(Code::AutoOffsetReset))
        .with_hint(HINT)
}

/// The first partition that no longer has what comes next.
fn first(consumer: &BaseConsumer<Group>) -> KafkaResult<Option<String>> {
    let positions = consumer.position()?;
    let committed = consumer.committed_offsets(consumer.assignment()?, ASK)?;
    for place in positions.elements() {
        let (topic, partition) = (place.topic(), place.partition());
        let next = offset(&positions, topic, partition).or_else(|| offset(&committed, topic, partition));
        let (low, high) = consumer.fetch_watermarks(topic, partition, GLANCE)?;
        if let Some(text) = next.and_then(|next| describe(topic, partition, next, (low, high))) {
            return Ok(Some(text));
        }
    }
    Ok(None)
}

fn offset(list: &TopicPartitionList, topic: &str, partition: i32) -> Option<i64> {
    match list.find_partition(topic, partition)?.offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    }
}

/// What is missing where the next record has offset `next` and the partition holds those from `low` up to `high`.
fn describe(topic: &str, partition: i32, next: i64, (low, high): (i64, i64)) -> Option<String> {
    if next < low {
        return Some(format!(
            "the group has read topic {topic}, partition {partition}, up to offset {next}, and kafka has it from offset {low} on: {} offsets in between are gone",
            low - next
        ));
    }
    (next > high).then(|| {
        format!(
            "the group has read topic {topic}, partition {partition}, up to offset {next}, and it ends at {high}: the topic was made anew, or its records were lost"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_described_by_what_is_missing() {
        assert_eq!(describe("t", 0, 5, (5, 9)), None);
        assert_eq!(describe("t", 0, 9, (5, 9)), None);
        let gone = describe("t", 2, 5, (8, 9)).unwrap();
        assert!(
            gone.contains("partition 2") && gone.contains("offset 8 on: 3 offsets"),
            "{gone}"
        );
        assert!(describe("t", 0, 10, (5, 9)).unwrap().contains("ends at 9"));
    }
}
