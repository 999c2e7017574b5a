//! The latency ladder: how long a change takes from each stage to the next, by one record of each batch.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use cdc_core::Record;
use metrics::Histogram;
use serde::Deserialize;

/// Last measured steps, in milliseconds; none where a record does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// From the commit in the database to the event's making.
    pub commit_to_decoded: Option<i64>,
    /// From the event's making to its record in Kafka.
    pub decoded_to_kafka: Option<i64>,
    /// From the record in Kafka to its arrival at the index sink.
    pub kafka_to_consumed: Option<i64>,
    /// From the arrival at the index sink to the server's answer.
    pub consumed_to_indexed: Option<i64>,
    /// From the commit in the database to the server's answer.
    pub commit_to_indexed: Option<i64>,
}

impl Latency {
    /// The steps with their names.
    #[must_use]
    pub fn steps(&self) -> [(&'static str, Option<i64>); 5] {
        [
            ("commit_to_decoded", self.commit_to_decoded),
            ("decoded_to_kafka", self.decoded_to_kafka),
            ("kafka_to_consumed", self.kafka_to_consumed),
            ("consumed_to_indexed", self.consumed_to_indexed),
            ("commit_to_indexed", self.commit_to_indexed),
        ]
    }
}

/// When a record passed each stage, in milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    commit: Option<i64>,
    decoded: Option<i64>,
    kafka: Option<i64>,
    consumed: i64,
}

/// Samples of batches under way, and what the last one showed.
pub(crate) struct Ladder {
    state: Mutex<State>,
    histograms: [Histogram; 5],
}

#[derive(Debug, Default)]
struct State {
    under_way: VecDeque<(u64, Sample)>,
    last: Latency,
}

impl std::fmt::Debug for Ladder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ladder")
    }
}

/// The times that an envelope tells.
#[derive(Deserialize)]
struct Times {
    source: Option<SourceTimes>,
    ts_ms: Option<i64>,
    payload: Option<Box<Times>>,
}

#[derive(Deserialize)]
struct SourceTimes {
    ts_ms: Option<i64>,
}

impl Sample {
    /// Reads the times of a record that has just arrived.
    pub(crate) fn of(record: &Record<'_>) -> Self {
        let times: Option<Times> = record.value.and_then(|v| serde_json::from_slice(v).ok());
        let times = times.map(|t| t.payload.map_or_else(|| Times { payload: None, ..t }, |p| *p));
        let commit = times.as_ref().and_then(|t| t.source.as_ref()?.ts_ms);
        Self {
            commit,
            // A flat row may have a column of this name.
            decoded: times.as_ref().and_then(|t| t.ts_ms).filter(|_| commit.is_some()),
            kafka: record
                .head
                .timestamp_ms
                .filter(|_| record.head.partition.is_some()),
            consumed: now_ms(),
        }
    }

    fn latency(self, indexed: i64) -> Latency {
        let between = |from: Option<i64>, to: Option<i64>| Some(to?.saturating_sub(from?).max(0));
        Latency {
            commit_to_decoded: between(self.commit, self.decoded),
            decoded_to_kafka: between(self.decoded, self.kafka),
            kafka_to_consumed: between(self.kafka, Some(self.consumed)),
            consumed_to_indexed: between(Some(self.consumed), Some(indexed)),
            commit_to_indexed: between(self.commit, Some(indexed)),
        }
    }
}

impl Ladder {
    pub(crate) fn new() -> Self {
        let histogram =
            |step: &'static str| metrics::histogram!(crate::telemetry::LATENCY_SECONDS, "step" => step);
        Self {
            state: Mutex::default(),
            histograms: Latency::default().steps().map(|(step, _)| histogram(step)),
        }
    }

    /// Notes the sample of a batch.
    pub(crate) fn began(&self, batch: u64, sample: Sample) {
        self.state().under_way.push_back((batch, sample));
    }

    /// Measures the samples of all batches up to one that is durable.
    pub(crate) fn durable(&self, batch: u64) {
        let mut state = self.state();
        while let Some(&(number, sample)) = state.under_way.front()
            && number <= batch
        {
            state.under_way.pop_front();
            state.last = sample.latency(now_ms());
            for (histogram, (_, step)) in self.histograms.iter().zip(state.last.steps()) {
                if let Some(ms) = step.and_then(|ms| u32::try_from(ms).ok()) {
                    histogram.record(f64::from(ms) / 1000.0);
                }
            }
        }
    }

    /// What was measured last.
    pub(crate) fn last(&self) -> Latency {
        self.state().last
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cdc_core::{Batch, Lsn, Position, RecordHead, Topic};

    use super::*;

    fn sample(value: &str, partition: Option<i32>) -> Sample {
        let mut batch = Batch::default();
        batch.buf().extend_from_slice(value.as_bytes());
        batch.mark_value();
        batch.finish(&RecordHead {
            topic: Arc::new(Topic { name: "t".into() }),
            partition,
            timestamp_ms: Some(130),
            position: Position::default(),
            version_lsn: Lsn::ZERO,
        });
        Sample::of(&batch.records().next().unwrap())
    }

    #[test]
    fn each_step_is_the_time_between_two_stages() {
        let envelope = r#"{"before":null,"after":{"ts_ms":1},"source":{"ts_ms":100},"op":"c","ts_ms":110}"#;
        for value in [
            envelope.to_owned(),
            format!(r#"{{"schema":{{}},"payload":{envelope}}}"#),
        ] {
            let at = sample(&value, Some(0));
            let got = Sample { consumed: 150, ..at }.latency(200);
            let steps = got.steps().map(|(_, ms)| ms);
            assert_eq!(steps, [Some(10), Some(20), Some(20), Some(50), Some(100)]);
        }
        let direct = Sample {
            consumed: 150,
            ..sample(envelope, None)
        }
        .latency(200);
        assert_eq!((direct.decoded_to_kafka, direct.kafka_to_consumed), (None, None));
        let flat = Sample {
            consumed: 150,
            ..sample(r#"{"ts_ms":5}"#, None)
        }
        .latency(200);
        assert_eq!(flat.steps().map(|(_, ms)| ms), [None, None, None, Some(50), None]);
    }

    #[test]
    fn samples_are_measured_when_their_batch_is_durable() {
        let ladder = Ladder::new();
        let s = sample(r#"{"source":{"ts_ms":1},"ts_ms":2}"#, None);
        ladder.began(1, s);
        ladder.began(2, s);
        ladder.durable(0);
        assert_eq!(ladder.last(), Latency::default());
        ladder.durable(1);
        assert_eq!(ladder.last().commit_to_decoded, Some(1));
        assert_eq!(ladder.state().under_way.len(), 1);
    }
}
