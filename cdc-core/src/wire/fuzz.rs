//! The bodies of the fuzz targets that need this room's inside: see [`crate::fuzzing`].

use std::time::Duration;

use tokio::time::Instant;

use super::feedback::Feedback;
use super::inbox::Inbox;
use super::machine::{Frame, Machine};
use super::options::ConnectOptions;

/// Small enough that an input can announce more than is allowed.
const LIMIT: usize = 4096;

/// A replication stream, its first byte the size of the pieces it arrives in: the frames are the same whatever that is.
///
/// # Panics
/// If they are not.
pub fn frames(input: &[u8]) {
    if let Some((&size, stream)) = input.split_first() {
        assert_eq!(
            outcome(stream, usize::from(size).max(1)),
            outcome(stream, stream.len().max(1))
        );
    }
}

/// What comes of a stream in pieces: a line for each frame, and the error that ended it.
fn outcome(stream: &[u8], size: usize) -> Vec<String> {
    let mut inbox = Inbox::new(LIMIT);
    let mut machine = Machine::new(
        "fuzz".into(),
        Feedback::new(Duration::from_secs(10), Instant::now()),
    );
    let mut seen = Vec::new();
    for piece in stream.chunks(size) {
        let mut left = piece;
        while !left.is_empty() {
            let Ok(space) = inbox.space() else {
                return seen;
            };
            let n = left.len().min(space.len());
            let (now, later) = left.split_at(n);
            space[..n].copy_from_slice(now);
            inbox.filled(n);
            left = later;
            if !drain(&mut machine, &mut inbox, &mut seen) {
                return seen;
            }
        }
    }
    seen
}

fn drain(machine: &mut Machine, inbox: &mut Inbox, seen: &mut Vec<String>) -> bool {
    loop {
        match machine.next_frame(inbox) {
            Ok(Some(Frame::XLogData {
                start, end, payload, ..
            })) => seen.push(format!("{start} {end} {}", payload.len())),
            Ok(Some(keepalive @ Frame::Keepalive { .. })) => seen.push(format!("{keepalive:?}")),
            Ok(None) => return true,
            Err(e) => {
                seen.push(e.to_string());
                return false;
            }
        }
    }
}

/// A connection text: it is understood or refused, and no secret of it is shown.
///
/// # Panics
/// If the password appears in what is logged.
pub fn conninfo(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Ok(options) = ConnectOptions::parse(&format!("password=hunter2hunter2 {text}")) {
        let shown = format!("{options:?} {}", options.describe());
        assert!(!shown.contains("hunter2hunter2"), "the password is shown");
    }
    let _ = ConnectOptions::parse(text);
}
