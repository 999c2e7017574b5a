//! TLS and SCRAM, against a real broker.

use cdc_core::offset::record;
use cdc_core::seam::{OffsetStore as _, PipelineKey, Sink as _, StoredOffset};
use cdc_core::{Batch, ErrorKind};
use cdc_kafka::{KafkaConfig, KafkaOffsetStore, KafkaSink, SinkOptions};

use crate::broker::{OwnBroker, push, read, topic, unique};

#[tokio::test]
async fn a_secured_broker_takes_records_and_strangers_are_refused_at_once() {
    let broker = OwnBroker::secure();
    let unverified = |password: &str| {
        KafkaConfig::new(broker.secured())
            .with_property("security.protocol", "SASL_SSL")
            .with_property("sasl.mechanism", "SCRAM-SHA-256")
            .with_property("sasl.username", "pgcdc")
            .with_property("sasl.password", password)
    };
    let certificate = broker.certificate();
    let verified =
        |password: &str| unverified(password).with_property("ssl.ca.location", certificate.as_str());

    // Records, and what the log-in is also needed for: topics, offsets, the look of doctor.
    let config = verified("secret");
    let name = unique("secured");
    let mut sink = KafkaSink::open(&config, SinkOptions::default()).await.unwrap();
    let mut batch = Batch::default();
    push(&mut batch, &topic(&name), Some("k"), Some("v"));
    sink.write(batch).await.unwrap();
    sink.close().await.unwrap();
    assert_eq!(read(&broker.servers, &name, 1).len(), 1);
    let key = PipelineKey {
        pipeline: "p".into(),
        server: "s".into(),
    };
    let mut store = KafkaOffsetStore::open(&config, key.clone()).await.unwrap();
    let offset = StoredOffset::default();
    store.save(&offset).await.unwrap();
    let loaded = store.load().await.unwrap().unwrap();
    assert_eq!(record::encode(&key, &loaded), record::encode(&key, &offset));
    assert!(
        cdc_kafka::probe(&config)
            .await
            .unwrap()
            .cannot_create_topics
            .is_none()
    );

    // A certificate that no trusted authority has issued is refused unless told otherwise, and so is a wrong password.
    for (config, kind, advice) in [
        (unverified("secret"), ErrorKind::Tls, "ssl.ca.location"),
        (verified("wr0ng"), ErrorKind::Auth, "sasl.username"),
    ] {
        let error = KafkaSink::open(&config, SinkOptions::default())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
        assert!(error.advice().contains(advice), "{}", error.advice());
        assert!(error.to_string().contains(&broker.secured()), "{error}");
        assert!(!error.chain().contains("wr0ng"));
    }
}
