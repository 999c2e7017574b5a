//! Records and originals, headers, lines, and what is discarded.

use super::*;

fn head() -> RecordHead {
    RecordHead {
        topic: Arc::new(Topic { name: "t".into() }),
        partition: None,
        timestamp_ms: None,
        position: Position::default(),
        version_lsn: crate::Lsn::ZERO,
    }
}

#[test]
fn records_come_back_as_written() {
    let mut b = Batch::default();
    b.buf().extend_from_slice(b"k1");
    b.mark_key();
    b.header(b"h", Some(b"v"));
    b.buf().extend_from_slice(b"v1");
    b.mark_value();
    b.finish(&head());
    b.tombstone_of_last();
    b.buf().extend_from_slice(b"half");
    b.mark_key();
    b.discard();
    b.finish(&head());
    let got: Vec<_> = b
        .records()
        .map(|r| (r.key, r.value, r.headers().count()))
        .collect();
    assert_eq!(
        got,
        [
            (Some(&b"k1"[..]), Some(&b"v1"[..]), 1),
            (Some(b"k1"), None, 1),
            (None, None, 0)
        ]
    );
    assert_eq!(b.bytes_len(), 6);
}

#[test]
fn the_original_goes_beside_what_became_of_it() {
    let mut came = Batch::default();
    came.buf().extend_from_slice(b"k");
    came.mark_key();
    came.buf().extend_from_slice(b"before");
    came.mark_value();
    came.header(b"h", Some(b"1"));
    came.finish(&head());
    let raw = came.records().next().unwrap();
    let mut b = Batch::default();
    b.keep_original(&raw);
    b.header(b"new", None);
    b.buf().extend_from_slice(b"after");
    b.mark_value();
    b.finish(&head());
    b.keep_original(&raw);
    b.header(b"half", None);
    b.buf().extend_from_slice(b"half");
    let failure = Failure {
        stage: FailedStage::Transformation,
        reason: "why".into(),
    };
    b.finish_failed(&raw, failure.clone());
    b.buf().extend_from_slice(b"next");
    b.mark_value();
    b.finish(&head());
    let same = |r: Record<'_>| {
        let headers: Vec<_> = r.headers().collect();
        assert_eq!((r.key, r.value), (Some(&b"k"[..]), Some(&b"before"[..])));
        assert_eq!(headers, [(&b"h"[..], Some(&b"1"[..]))]);
    };
    let got: Vec<_> = b.records().collect();
    assert_eq!((got[0].key, got[0].value), (None, Some(&b"after"[..])));
    assert_eq!(got[0].headers().collect::<Vec<_>>(), [(&b"new"[..], None)]);
    assert_eq!((got[0].failure(), got[1].failure()), (None, Some(&failure)));
    assert_eq!(
        (got[1].key, got[1].value, got[1].has_headers()),
        (None, None, false)
    );
    same(got[0].original());
    same(got[1].original());
    assert_eq!(got[2].original().value, Some(&b"next"[..]));
}

#[test]
fn each_record_has_its_own_topic_whatever_the_others_have() {
    let names = (0..40).map(|n| Topic {
        name: format!("t{n}"),
    });
    let topics: Vec<_> = names.map(Arc::new).collect();
    let mut b = Batch::default();
    for turn in 0..2 {
        // By turns of few and of more than are looked for, and one several times.
        let order = (0..40).chain([3, 3, 3, 7, 3]).chain((0..40).rev());
        let order: Vec<usize> = order.collect();
        for at in &order {
            b.finish(HeadRef {
                topic: &topics[*at],
                ..HeadRef::from(&head())
            });
        }
        b.tombstone_of_last();
        let got: Vec<_> = b.records().map(|r| r.head.topic.name.clone()).collect();
        let last = order.last();
        let expected: Vec<_> = order.iter().chain(last).map(|at| format!("t{at}")).collect();
        assert_eq!(got, expected, "turn {turn}");
        b.reset(1 << 10);
    }
}
