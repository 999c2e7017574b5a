//! What a bulk is made of, and what it stands for.

use std::sync::Arc;

use cdc_core::{Batch, Lsn, Position, RecordHead, Topic};

use super::*;
use crate::current::Found;
use crate::route::Routes;

fn place() -> Place {
    let topic = Arc::new(Topic { name: "T".into() });
    let config = serde_json::from_str(r#"{"urls":["http://h"]}"#).unwrap();
    let route = Routes::new(&config).add(&topic).unwrap();
    let head = RecordHead {
        topic,
        partition: None,
        timestamp_ms: None,
        position: Position::default(),
        version_lsn: Lsn::ZERO,
    };
    let mut batch = Batch::default();
    batch.finish(&head);
    Place::new(&route, &batch.records().next().unwrap())
}

fn push(bulk: &mut Bulk, batch: u64, id: &str, version: Option<u64>, document: Option<&str>) {
    let hash = id.bytes().fold(7, |h, b| h * 31 + u64::from(b));
    let entry = Entry {
        place: place(),
        id: Some(id),
        hash,
        version,
        routing: None,
        op: if document.is_some() { Op::Index } else { Op::Delete },
        document: document.map(str::as_bytes),
        lacks: &[],
        unsure: false,
        kept: None,
    };
    bulk.push(batch, entry);
}

fn text(sealed: &Sealed) -> String {
    let live: Vec<_> = sealed.live().collect();
    String::from_utf8(sealed.body(&live).to_vec()).unwrap()
}

#[test]
fn lines_are_the_bulk_apis() {
    let mut b = Bulk::default();
    push(&mut b, 1, "a\"1", Some(7), Some("{\"x\":\r\n 1.50}"));
    push(&mut b, 1, "b", None, None);
    let s = b.seal();
    assert_eq!(
        text(&s),
        "{\"index\":{\"_index\":\"t\",\"_id\":\"a\\\"1\",\"version\":7,\"version_type\":\"external_gte\"}}\n\
         {\"x\":   1.50}\n\
         {\"delete\":{\"_index\":\"t\",\"_id\":\"b\"}}\n"
    );
    let (first, second) = (s.item(0).unwrap(), s.item(1).unwrap());
    assert_eq!(s.id(first).as_deref(), Some("a\"1"));
    assert_eq!(s.document(0), Some(&b"{\"x\":   1.50}"[..]));
    assert_eq!((second.op, s.document(1)), (Op::Delete, None));
    assert_eq!(
        s.body(&[1]),
        &b"{\"delete\":{\"_index\":\"t\",\"_id\":\"b\"}}\n"[..]
    );
}

#[test]
fn the_last_of_one_id_stays_and_stands_for_all() {
    let mut b = Bulk::default();
    push(&mut b, 1, "a", Some(1), Some("{\"n\":1}"));
    push(&mut b, 1, "b", Some(1), Some("{}"));
    push(&mut b, 2, "a", Some(1), Some("{\"n\":2}"));
    push(&mut b, 2, "a", Some(2), None);
    assert_eq!((b.len(), b.superseded()), (4, 2));
    let s = b.seal();
    assert_eq!(s.credits(), [(1, 2), (2, 2)]);
    assert_eq!(s.live().collect::<Vec<_>>(), [1, 3]);
    assert!(!text(&s).contains("\"n\""));
}

#[test]
fn a_lower_version_does_not_replace_a_higher_one() {
    let mut b = Bulk::default();
    push(&mut b, 1, "a", Some(9), Some("{\"new\":1}"));
    push(&mut b, 1, "a", Some(3), Some("{\"old\":1}"));
    let s = b.seal();
    assert_eq!(s.credits(), [(1, 2)]);
    assert!(text(&s).contains("new") && !text(&s).contains("old"));
}

#[test]
fn partial_documents_stay_apart_and_are_sent_again_in_order() {
    let mut b = Bulk::default();
    let entry = |id: &'static str, op: Op, document: &'static str| Entry {
        place: place(),
        id: Some(id),
        routing: Some("r\""),
        hash: 1,
        version: None,
        op,
        document: (op != Op::Delete).then_some(document.as_bytes()),
        lacks: &[],
        unsure: false,
        kept: None,
    };
    for (id, op) in [
        ("a", Op::Update),
        ("b", Op::Update),
        ("a", Op::Update),
        ("a", Op::Delete),
        ("b", Op::Create),
    ] {
        b.push(1, entry(id, op, "{\"x\":1}"));
    }
    let s = b.seal();
    assert_eq!(s.live().count(), 5);
    let first = s.item(0).unwrap();
    assert_eq!(s.id(first).as_deref(), Some("a"));
    assert_eq!(s.document(0), Some(&b"{\"x\":1}"[..]));
    assert_eq!(
        s.body(&[0, 3]),
        &b"{\"update\":{\"_index\":\"t\",\"_id\":\"a\",\"routing\":\"r\\\"\",\"retry_on_conflict\":3}}\n\
           {\"doc\":{\"x\":1},\"doc_as_upsert\":true}\n\
           {\"delete\":{\"_index\":\"t\",\"_id\":\"a\",\"routing\":\"r\\\"\"}}\n"[..]
    );
    assert_eq!(s.with_followers(vec![0], &[0, 1, 2, 3, 4]), [0, 2, 3]);
    assert_eq!(s.with_followers(vec![1, 3], &[0, 1, 2, 3, 4]), [1, 3, 4]);
}

#[test]
fn what_a_later_change_lacks_comes_from_the_one_whose_place_it_takes() {
    let mut b = Bulk::default();
    let gone = [b"big".to_vec(), b"old".to_vec()];
    let entry = |version: u64, document: &'static str, lacks| Entry {
        place: place(),
        id: Some("a"),
        routing: None,
        hash: 1,
        version: Some(version),
        op: Op::Index,
        document: Some(document.as_bytes()),
        lacks,
        unsure: false,
        kept: None,
    };
    b.push(1, entry(1, r#"{"n":1,"big":"x"}"#, &gone[1..]));
    b.push(1, entry(2, r#"{"n":2}"#, &gone));
    let mut s = b.seal();
    assert_eq!(s.live().collect::<Vec<_>>(), [1]);
    assert_eq!(s.document(1), Some(&br#"{"n":2,"big":"x"}"#[..]));
    // What neither has is asked for, and what is not there stays out.
    assert_eq!(s.lacking(&[1]), [(0, 1)]);
    let wanted = s.wanted(1).unwrap();
    assert_eq!(wanted.fields, ["old"]);
    assert_eq!((wanted.index.as_str(), wanted.id.as_str()), ("t", "a"));
    let before = s.memory();
    let found = Found {
        version: 1,
        source: Some(br#"{"old":[1]}"#.to_vec()),
    };
    s.fill(1, &found);
    assert!(s.lacking(&[1]).is_empty());
    assert_eq!(s.document(1), Some(&br#"{"n":2,"big":"x","old":[1]}"#[..]));
    s.set_version(1, Some(77));
    assert_eq!(
        text(&s),
        "{\"index\":{\"_index\":\"t\",\"_id\":\"a\",\"version\":77,\"version_type\":\"external_gte\"}}\n\
         {\"n\":2,\"big\":\"x\",\"old\":[1]}\n"
    );
    assert_eq!(s.replaced_by(1), Some(0));
    assert_eq!(s.body(&[0]).iter().filter(|b| **b == b'\n').count(), 2);
    assert!(s.memory() > before, "what was read counts");
    s.let_go(&[1], &[1]);
    assert!(s.memory() > before);
    s.let_go(&[1], &[]);
    assert_eq!(s.memory(), before);
}

#[test]
fn a_bulk_that_joins_another_keeps_all_of_both() {
    let mut a = Bulk::default();
    push(&mut a, 1, "a", Some(1), Some("{\"n\":1}"));
    push(&mut a, 2, "a", Some(2), Some("{\"n\":2}"));
    let mut b = Bulk::default();
    push(&mut b, 1, "b", Some(1), Some("{\"n\":3}"));
    push(&mut b, 1, "b", Some(2), Some("{\"n\":4}"));
    push(&mut b, 3, "c", None, None);
    let memory = a.memory() + b.memory();
    a.join(&mut b);
    assert!(b.is_empty() && b.bytes() == 0 && b.memory() == 0);
    assert_eq!((a.len(), a.superseded(), a.memory()), (5, 2, memory));
    let s = a.seal();
    assert_eq!(s.credits(), [(1, 1), (2, 1), (1, 2), (3, 1)]);
    assert_eq!(s.live().collect::<Vec<_>>(), [1, 3, 4]);
    assert_eq!(text(&s).lines().count(), 5);
    let ids: Vec<_> = (0..5).map(|i| s.id(s.item(i).unwrap()).unwrap()).collect();
    assert_eq!(ids, ["a", "a", "b", "b", "c"]);
    assert_eq!(s.document(3), Some(&b"{\"n\":4}"[..]));
    assert_eq!((s.replaced_by(1), s.replaced_by(3)), (Some(0), Some(2)));
}

#[test]
fn memory_is_used_again_unless_it_is_much_or_in_use() {
    let filled = || {
        let mut b = Bulk::default();
        push(&mut b, 1, "a", Some(1), Some("{\"n\":1}"));
        b.seal()
    };
    let mut again = filled().reuse(1 << 20).unwrap();
    assert!(again.is_empty() && again.since().is_none() && again.superseded() == 0);
    assert_eq!((again.bytes(), again.len(), again.memory()), (0, 0, 0));
    assert!(again.body.capacity() > 0 && again.items.capacity() > 0);
    push(&mut again, 2, "a", Some(0), Some("{\"n\":2}"));
    let sealed = again.seal();
    assert_eq!(sealed.credits(), [(2, 1)]);
    assert!(text(&sealed).contains("{\"n\":2}"));
    assert!(filled().reuse(10).is_none());
    let sealed = filled();
    let request = sealed.body(&[0]);
    assert!(sealed.reuse(1 << 20).is_none());
    drop(request);
}
