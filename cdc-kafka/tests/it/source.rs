use std::collections::BTreeSet;
use std::time::Duration;

use cdc_core::seam::Sink;
use cdc_core::{Batch, ErrorKind, Lsn};
use cdc_kafka::{
    ConsumedBatch, GroupWatch, KafkaConfig, KafkaSink, KafkaSource, PartitionMove, ResetTo, SinkOptions,
    SourceConfig, probe,
};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::broker::{free_port, head, push, servers, topic, unique};

async fn fill(name: &str, partitions: i32, count: u32) {
    let mut config = KafkaConfig::new(servers());
    config.topics.partitions = partitions;
    let mut sink = KafkaSink::open(&config, SinkOptions::default()).await.unwrap();
    let t = topic(name);
    let mut batch = Batch::default();
    for n in 0..count {
        push(&mut batch, &t, Some(&format!("key {n}")), Some(&format!("{n}")));
    }
    sink.write(batch).await.unwrap();
    sink.close().await.unwrap();
}

async fn subscribe(name: &str, group: &str) -> KafkaSource {
    let source = SourceConfig::new(vec![name.to_owned()]);
    KafkaSource::open(&KafkaConfig::new(servers()), &source, group)
        .await
        .unwrap()
}

async fn next(source: &mut KafkaSource) -> ConsumedBatch {
    tokio::time::timeout(Duration::from_secs(40), source.next())
        .await
        .expect("no batch in 40 s")
        .unwrap()
}

fn numbers(batch: &ConsumedBatch) -> Vec<u32> {
    assert_eq!(batch.offsets.len(), batch.batch.len());
    batch
        .batch
        .records()
        .map(|r| std::str::from_utf8(r.value.unwrap()).unwrap().parse().unwrap())
        .collect()
}

/// Reads until so many different numbers have come, committing each batch.
async fn drain(source: &mut KafkaSource, count: usize) -> BTreeSet<u32> {
    let mut seen = BTreeSet::new();
    while seen.len() < count {
        let batch = next(source).await;
        seen.extend(numbers(&batch));
        source.commit(batch.number);
        source.recycle(batch.batch);
    }
    seen
}

#[tokio::test]
async fn records_come_back_with_all_their_parts() {
    let name = unique("parts");
    let t = topic(&name);
    let mut sink = KafkaSink::open(&KafkaConfig::new(servers()), SinkOptions::default())
        .await
        .unwrap();
    let mut batch = Batch::default();
    batch.buf().extend_from_slice(b"k");
    batch.mark_key();
    batch.header(b"pgcdc.pos", Some(b"97517448:3:0"));
    batch.header(b"none", None);
    batch.buf().extend_from_slice(b"v");
    batch.mark_value();
    let mut placed = head(&t);
    placed.timestamp_ms = Some(1_700_000_000_123);
    batch.finish(&placed);
    push(&mut batch, &t, Some("k"), None);
    sink.write(batch).await.unwrap();
    sink.close().await.unwrap();

    let mut source = subscribe(&name, &unique("group")).await;
    let mut got = Vec::new();
    while got.len() < 2 {
        let consumed = next(&mut source).await;
        for (record, offset) in consumed.batch.records().zip(&consumed.offsets) {
            got.push((
                *offset,
                record.head.topic.name.clone(),
                record.head.partition,
                record.head.version_lsn,
                record.key.map(<[u8]>::to_vec),
                record.value.map(<[u8]>::to_vec),
                record
                    .headers()
                    .map(|(n, v)| (n.to_vec(), v.map(<[u8]>::to_vec)))
                    .collect::<Vec<_>>(),
            ));
            assert!(record.head.timestamp_ms.is_some_and(|t| t >= 1_700_000_000_123));
            assert_eq!(record.head.position.seq, u64::try_from(*offset).unwrap());
        }
    }
    let headers = vec![
        (b"pgcdc.pos".to_vec(), Some(b"97517448:3:0".to_vec())),
        (b"none".to_vec(), None),
    ];
    let (k, v) = (Some(b"k".to_vec()), Some(b"v".to_vec()));
    assert_eq!(
        got[0],
        (0, name.clone(), Some(0), Lsn(97_517_448), k.clone(), v, headers)
    );
    assert_eq!(got[1], (1, name, Some(0), Lsn::ZERO, k, None, vec![]));
    source.close().await;
}

#[tokio::test]
async fn the_next_reader_begins_after_what_was_committed() {
    let (name, group) = (unique("commit"), unique("group"));
    fill(&name, 1, 1000).await;
    let mut small = SourceConfig::new(vec![name.clone()]);
    small.batch_bytes = 1000;
    let mut source = KafkaSource::open(&KafkaConfig::new(servers()), &small, &group)
        .await
        .unwrap();
    let first = next(&mut source).await;
    let second = next(&mut source).await;
    let third = next(&mut source).await;
    assert_eq!((first.number, second.number, third.number), (1, 2, 3));
    assert!(first.batch.bytes_len() >= 1000 && first.batch.bytes_len() < 1100);
    source.commit(2);
    source.close().await;
    let mut again = subscribe(&name, &group).await;
    let batch = next(&mut again).await;
    assert_eq!(numbers(&batch).first(), numbers(&third).first());
    assert_eq!(batch.offsets.first(), third.offsets.first());
    again.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_readers_share_the_partitions_and_nothing_is_lost_when_one_leaves() {
    let (name, group) = (unique("share"), unique("group"));
    fill(&name, 4, 400).await;
    let mut a = subscribe(&name, &group).await;
    let mut seen = drain(&mut a, 400).await;
    let mut b = subscribe(&name, &group).await;
    // Both must be read from, or the group does not settle.
    let mut from_b = BTreeSet::new();
    let mut offset = 400_u32;
    let began = std::time::Instant::now();
    while from_b.is_empty() && began.elapsed() < Duration::from_secs(40) {
        let t = topic(&name);
        let mut sink = KafkaSink::open(&KafkaConfig::new(servers()), SinkOptions::default())
            .await
            .unwrap();
        let mut batch = Batch::default();
        for n in offset..offset + 100 {
            push(&mut batch, &t, Some(&format!("key {n}")), Some(&format!("{n}")));
        }
        offset += 100;
        sink.write(batch).await.unwrap();
        sink.close().await.unwrap();
        let until = tokio::time::Instant::now() + Duration::from_millis(700);
        loop {
            tokio::select! {
                batch = a.next() => { let batch = batch.unwrap(); seen.extend(numbers(&batch)); a.commit(batch.number); }
                batch = b.next() => { let batch = batch.unwrap(); from_b.extend(numbers(&batch)); b.commit(batch.number); }
                () = tokio::time::sleep_until(until) => break,
            }
        }
    }
    assert!(!from_b.is_empty(), "the second reader got no partition");
    a.close().await;
    seen.extend(&from_b);
    while seen.len() < offset as usize {
        let batch = next(&mut b).await;
        seen.extend(numbers(&batch));
        b.commit(batch.number);
    }
    b.close().await;
}

#[tokio::test]
async fn a_reader_that_is_not_read_from_pauses_and_goes_on() {
    let (name, group) = (unique("pause"), unique("group"));
    fill(&name, 2, 5000).await;
    let mut small = SourceConfig::new(vec![name.clone()]);
    small.batch_bytes = 2000;
    let mut source = KafkaSource::open(&KafkaConfig::new(servers()), &small, &group)
        .await
        .unwrap();
    let first = next(&mut source).await;
    let mut seen: BTreeSet<u32> = numbers(&first).into_iter().collect();
    tokio::time::sleep(Duration::from_secs(4)).await;
    let mut count = seen.len();
    while seen.len() < 5000 {
        let batch = next(&mut source).await;
        count += batch.batch.len();
        seen.extend(numbers(&batch));
        source.commit(batch.number);
    }
    assert_eq!(count, 5000, "no record comes twice");
    source.close().await;
}

#[tokio::test]
async fn a_pattern_reads_all_topics_that_match() {
    let stem = unique("pattern");
    fill(&format!("{stem}.a"), 1, 10).await;
    fill(&format!("{stem}.b"), 1, 10).await;
    fill(&format!("x{stem}.a"), 1, 10).await;
    let mut config = SourceConfig::new(vec![]);
    config.topics_regex = Some(format!("{stem}\\..*"));
    let mut source = KafkaSource::open(&KafkaConfig::new(servers()), &config, &unique("group"))
        .await
        .unwrap();
    let mut topics = BTreeSet::new();
    let mut count = 0;
    while count < 20 {
        let batch = next(&mut source).await;
        count += batch.batch.len();
        topics.extend(batch.batch.records().map(|r| r.head.topic.name.clone()));
    }
    assert_eq!(
        topics.into_iter().collect::<Vec<_>>(),
        [format!("{stem}.a"), format!("{stem}.b")]
    );
    source.close().await;
}

#[tokio::test]
async fn the_probe_tells_what_the_cluster_is_and_allows() {
    let mut config = KafkaConfig::new(servers());
    let info = probe(&config).await.unwrap();
    assert!(!info.cluster_id.is_empty() && !info.brokers.is_empty());
    assert!(info.cannot_create_topics.is_none(), "{info:?}");
    config.topics.replication_factor = 7;
    let refused = probe(&config)
        .await
        .unwrap()
        .cannot_create_topics
        .expect("7 replicas on one broker");
    assert_eq!(refused.kind(), ErrorKind::SinkRejected, "{refused:?}");
    let nowhere = probe(&KafkaConfig::new(format!("127.0.0.1:{}", free_port())))
        .await
        .unwrap_err();
    assert_eq!(nowhere.kind(), ErrorKind::SinkUnavailable);
}

#[tokio::test]
async fn an_expression_is_read_as_everywhere_else_and_leaves_out_what_it_must() {
    let stem = unique("pattern");
    let (one, two, letters) = (format!("{stem}.1"), format!("{stem}.22"), format!("{stem}.333"));
    for (name, count) in [(&one, 3), (&two, 2), (&letters, 5)] {
        fill(name, 1, count).await;
    }
    let mut source = SourceConfig::new(Vec::new());
    source.topics_regex = Some(format!(r"(?i){}\.\d+?", stem.to_uppercase().replace('.', r"\.")));
    source.left_out = vec![letters];
    let config = KafkaConfig::new(servers());
    let mut reader = KafkaSource::open(&config, &source, &unique("group"))
        .await
        .unwrap();
    let mut seen = Vec::new();
    while seen.len() < 5 {
        let batch = next(&mut reader).await;
        seen.extend(batch.batch.records().map(|r| r.head.topic.name.clone()));
    }
    // What is left out would come within this time.
    let more = tokio::time::timeout(Duration::from_secs(3), reader.next()).await;
    assert!(more.is_err(), "{more:?}");
    seen.sort();
    assert_eq!(seen, [&one, &one, &one, &two, &two].map(String::as_str));
    let ends = GroupWatch::new(&config, &source, "group")
        .unwrap()
        .ends()
        .await
        .unwrap();
    assert_eq!(ends.len(), 2, "{ends:?}");
    reader.close().await;
}

/// Commits an offset for a group without joining it.
fn commit(name: &str, group: &str, offset: i64) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", servers())
        .set("group.id", group)
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(name, 0, Offset::Offset(offset))
        .unwrap();
    consumer.commit(&list, CommitMode::Sync).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_whose_place_is_gone_stops_and_says_what_is_missing() {
    let (name, group) = (unique("gone"), unique("group"));
    fill(&name, 1, 10).await;
    commit(&name, &group, 5);
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", servers())
        .create()
        .unwrap();
    let mut before = TopicPartitionList::new();
    before.add_partition_offset(&name, 0, Offset::Offset(8)).unwrap();
    admin.delete_records(&before, &AdminOptions::new()).await.unwrap();
    let mut source = subscribe(&name, &group).await;
    let error = tokio::time::timeout(Duration::from_secs(40), source.next())
        .await
        .expect("no error in 40 s")
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Gap);
    let text = error.to_string();
    assert!(
        text.contains("up to offset 5") && text.contains("3 offsets in between are gone"),
        "{text}"
    );
    source.close().await;
    // A group that has read nothing has lost nothing.
    let mut fresh = subscribe(&name, &unique("group")).await;
    assert_eq!(numbers(&next(&mut fresh).await), [8, 9]);
    fresh.close().await;
    // Who has said so goes on.
    let told = KafkaConfig::new(servers()).with_property("auto.offset.reset", "earliest");
    let source = SourceConfig::new(vec![name.clone()]);
    let mut told = KafkaSource::open(&told, &source, &group).await.unwrap();
    assert_eq!(numbers(&next(&mut told).await), [8, 9]);
    told.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_comes_to_the_end_of_a_topic_that_a_transaction_was_written_to_last() {
    let (name, group) = (unique("transaction"), unique("group"));
    fill(&name, 1, 2).await;
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", servers())
        .set("transactional.id", unique("tx"))
        .create()
        .unwrap();
    let patience = Duration::from_secs(30);
    producer.init_transactions(patience).unwrap();
    producer.begin_transaction().unwrap();
    producer
        .send(BaseRecord::to(&name).key("k").payload("2"))
        .unwrap();
    producer.commit_transaction(patience).unwrap();
    let mut source = subscribe(&name, &group).await;
    drain(&mut source, 3).await;
    let config = KafkaConfig::new(servers());
    let watch = GroupWatch::new(&config, &SourceConfig::new(vec![name.clone()]), &group).unwrap();
    let mut open = watch.ends().await.unwrap();
    assert_eq!(
        open,
        [(name.clone(), 0, 4)],
        "the end of the transaction has an offset"
    );
    let began = std::time::Instant::now();
    while !open.is_empty() {
        assert!(began.elapsed() < Duration::from_secs(20), "{open:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
        open = watch.open(open).await.unwrap();
    }
    source.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_without_members_is_moved_to_the_beginning_the_end_or_a_time() {
    let (name, group) = (unique("reset"), unique("group"));
    fill(&name, 1, 3).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let later = i64::try_from(since.as_millis()).unwrap();
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", servers())
        .create()
        .unwrap();
    producer
        .send(BaseRecord::to(&name).key("k").payload("3"))
        .unwrap();
    producer.flush(Duration::from_secs(30)).unwrap();
    let watch = GroupWatch::new(
        &KafkaConfig::new(servers()),
        &SourceConfig::new(vec![name.clone()]),
        &group,
    )
    .unwrap();
    let mut source = subscribe(&name, &group).await;
    drain(&mut source, 4).await;
    let moves = watch.moves(ResetTo::Earliest).await.unwrap();
    let refused = watch.reset(moves).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Config, "{refused}");
    source.close().await;
    let mut from = Some(4);
    for (to, offset) in [
        (ResetTo::Earliest, 0),
        (ResetTo::Time(later), 3),
        (ResetTo::Time(later + 3_600_000), 4),
        (ResetTo::Latest, 4),
        (ResetTo::Time(0), 0),
    ] {
        let moves = watch.moves(to).await.unwrap();
        let want = PartitionMove {
            topic: name.clone(),
            partition: 0,
            from,
            to: offset,
        };
        assert_eq!(moves, [want], "{to:?}");
        watch.reset(moves).await.unwrap();
        from = Some(offset);
    }
    let mut source = subscribe(&name, &group).await;
    drain(&mut source, 4).await;
    source.close().await;
}
