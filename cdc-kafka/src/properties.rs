//! Kafka client properties: librdkafka's pass through, those of the Java client are translated or refused with the reason.

use cdc_core::{Error, ErrorKind};
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;

use crate::jaas::{self, Module};

/// What becomes of one property.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Property {
    /// These librdkafka properties say the same.
    Set(Vec<(String, String)>),
    /// It says what is done anyway.
    Nothing,
}

/// Translates a property.
///
/// # Errors
/// [`ErrorKind::Config`], saying why the property is refused and what to do; never shows the value of a secret.
pub(crate) fn translate(
    name: &str,
    value: &str,
    all: &dyn Fn(&str) -> Option<String>,
) -> Result<Property, Error> {
    let set = |name: &str, value: &str| Ok(Property::Set(vec![(name.to_owned(), value.to_owned())]));
    match name {
        "enable.idempotence" => only(
            "true",
            name,
            value,
            "order per key and delivery need an idempotent producer",
        ),
        "acks" | "request.required.acks" if matches!(value, "-1") => Ok(Property::Nothing),
        "acks" | "request.required.acks" => only(
            "all",
            name,
            value,
            "an offset is stored only for records that all in-sync replicas have",
        ),
        "max.in.flight" | "max.in.flight.requests.per.connection" => match value.parse::<u32>() {
            Ok(1..=5) => set("max.in.flight.requests.per.connection", value),
            _ => Err(refuse(
                name,
                "it must lie between 1 and 5: an idempotent producer keeps order only then",
            )),
        },
        "enable.auto.commit" | "enable.auto.offset.store" => only(
            "false",
            name,
            value,
            "offsets are committed once the records are indexed",
        ),
        "isolation.level" => only(
            "read_committed",
            name,
            value,
            "records of aborted transactions must not be read",
        ),
        "auto.offset.reset" => match value {
            "none" => set(name, "error"),
            _ => set(name, value),
        },
        "partition.assignment.strategy" => set(name, &assignors(name, value)?),
        "partitioner.class" => match value.rsplit('.').next() {
            Some("DefaultPartitioner" | "BuiltInPartitioner" | "UniformStickyPartitioner") => {
                Ok(Property::Nothing)
            }
            _ => Err(refuse(
                name,
                "a Java class cannot be loaded; the default places keys as the Java client does, others are chosen with librdkafka's property partitioner",
            )),
        },
        "buffer.memory" => set("queue.buffering.max.kbytes", &scale(name, value, 1024)?),
        "max.request.size" => set("message.max.bytes", value),
        "delivery.timeout.ms" => set("message.timeout.ms", value),
        "send.buffer.bytes" => set("socket.send.buffer.bytes", &non_negative(value)),
        "receive.buffer.bytes" => set("socket.receive.buffer.bytes", &non_negative(value)),
        "fetch.max.wait.ms" => set("fetch.wait.max.ms", value),
        "request.timeout.ms" => Ok(Property::Set(vec![
            ("request.timeout.ms".into(), value.into()),
            ("socket.timeout.ms".into(), scale(name, value, 1)?),
        ])),
        "sasl.jaas.config" => jaas_login(value, all),
        "ssl.truststore.certificates" => set("ssl.ca.pem", value),
        "ssl.truststore.location" => match all("ssl.truststore.type").as_deref() {
            Some("PEM") => set("ssl.ca.location", value),
            _ => Err(refuse(
                name,
                "Java key stores cannot be read; export the certificates (keytool -exportcert -rfc) and give the PEM file as ssl.ca.location",
            )),
        },
        "ssl.truststore.type" if value == "PEM" => Ok(Property::Nothing),
        "ssl.truststore.type" | "ssl.truststore.password" => Err(refuse(
            name,
            "Java key stores cannot be read; export the certificates (keytool -exportcert -rfc) and give the PEM file as ssl.ca.location",
        )),
        "ssl.keystore.certificate.chain" => set("ssl.certificate.pem", value),
        "ssl.keystore.key" => set("ssl.key.pem", value),
        "ssl.keystore.type" if value == "PKCS12" => Ok(Property::Nothing),
        "ssl.keystore.type" => Err(refuse(
            name,
            "only PKCS12 key stores can be read; convert it (keytool -importkeystore -deststoretype PKCS12), or give PEM files as ssl.certificate.location and ssl.key.location",
        )),
        "ssl.endpoint.identification.algorithm" if value.is_empty() => set(name, "none"),
        _ => match refused(name) {
            Some(reason) => Err(refuse(name, reason)),
            None => set(name, value),
        },
    }
}

/// Why a property that cannot be honoured is refused.
fn refused(name: &str) -> Option<&'static str> {
    Some(match name {
        "bootstrap.servers" | "metadata.broker.list" => "set kafka.bootstrap_servers instead",
        "key.serializer" | "value.serializer" | "key.deserializer" | "value.deserializer" => {
            "records are encoded as section format says"
        }
        "interceptor.classes"
        | "metric.reporters"
        | "sasl.login.class"
        | "sasl.login.callback.handler.class"
        | "sasl.client.callback.handler.class"
        | "security.providers"
        | "ssl.engine.factory.class"
        | "ssl.trustmanager.algorithm"
        | "ssl.keymanager.algorithm"
        | "ssl.provider"
        | "ssl.secure.random.implementation"
        | "config.providers" => "it belongs to the Java client, whose classes cannot be loaded here",
        "metrics.num.samples"
        | "metrics.recording.level"
        | "metrics.sample.window.ms"
        | "auto.include.jmx.reporter"
        | "enable.metrics.push" => "it belongs to the Java client's metrics; see /metrics",
        "ssl.protocol" | "ssl.enabled.protocols" => {
            "OpenSSL chooses the newest version that both sides know; narrow it with ssl.cipher.suites"
        }
        "max.block.ms" => {
            "a full buffer holds the source back for as long as it takes; delivery.timeout.ms bounds the wait"
        }
        "max.poll.records" => "batches are bounded in bytes",
        "partitioner.ignore.keys" => "order per key needs the key",
        "partitioner.availability.timeout.ms" | "partitioner.adaptive.partitioning.enable" => {
            "it applies to records without a key only, which are spread by sticky.partitioning.linger.ms here"
        }
        "transactional.id" | "transaction.timeout.ms" => {
            "records are delivered at least once so far; transactions come with exactly-once delivery"
        }
        "default.api.timeout.ms" => "each operation has a deadline of its own",
        "delivery.report.only.error"
        | "dr_cb"
        | "dr_msg_cb"
        | "error_cb"
        | "stats_cb"
        | "log_cb"
        | "rebalance_cb"
        | "offset_commit_cb"
        | "opaque"
        | "default_topic_conf"
        | "log.queue"
        | "enabled_events"
        | "enable.gapless.guarantee"
        | "enable.partition.eof" => "pgcdc sets it itself",
        _ => return None,
    })
}

fn jaas_login(value: &str, all: &dyn Fn(&str) -> Option<String>) -> Result<Property, Error> {
    let login = jaas::parse(value)?;
    let mechanism = all("sasl.mechanism")
        .or_else(|| all("sasl.mechanisms"))
        .unwrap_or_default();
    let fits = match login.module {
        Module::Plain => mechanism == "PLAIN",
        Module::Scram => mechanism.starts_with("SCRAM-"),
    };
    if !fits {
        return Err(refuse(
            "sasl.jaas.config",
            "its login module does not fit sasl.mechanism, which must be PLAIN for PlainLoginModule and SCRAM-SHA-256 or SCRAM-SHA-512 for ScramLoginModule",
        ));
    }
    Ok(Property::Set(vec![
        ("sasl.username".into(), login.username),
        ("sasl.password".into(), login.password),
    ]))
}

fn assignors(name: &str, value: &str) -> Result<String, Error> {
    let one = |class: &str| match class.trim().rsplit('.').next() {
        Some("CooperativeStickyAssignor" | "cooperative-sticky") => Ok("cooperative-sticky"),
        Some("RangeAssignor" | "range") => Ok("range"),
        Some("RoundRobinAssignor" | "roundrobin") => Ok("roundrobin"),
        _ => Err(refuse(
            name,
            "known are cooperative-sticky, range and roundrobin, also by their Java class names",
        )),
    };
    Ok(value
        .split(',')
        .map(one)
        .collect::<Result<Vec<_>, _>>()?
        .join(","))
}

fn only(wanted: &str, name: &str, value: &str, reason: &str) -> Result<Property, Error> {
    if value == wanted {
        return Ok(Property::Nothing);
    }
    Err(refuse(name, &format!("it must be {wanted}: {reason}")))
}

/// The Java client's -1 ("the system's default") is 0 here.
fn non_negative(value: &str) -> String {
    if value == "-1" { "0".into() } else { value.into() }
}

fn scale(name: &str, value: &str, unit: u64) -> Result<String, Error> {
    let number: u64 = value
        .parse()
        .map_err(|_| refuse(name, "it must be a whole number"))?;
    Ok((number / unit).max(1).to_string())
}

fn refuse(name: &str, reason: &str) -> Error {
    Error::new(
        ErrorKind::Config,
        format!("kafka property {name} is refused: {reason}"),
    )
}

/// Whether the value of a client property must not be shown: that of a secret, and that of a name which no client knows, since
/// it may be a secret's, misspelt.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    const WORDS: [&str; 9] = [
        "password",
        "passphrase",
        "secret",
        "jaas",
        "pem",
        "ssl.keystore.key",
        "token",
        "user.info",
        "oauthbearer.config",
    ];
    let lower = name.to_ascii_lowercase();
    WORDS.iter().any(|word| lower.contains(word)) || !is_known(name)
}

/// Whether librdkafka or the Java client has a property of this name.
fn is_known(name: &str) -> bool {
    // A value that does not fit, or a feature that is not built in, is another error.
    let tried = ClientConfig::new().set(name, "1").create_native_config().err();
    let unknown = RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN;
    if !matches!(tried, Some(KafkaError::ClientConfig(why, ..)) if why == unknown) {
        return true;
    }
    match translate(name, "1", &|_| None) {
        Ok(Property::Set(pairs)) => pairs.iter().any(|(ours, _)| ours != name),
        Ok(Property::Nothing) | Err(_) => true,
    }
}

/// Whether librdkafka reads the property only in a consumer; a producer would log a warning.
pub(crate) fn is_consumer_only(name: &str) -> bool {
    name.starts_with("fetch.")
        || name.starts_with("group.")
        || name.starts_with("queued.")
        || [
            "auto.offset.reset",
            "partition.assignment.strategy",
            "session.timeout.ms",
            "heartbeat.interval.ms",
            "max.poll.interval.ms",
            "max.partition.fetch.bytes",
            "check.crcs",
            "offset.store.method",
            "consume.callback.max.messages",
            "coordinator.query.interval.ms",
            "isolation.level",
        ]
        .contains(&name)
}

/// Whether librdkafka reads the property only in a producer; a consumer would log a warning.
pub(crate) fn is_producer_only(name: &str) -> bool {
    name.starts_with("queue.buffering.")
        || [
            "linger.ms",
            "batch.size",
            "batch.num.messages",
            "compression.type",
            "compression.codec",
            "compression.level",
            "message.timeout.ms",
            "request.timeout.ms",
            "partitioner",
            "retries",
            "message.send.max.retries",
            "sticky.partitioning.linger.ms",
            "msg_order_cmp",
            "queuing.strategy",
            "acks",
            "request.required.acks",
            "max.in.flight.requests.per.connection",
            "retry.backoff.ms",
            "retry.backoff.max.ms",
        ]
        .contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, value: &str) -> Result<Property, Error> {
        translate(name, value, &|_| None)
    }

    fn set(pairs: &[(&str, &str)]) -> Property {
        Property::Set(pairs.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect())
    }

    #[test]
    fn librdkafkas_own_properties_pass_through() {
        for (name, value) in [
            ("linger.ms", "5"),
            ("compression.type", "zstd"),
            ("security.protocol", "SASL_SSL"),
            ("debug", "msg"),
        ] {
            assert_eq!(one(name, value).unwrap(), set(&[(name, value)]));
        }
    }

    #[test]
    fn java_names_are_translated() {
        assert_eq!(
            one("buffer.memory", "33554432").unwrap(),
            set(&[("queue.buffering.max.kbytes", "32768")])
        );
        assert_eq!(
            one("max.request.size", "5000").unwrap(),
            set(&[("message.max.bytes", "5000")])
        );
        assert_eq!(
            one("delivery.timeout.ms", "120000").unwrap(),
            set(&[("message.timeout.ms", "120000")])
        );
        assert_eq!(
            one("send.buffer.bytes", "-1").unwrap(),
            set(&[("socket.send.buffer.bytes", "0")])
        );
        assert_eq!(one("acks", "-1").unwrap(), Property::Nothing);
        assert_eq!(
            one(
                "partition.assignment.strategy",
                "org.apache.kafka.clients.consumer.RangeAssignor,cooperative-sticky"
            )
            .unwrap(),
            set(&[("partition.assignment.strategy", "range,cooperative-sticky")])
        );
        let scram = |name: &str| (name == "sasl.mechanism").then(|| "SCRAM-SHA-512".to_owned());
        assert_eq!(
            translate(
                "sasl.jaas.config",
                "a.b.ScramLoginModule required username=\"u\" password=\"p\";",
                &scram
            )
            .unwrap(),
            set(&[("sasl.username", "u"), ("sasl.password", "p")])
        );
        let pem = |name: &str| (name == "ssl.truststore.type").then(|| "PEM".to_owned());
        assert_eq!(
            translate("ssl.truststore.location", "/ca.pem", &pem).unwrap(),
            set(&[("ssl.ca.location", "/ca.pem")])
        );
    }

    #[test]
    fn what_would_break_a_promise_or_cannot_be_done_is_refused_with_the_reason() {
        for (name, value, says) in [
            ("acks", "1", "in-sync"),
            ("enable.idempotence", "false", "idempotent"),
            ("max.in.flight", "6", "between 1 and 5"),
            ("enable.auto.commit", "true", "committed once"),
            ("ssl.truststore.location", "/x.jks", "ssl.ca.location"),
            ("ssl.keystore.type", "JKS", "PKCS12"),
            ("interceptor.classes", "x.Y", "Java client"),
            ("max.block.ms", "1", "holds the source back"),
            ("buffer.memory", "much", "whole number"),
            (
                "sasl.jaas.config",
                "PlainLoginModule required username=u password=topsecret;",
                "does not fit",
            ),
            ("bootstrap.servers", "x:1", "kafka.bootstrap_servers"),
        ] {
            let error = one(name, value).unwrap_err();
            assert!(error.to_string().contains(says), "{name}: {error}");
            assert!(
                error.to_string().contains(name) && !error.to_string().contains("topsecret"),
                "{name}: {error}"
            );
        }
    }

    #[test]
    fn only_values_of_known_names_that_are_no_secrets_are_shown() {
        for name in [
            "linger.ms",
            "sasl.username",
            "ssl.ca.location",
            "buffer.memory",
            "max.block.ms",
        ] {
            assert!(!is_secret(name), "{name}");
        }
        for name in [
            "sasl.password",
            "SASL.PASSWORD",
            "ssl.key.pem",
            "sasl.jaas.config",
            "sasl.pasword",
            "sasl.passwrd",
            "ssl.key.passwort",
        ] {
            assert!(is_secret(name), "{name}");
        }
    }
}
