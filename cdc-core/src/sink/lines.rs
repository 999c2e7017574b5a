//! Records as lines of JSON, on standard output or in a file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::path::Path;
use std::thread::{self, JoinHandle};

use tokio::sync::{mpsc, watch};

use crate::json;
use crate::seam::{BoxFuture, Sink};
use crate::{Batch, Error, ErrorKind, Record};

/// What a line holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum LineForm {
    /// Topic, partition, timestamp, headers, key and value as members of one object.
    #[default]
    Record,
    /// The value alone; tombstones are left out.
    Value,
}

/// Batches that wait for the writing thread.
const QUEUE: usize = 4;

/// Writes lines to a file or pipe, on a thread of its own: whoever reads the pipe may be slow.
///
/// # Durability
/// A batch counts as durable once `sync` says so: for a file that is an fsync, for a pipe a flush.
#[derive(Debug)]
pub struct Lines {
    queue: Option<mpsc::Sender<Batch>>,
    spare: mpsc::Receiver<Batch>,
    durable: watch::Receiver<u64>,
    sent: u64,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Lines {
    /// A sink over `out`; `sync` makes what was written durable.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start<W: Write + Send + 'static>(
        out: W,
        form: LineForm,
        sync: fn(&mut W) -> io::Result<()>,
    ) -> Result<Self, Error> {
        let (queue, batches) = mpsc::channel(QUEUE);
        let (give_back, spare) = mpsc::channel(QUEUE);
        let (done, durable) = watch::channel(0);
        let thread = thread::Builder::new().name("lines".into());
        let thread = thread.spawn(move || write_all(out, form, sync, batches, &give_back, &done));
        let thread = thread.map_err(failed)?;
        Ok(Self {
            queue: Some(queue),
            spare,
            durable,
            sent: 0,
            thread: Some(thread),
        })
    }

    /// A sink that adds records to a file, created if it is missing; each batch is synced. A line that a crash has cut
    /// off goes first: it was not durable, so it comes again.
    ///
    /// # Errors
    /// Kind `SinkRejected` if the file cannot be opened or mended, or the thread cannot be started.
    pub fn append(path: &Path) -> Result<Self, Error> {
        let unusable = |e: io::Error| {
            let context = format!("cannot open the output file {}", path.display());
            Error::new(ErrorKind::SinkRejected, context).with_source(e)
        };
        let mut options = OpenOptions::new();
        let options = options.create(true).read(true).append(true);
        let mut file = options.open(path).map_err(unusable)?;
        drop_cut_line(&mut file).map_err(unusable)?;
        Self::start(file, LineForm::Record, |file| file.sync_data())
    }

    fn ended(&mut self) -> Error {
        self.queue = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(Err(e))) => failed(e),
            _ => Error::new(ErrorKind::SinkRejected, "the output has ended"),
        }
    }
}

fn failed(e: io::Error) -> Error {
    Error::new(ErrorKind::SinkRejected, "cannot write the output").with_source(e)
}

/// Shortens a plain file to the end of its last whole line; others (a pipe, a terminal) are left alone.
fn drop_cut_line(file: &mut File) -> io::Result<()> {
    /// Read at once, from the end on.
    const STEP: u64 = 64 << 10;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(());
    }
    let (mut end, mut buffer) = (metadata.len(), Vec::new());
    while end > 0 {
        let start = end.saturating_sub(STEP);
        buffer.clear();
        file.seek(SeekFrom::Start(start))?;
        (&mut *file).take(end - start).read_to_end(&mut buffer)?;
        if let Some(at) = memchr::memrchr(b'\n', &buffer) {
            end = start + at as u64 + 1;
            break;
        }
        end = start;
    }
    if end < metadata.len() {
        file.set_len(end)?;
        file.sync_data()?;
    }
    Ok(())
}

fn write_all<W: Write>(
    mut out: W,
    form: LineForm,
    sync: fn(&mut W) -> io::Result<()>,
    mut batches: mpsc::Receiver<Batch>,
    give_back: &mpsc::Sender<Batch>,
    done: &watch::Sender<u64>,
) -> io::Result<()> {
    let mut text = Vec::new();
    while let Some(batch) = batches.blocking_recv() {
        text.clear();
        for record in batch.records() {
            match form {
                LineForm::Record => write_record(&record, &mut text),
                LineForm::Value => match record.value {
                    Some(value) => text.extend_from_slice(value),
                    None => continue,
                },
            }
            text.push(b'\n');
        }
        out.write_all(&text)?;
        sync(&mut out)?;
        done.send_modify(|n| *n += 1);
        // Nobody may want it back any more.
        drop(give_back.try_send(batch));
    }
    Ok(())
}

impl Sink for Lines {
    fn write(&mut self, batch: Batch) -> BoxFuture<'_, Result<Option<Batch>, Error>> {
        Box::pin(async move {
            let Some(queue) = &self.queue else {
                return Err(self.ended());
            };
            if queue.send(batch).await.is_err() {
                return Err(self.ended());
            }
            self.sent += 1;
            Ok(self.spare.try_recv().ok())
        })
    }

    fn durable(&self) -> watch::Receiver<u64> {
        self.durable.clone()
    }

    fn flush(&mut self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let sent = self.sent;
            if self.durable.wait_for(|n| *n >= sent).await.is_ok() {
                return Ok(());
            }
            Err(self.ended())
        })
    }

    fn failure(&mut self) -> Option<Error> {
        let over = self.thread.as_ref().is_some_and(JoinHandle::is_finished);
        over.then(|| self.ended())
    }
}

/// One record as a JSON object. Keys and values are JSON already and go in as they are.
fn write_record(record: &Record<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"topic\":");
    json::write_str(out, record.head.topic.name.as_bytes());
    if let Some(partition) = record.head.partition {
        out.extend_from_slice(b",\"partition\":");
        json::write_i64(out, i64::from(partition));
    }
    if let Some(timestamp) = record.head.timestamp_ms {
        out.extend_from_slice(b",\"timestamp\":");
        json::write_i64(out, timestamp);
    }
    out.extend_from_slice(b",\"headers\":[");
    for (i, (name, value)) in record.headers().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"key\":");
        json::write_str(out, name);
        out.extend_from_slice(b",\"value\":");
        match value {
            Some(value) => json::write_str(out, value),
            None => out.extend_from_slice(b"null"),
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"],\"key\":");
    out.extend_from_slice(record.key.unwrap_or(b"null"));
    out.extend_from_slice(b",\"value\":");
    out.extend_from_slice(record.value.unwrap_or(b"null"));
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_that_a_crash_has_cut_off_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.ndjson");
        let long = "x".repeat(200_000);
        for (left, kept) in [
            (String::new(), String::new()),
            ("{}\n".into(), "{}\n".into()),
            ("{}\n{\"a\":".into(), "{}\n".into()),
            (format!("{{}}\n{long}"), "{}\n".into()),
            (long.clone(), String::new()),
        ] {
            std::fs::write(&path, &left).unwrap();
            let mut lines = Lines::append(&path).unwrap();
            lines.write(Batch::default()).await.unwrap();
            lines.flush().await.unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), kept);
        }
        assert!(Lines::append(dir.path()).is_err());
    }
}
