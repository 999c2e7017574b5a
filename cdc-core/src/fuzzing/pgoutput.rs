//! Messages and streams of messages.

use crate::Lsn;
use crate::pgoutput::{Assembler, Framing, Message, OldTuple, Pushed, SpoolOptions, Tuple, decode};
use crate::row::ColumnRef;
use crate::testkit::pgoutput::encode;

/// One payload, its first byte the framing: what decodes is the same after encoding and decoding, and its rows can be read
/// or are refused.
///
/// # Panics
/// If it is not.
pub fn message(input: &[u8]) {
    let Some((&framing, payload)) = input.split_first() else {
        return;
    };
    let framing = if framing & 1 == 0 {
        Framing::Plain
    } else {
        Framing::Chunk
    };
    let Ok((xid, decoded)) = decode(payload, framing) else {
        return;
    };
    read_rows(&decoded);
    let again = encode(&decoded, xid);
    match decode(&again, framing) {
        Ok(same) => assert_eq!(same, (xid, decoded)),
        Err(e) => panic!("{decoded:?} encoded is not decoded again: {e}"),
    }
}

/// A stream of payloads, each with its length (16 bits, big-endian) in front: rows come whole or an error ends the stream,
/// and once it has ended nothing is held.
///
/// # Panics
/// If memory grows beyond the budget, or a committed transaction leaves memory behind.
pub fn assembler(mut input: &[u8]) {
    const BUDGET: u64 = 2048;
    let options = SpoolOptions {
        memory_bytes: BUDGET,
        directory: None,
    };
    let mut assembler = Assembler::new(options);
    let mut at = 1;
    while let Some((length, rest)) = input.split_first_chunk::<2>() {
        let Some((payload, rest)) = rest.split_at_checked(u16::from_be_bytes(*length).into()) else {
            return;
        };
        input = rest;
        at += 1;
        match assembler.push(Lsn(at), payload) {
            Ok(Pushed::Message(message)) => read_rows(&message),
            Ok(Pushed::Spooled) => assert!(assembler.spooled_bytes().0 <= BUDGET, "more memory than allowed"),
            Ok(Pushed::Replay(_)) => {
                if !replay(&mut assembler) {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}

fn replay(assembler: &mut Assembler) -> bool {
    loop {
        match assembler.next_replayed() {
            Ok(Some((_, message))) => read_rows(&message),
            Ok(None) => break,
            Err(_) => return false,
        }
    }
    if assembler.streamed_transactions() == 0 {
        assert_eq!(assembler.spooled_bytes(), (0, 0), "memory or disk left behind");
    }
    true
}

fn read_rows(message: &Message<'_>) {
    let mut refs = Vec::new();
    match message {
        Message::Insert { new, .. } => read_row(new, &mut refs),
        Message::Update { old, new, .. } => {
            if let Some(OldTuple::Key(old) | OldTuple::Full(old)) = old {
                read_row(old, &mut refs);
            }
            read_row(new, &mut refs);
        }
        Message::Delete {
            old: OldTuple::Key(old) | OldTuple::Full(old),
            ..
        } => read_row(old, &mut refs),
        _ => {}
    }
}

/// Every column of a row that is read lies inside it.
fn read_row(tuple: &Tuple<'_>, refs: &mut Vec<ColumnRef>) {
    if let Ok(row) = tuple.read(refs) {
        assert_eq!(row.len(), tuple.len());
        let bytes: usize = (0..row.len())
            .map(|i| match row.get(i) {
                crate::row::Datum::Text(b) | crate::row::Datum::Binary(b) => b.len(),
                _ => 0,
            })
            .sum();
        assert!(bytes <= tuple.as_bytes().len());
    }
}
