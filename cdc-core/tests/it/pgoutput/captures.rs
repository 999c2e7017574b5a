//! The captures under `tests/data`, made by `dev/capture-frames`.

use std::collections::BTreeMap;
use std::path::Path;

use cdc_core::ErrorKind;
use cdc_core::pgoutput::{Assembler, Framing, Message, Pushed, SpoolOptions, decode};
use cdc_core::testkit::capture::messages;
use cdc_core::testkit::pgoutput::encode;

use super::transactions::transactions;

/// The captures by name without suffix.
fn captures() -> BTreeMap<String, Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let files = std::fs::read_dir(directory).unwrap().map(|f| f.unwrap().path());
    let captures = files.filter(|f| f.extension().is_some_and(|e| e == "bin"));
    captures
        .map(|f| {
            (
                f.file_stem().unwrap().to_str().unwrap().to_owned(),
                std::fs::read(&f).unwrap(),
            )
        })
        .collect()
}

#[test]
fn every_message_of_every_version_is_decoded_without_a_byte_left_and_encodes_to_the_same_bytes() {
    let captures = captures();
    for version in 13..=18 {
        assert!(
            captures.contains_key(&format!("pg{version}-v1-plain")),
            "{version}"
        );
    }
    let mut seen = BTreeMap::<u8, usize>::new();
    for (name, capture) in &captures {
        let mut framing = Framing::Plain;
        for (lsn, payload) in messages(capture) {
            let (xid, message) = decode(payload, framing).unwrap_or_else(|e| panic!("{name} at {lsn}: {e}"));
            assert_eq!(encode(&message, xid), payload, "{name} at {lsn}: {message:?}");
            match message {
                Message::StreamStart { .. } => framing = Framing::Chunk,
                Message::StreamStop => framing = Framing::Plain,
                Message::Insert { new, .. } | Message::Update { new, .. } => {
                    assert_eq!(new.read(&mut Vec::new()).unwrap().len(), new.len());
                }
                _ => {}
            }
            *seen.entry(message.tag()).or_default() += 1;
        }
    }
    let tags: Vec<u8> = seen.into_keys().collect();
    let mut all = b"BCORYIUDTMSEcAbPKrp".to_vec();
    all.sort_unstable();
    assert_eq!(tags, all);
}

#[test]
fn a_streamed_capture_amounts_to_the_same_as_the_plain_one() {
    let captures = captures();
    let mut compared = 0;
    for (name, capture) in &captures {
        let Some((version, _)) = name.split_once("-v2-").or(name.split_once("-v4-")) else {
            continue;
        };
        let plain = transactions(messages(&captures[&format!("{version}-v1-plain")]), 0);
        assert!(plain.len() > 15 && !plain.iter().any(|t| t.streamed.0));
        for budget in [0, 2000, u64::MAX] {
            let streamed = transactions(messages(capture), budget);
            assert_eq!(streamed, plain, "{name}, budget {budget}");
            assert!(streamed.iter().filter(|t| t.streamed.0).count() >= 3, "{name}");
        }
        compared += 1;
    }
    assert_eq!(compared, 8);
}

#[test]
fn an_abort_tells_position_and_time_only_in_parallel_mode() {
    for (name, capture) in captures() {
        for (_, payload) in messages(&capture) {
            if payload[0] == b'A' {
                let (_, Message::StreamAbort { abort, .. }) = decode(payload, Framing::Plain).unwrap() else {
                    panic!("no stream abort");
                };
                assert_eq!(abort.is_some(), name.ends_with("parallel"), "{name}");
                // 2024 or later.
                assert!(
                    abort.is_none_or(|(lsn, us)| lsn.0 > 0 && us > 1_704_067_200_000_000),
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn two_phase_commit_is_refused_by_name() {
    let (capture, mut assembler) = (
        &captures()["pg18-v3-two-phase"],
        Assembler::new(SpoolOptions::default()),
    );
    let refused =
        messages(capture)
            .into_iter()
            .find_map(|(lsn, payload)| match assembler.push(lsn, payload) {
                Ok(Pushed::Message(_)) => None,
                Ok(other) => panic!("{other:?}"),
                Err(e) => Some(e),
            });
    let e = refused.unwrap();
    assert_eq!(e.kind(), ErrorKind::Protocol);
    assert!(
        e.to_string()
            .starts_with("begin prepare at byte 0: two_phase is not requested"),
        "{e}"
    );
}
