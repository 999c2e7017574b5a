//! Kafka's error codes as the engine's kinds, each with what a person can do about it.

use cdc_core::{Error, ErrorKind};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// An error of a code: `context` says what was being done, and where.
pub(crate) fn from_code(code: Code, context: impl Into<String>) -> Error {
    let (kind, hint) = classify(code);
    let error = Error::new(kind, context).with_source(reason(code));
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// An error of the client library: `context` says what was being done, and where.
pub(crate) fn from_kafka(error: &KafkaError, context: impl Into<String>) -> Error {
    match error {
        KafkaError::ClientConfig(..) => crate::config::bad_property(error),
        KafkaError::ClientCreation(why) => Error::new(ErrorKind::Config, context).with_source(why.clone()),
        _ => match error.rdkafka_error_code() {
            Some(code) => from_code(code, context),
            None => Error::new(ErrorKind::SinkUnavailable, context).with_source(error.to_string()),
        },
    }
}

/// Whether a consumer will not get over the error by itself. A topic that was just created, or is yet to be, is unknown
/// for a while.
pub(crate) fn is_final(e: &KafkaError) -> bool {
    matches!(e, KafkaError::MessageConsumptionFatal(_))
        || e.rdkafka_error_code().is_some_and(|code| {
            classify(code).0 != ErrorKind::SinkUnavailable
                && !matches!(
                    code,
                    Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition
                )
        })
}

/// What the code means, in the client library's words.
pub(crate) fn reason(code: Code) -> String {
    KafkaError::Global(code)
        .to_string()
        .trim_start_matches("Global error: ")
        .to_owned()
}

/// Kind and advice of a code.
pub(crate) fn classify(code: Code) -> (ErrorKind, Option<&'static str>) {
    use ErrorKind as K;
    match code {
        Code::Authentication
        | Code::SaslAuthenticationFailed
        | Code::UnsupportedSASLMechanism
        | Code::IllegalSASLState => (
            K::Auth,
            Some("check security.protocol, sasl.mechanism, sasl.username and the password under kafka"),
        ),
        Code::TopicAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed => (
            K::Privilege,
            Some(
                "grant the ACL: WRITE, DESCRIBE and, for new topics, CREATE on the topics; READ on the offsets topic and the group; IDEMPOTENT_WRITE on brokers before 3.0",
            ),
        ),
        Code::SSL => (
            K::Tls,
            Some(
                "check security.protocol, ssl.ca.location and the client certificate under kafka.properties",
            ),
        ),
        Code::MessageSizeTooLarge | Code::InvalidMessageSize => (
            K::SinkRejected,
            Some(
                "raise max.message.bytes of the topic and message.max.bytes under kafka.properties, or exclude the large column",
            ),
        ),
        Code::UnknownTopic | Code::UnknownTopicOrPartition => (
            K::SinkRejected,
            Some(
                "the topic is not there, or was deleted: create it, or let kafka.topics.auto_create: true do so at the next start",
            ),
        ),
        Code::UnknownPartition => (
            K::SinkRejected,
            Some("the topic has fewer partitions than asked for"),
        ),
        Code::InvalidRecord => (
            K::SinkRejected,
            Some(
                "a compacted topic takes no record without a key: give the table a primary key or message.key.columns, or change the topic's cleanup.policy",
            ),
        ),
        Code::InvalidTopic
        | Code::InvalidPartitions
        | Code::InvalidReplicationFactor
        | Code::InvalidConfig
        | Code::InvalidReplicaAssignment
        | Code::PolicyViolation => (K::SinkRejected, Some("correct the entries under kafka.topics")),
        Code::ProducerFenced | Code::InvalidProducerEpoch | Code::Fenced => (K::Fenced, None),
        Code::AutoOffsetReset => (
            K::Gap,
            Some("records after the group's committed offset are gone from kafka: reset the group's offsets"),
        ),
        Code::UnsupportedVersion | Code::UnsupportedFeature => (
            K::SinkRejected,
            Some("the broker is too old: Apache Kafka 2.1 or newer is needed"),
        ),
        _ => (K::SinkUnavailable, None),
    }
}

#[cfg(test)]
mod tests {
    use cdc_core::Remedy;

    use super::*;

    #[test]
    fn outages_are_retried_and_refusals_stop() {
        for code in [
            Code::AllBrokersDown,
            Code::MessageTimedOut,
            Code::NotEnoughReplicas,
            Code::OutOfOrderSequenceNumber,
        ] {
            let error = from_code(code, "a record of topic t was not delivered");
            assert_eq!(error.remedy(), Remedy::RetryLater, "{code:?}");
        }
        for code in [
            Code::MessageSizeTooLarge,
            Code::TopicAuthorizationFailed,
            Code::SaslAuthenticationFailed,
            Code::InvalidRecord,
        ] {
            let error = from_code(code, "a record of topic t was not delivered");
            assert!(matches!(error.remedy(), Remedy::Operator(_)), "{code:?}");
        }
        let text = from_code(Code::MessageSizeTooLarge, "a record of 5 bytes").chain();
        assert!(text.starts_with("a record of 5 bytes: "), "{text}");
        assert!(text.to_lowercase().contains("too large"), "{text}");
    }
}
