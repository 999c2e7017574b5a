//! The part of a transaction that did not fit in memory: an unnamed temporary file of checksummed segments.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::{Error, ErrorKind};

/// Length of a segment's content `u32`, CRC-32 of the content `u32`.
pub(super) const SEGMENT_HEADER: usize = 4 + 4;

/// The server sends the transaction again, and can hold it itself.
const FULL: &str = "a transaction in progress does not fit: free space there, set source.streaming.spill_dir to a larger file system, \
                    or set source.streaming.in_progress: false, so that the server keeps it until its commit";

/// Segments, written at the end and read once from the start.
#[derive(Debug)]
pub(super) struct SpoolFile {
    file: File,
    directory: PathBuf,
    written: u64,
    read: u64,
}

impl SpoolFile {
    /// Creates an unnamed file in `directory`.
    pub(super) fn create(directory: &Path) -> Result<Self, Error> {
        let file = tempfile::tempfile_in(directory).map_err(|e| {
            let kind = match e.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied => {
                    ErrorKind::Config
                }
                _ => ErrorKind::Io,
            };
            let directory = directory.display();
            Error::new(kind, format!("cannot create a spool file in {directory}"))
                .with_hint("set the spool directory to a writable directory with free space")
                .with_source(e)
        })?;
        Ok(Self {
            file,
            directory: directory.to_owned(),
            written: 0,
            read: 0,
        })
    }

    /// Bytes written.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Appends a block, which begins with [`SEGMENT_HEADER`] bytes of room.
    pub(super) fn append(&mut self, block: &mut [u8]) -> Result<(), Error> {
        let size = block.len() as u64;
        let Some((header, content)) = block.split_first_chunk_mut::<SEGMENT_HEADER>() else {
            return Ok(());
        };
        let len = u32::try_from(content.len())
            .map_err(|e| self.error("write", "a segment beyond 4 GiB").with_source(e))?;
        *header = segment_header(len, crc32fast::hash(content));
        self.file.write_all_at(block, self.written).map_err(|e| {
            let full = matches!(
                e.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            );
            let error = self
                .error("write", &format!("{size} bytes at byte {}", self.written))
                .with_source(e);
            if full { error.with_hint(FULL) } else { error }
        })?;
        self.written = self.written.saturating_add(size);
        Ok(())
    }

    /// Reads the next segment into `block`, header included; false at the end.
    pub(super) fn next(&mut self, block: &mut Vec<u8>) -> Result<bool, Error> {
        block.clear();
        let left = self.written.saturating_sub(self.read);
        if left == 0 {
            return Ok(false);
        }
        let mut header = [0; SEGMENT_HEADER];
        self.fill(&mut header, self.read)?;
        let [a, b, c, d, ..] = header;
        let len = u32::from_be_bytes([a, b, c, d]);
        let size = u64::from(len).saturating_add(SEGMENT_HEADER as u64);
        // A length that leaves the file must not choose how much is allocated.
        let content = usize::try_from(len).ok().filter(|_| size <= left);
        let content = content.ok_or_else(|| self.damaged("length"))?;
        block.extend_from_slice(&header);
        block.resize(content.saturating_add(SEGMENT_HEADER), 0);
        let content = block.get_mut(SEGMENT_HEADER..).unwrap_or_default();
        self.fill(content, self.read.saturating_add(SEGMENT_HEADER as u64))?;
        if header != segment_header(len, crc32fast::hash(content)) {
            return Err(self.damaged("checksum"));
        }
        self.read = self.read.saturating_add(size);
        Ok(true)
    }

    fn fill(&self, into: &mut [u8], at: u64) -> Result<(), Error> {
        let size = into.len();
        self.file.read_exact_at(into, at).map_err(|e| {
            self.error("read", &format!("{size} bytes at byte {at}"))
                .with_source(e)
        })
    }

    /// Retrying helps: the server sends the transaction again.
    fn damaged(&self, what: &str) -> Error {
        self.error(
            "trust",
            &format!("the segment at byte {}, its {what} is wrong", self.read),
        )
    }

    fn error(&self, verb: &str, what: &str) -> Error {
        let directory = self.directory.display();
        Error::new(
            ErrorKind::Io,
            format!("spool file in {directory}: cannot {verb} {what}"),
        )
    }
}

fn segment_header(len: u32, crc: u32) -> [u8; SEGMENT_HEADER] {
    let ([a, b, c, d], [e, f, g, h]) = (len.to_be_bytes(), crc.to_be_bytes());
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(content: &[u8]) -> Vec<u8> {
        let mut block = vec![0; SEGMENT_HEADER];
        block.extend_from_slice(content);
        block
    }

    #[test]
    fn segments_come_back_in_order() {
        let mut file = SpoolFile::create(&std::env::temp_dir()).unwrap();
        let mut got = Vec::new();
        for content in [&b"one"[..], b"", b"three"] {
            file.append(&mut block(content)).unwrap();
        }
        assert_eq!(file.written(), 3 * 8 + 8);
        for content in [&b"one"[..], b"", b"three"] {
            assert!(file.next(&mut got).unwrap());
            assert_eq!(&got[SEGMENT_HEADER..], content);
        }
        assert!(!file.next(&mut got).unwrap());
    }

    #[test]
    fn every_damaged_byte_is_found_and_the_error_names_the_directory() {
        let directory = std::env::temp_dir();
        for at in 0..13 {
            let mut file = SpoolFile::create(&directory).unwrap();
            file.append(&mut block(b"hello")).unwrap();
            let mut byte = [0];
            file.file.read_exact_at(&mut byte, at).unwrap();
            file.file.write_all_at(&[byte[0] ^ 0x40], at).unwrap();
            let e = file.next(&mut Vec::new()).unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Io);
            let text = e.to_string();
            assert!(
                text.starts_with(&format!("spool file in {}", directory.display())),
                "{text}"
            );
            assert!(text.contains("segment at byte 0"), "{text}");
        }
    }

    #[test]
    fn a_missing_directory_is_a_matter_of_configuration() {
        let e = SpoolFile::create(Path::new("/nonexistent/spool")).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Config);
        assert_eq!(e.to_string(), "cannot create a spool file in /nonexistent/spool");
    }
}
