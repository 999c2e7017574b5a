//! Budgets, files, and rows and aborts beyond what is usual.

use super::*;

#[test]
fn memory_stays_within_the_budget_and_files_within_what_was_sent() {
    const BUDGET: u64 = 1 << 20;
    let mut a = assembler(BUDGET);
    let mut sent = 0;
    let text = "x".repeat(1000);
    for round in 0..40 {
        for xid in [7, 8, 9] {
            a.push(Lsn(1), &start(xid, round == 0)).unwrap();
            for _ in 0..100 {
                let frame = insert(&text, Some(xid));
                sent += frame.len() as u64;
                a.push(Lsn(1), &frame).unwrap();
                assert!(a.spooled_bytes().0 <= BUDGET);
            }
            a.push(Lsn(1), &stop()).unwrap();
        }
    }
    let (memory, disk) = a.spooled_bytes();
    assert!(
        disk > sent - BUDGET && memory + disk < sent + sent / 20,
        "{memory} {disk} {sent}"
    );
    for xid in [8, 7, 9] {
        a.push(Lsn(1), &stream_commit(xid)).unwrap();
        let mut rows = 0;
        while a.next_replayed().unwrap().is_some() {
            rows += 1;
            assert!(a.spooled_bytes().0 <= BUDGET + 300_000);
        }
        assert_eq!(rows, 4000);
    }
    assert_eq!(a.spooled_bytes(), (0, 0));
}

#[test]
fn a_row_larger_than_block_and_budget_survives() {
    let mut a = assembler(100_000);
    let big = "y".repeat(3 << 20);
    let frames = [
        start(7, true),
        insert("small", Some(7)),
        insert(&big, Some(7)),
        insert("last", Some(7)),
        stop(),
        stream_commit(7),
    ];
    assert_eq!(feed(&mut a, &frames).unwrap(), ["<7", "small", &big, "last", ">"]);
}

#[test]
fn many_scattered_aborts_are_forgotten_by_rewriting() {
    const ROUNDS: u32 = 40_000;
    for budget in [u64::MAX, 1 << 20] {
        let mut a = assembler(budget);
        a.push(Lsn(1), &start(1, true)).unwrap();
        let mut peak = 0;
        for i in 0..ROUNDS {
            // Every other number belongs to another session, so that no two ranges join.
            let sub = 10 + 2 * i;
            a.push(Lsn(1), &insert("dropped", Some(sub))).unwrap();
            a.push(Lsn(1), &stop()).unwrap();
            a.push(Lsn(1), &abort(1, sub)).unwrap();
            a.push(Lsn(1), &start(1, false)).unwrap();
            if i % 1000 == 0 {
                a.push(Lsn(1), &insert("kept", Some(1))).unwrap();
            }
            let (memory, disk) = a.spooled_bytes();
            peak = peak.max(memory + disk);
        }
        let (memory, disk) = a.spooled_bytes();
        assert!((memory + disk) * 2 < peak, "{memory} {disk} {peak}");
        a.push(Lsn(1), &stop()).unwrap();
        a.push(Lsn(1), &stream_commit(1)).unwrap();
        let mut kept = 0;
        while let Some((_, m)) = a.next_replayed().unwrap() {
            assert_eq!(brief(&m), "kept");
            kept += 1;
        }
        assert_eq!(kept, ROUNDS / 1000);
    }
}
