//! What has no place in a stream.

use super::*;

#[test]
fn messages_out_of_place_are_errors() {
    let prepared = |tag: u8| {
        let p = crate::pgoutput::Prepared {
            prepare_lsn: Lsn(1),
            end_lsn: Lsn(2),
            prepare_us: 0,
            xid: 3,
            gid: "g",
        };
        encode(
            &if tag == b'P' {
                Message::Prepare(p)
            } else {
                Message::StreamPrepare(p)
            },
            None,
        )
    };
    let row = || insert("x", None);
    let cases: [(&[Vec<u8>], &str); 14] = [
        (&[row()], "insert at byte 0: not expected outside a transaction"),
        (
            &[commit()],
            "commit at byte 0: not expected outside a transaction",
        ),
        (
            &[stop()],
            "stream stop at byte 0: not expected outside a transaction",
        ),
        (
            &[message("m", true, None)],
            "message at byte 0: not expected outside a transaction",
        ),
        (
            &[begin(1), begin(2)],
            "begin at byte 0: not expected inside a transaction",
        ),
        (
            &[begin(1), start(2, true)],
            "stream start at byte 0: not expected inside a transaction",
        ),
        (
            &[begin(1), stream_commit(2)],
            "stream commit at byte 0: not expected inside a transaction",
        ),
        (
            &[start(1, true), begin(2)],
            "begin at byte 0: not expected inside a chunk",
        ),
        (
            &[start(1, true), start(2, true)],
            "stream start at byte 0: not expected inside a chunk",
        ),
        (
            &[start(1, false)],
            "stream start at byte 1: the first chunk of transaction 1 never came",
        ),
        (
            &[stream_commit(1)],
            "stream commit at byte 1: the first chunk of transaction 1 never came",
        ),
        (
            &[start(1, true), stop(), start(1, true)],
            "stream start at byte 0: not expected as the first chunk of a transaction that has chunks already",
        ),
        (
            &[prepared(b'P')],
            "prepare at byte 0: two_phase is not requested, yet the slot has it: use one created without two_phase",
        ),
        (
            &[prepared(b'p')],
            "stream prepare at byte 0: two_phase is not requested, yet the slot has it: use one created without two_phase",
        ),
    ];
    for (frames, want) in cases {
        let e = feed(&mut assembler(0), frames).unwrap_err();
        assert_eq!((e.to_string().as_str(), e.kind()), (want, ErrorKind::Protocol));
    }
}

#[test]
fn a_replay_must_be_finished_first() {
    let mut a = assembler(0);
    feed(&mut a, &[start(7, true), insert("a", Some(7)), stop()]).unwrap();
    a.push(Lsn(1), &stream_commit(7)).unwrap();
    assert!(a.push(Lsn(1), &begin(8)).is_err());
    assert!(a.next_replayed().unwrap().is_some());
    assert!(a.next_replayed().unwrap().is_none());
    assert!(a.push(Lsn(1), &begin(8)).is_ok());
    assert!(a.next_replayed().unwrap().is_none());
}

#[test]
fn a_malformed_change_in_a_chunk_is_found_at_the_latest_when_replayed() {
    let mut a = assembler(0);
    let mut long = insert("a", Some(7));
    long.push(0);
    feed(&mut a, &[start(7, true), long, stop()]).unwrap();
    a.push(Lsn(1), &stream_commit(7)).unwrap();
    let e = a.next_replayed().unwrap_err();
    assert_eq!(
        e.to_string(),
        "insert at byte 18: 1 byte left after the last field"
    );
    let e = feed(&mut assembler(0), &[start(7, true), b"I\0".to_vec()]).unwrap_err();
    assert_eq!(
        e.to_string(),
        "insert at byte 1: transaction id needs 4 bytes, 1 left"
    );
}

#[test]
fn a_spool_directory_that_is_not_there_is_named() {
    let directory = Some("/nonexistent/spool".into());
    let mut a = Assembler::new(SpoolOptions {
        memory_bytes: 0,
        directory,
    });
    let e = feed(&mut a, &[start(7, true), insert("a", Some(7))]).unwrap_err();
    assert_eq!(e.to_string(), "cannot create a spool file in /nonexistent/spool");
}

#[test]
fn options_refuse_unknown_keys() {
    let o: SpoolOptions = serde_json::from_str(r#"{"memory_bytes": 5}"#).unwrap();
    assert_eq!(
        o,
        SpoolOptions {
            memory_bytes: 5,
            directory: None
        }
    );
    assert!(serde_json::from_str::<SpoolOptions>(r#"{"memory": 5}"#).is_err());
}
