//! Documents that the server will never take, kept in a file: one JSON object a line.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use cdc_core::{Error, ErrorKind};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::route::Place;

/// The file of dead letters.
#[derive(Debug, Clone)]
pub(crate) struct DeadLetters {
    file: Arc<Mutex<File>>,
    path: PathBuf,
}

/// One dead letter. Everything that is not known is left out.
#[derive(Debug, Serialize)]
pub(crate) struct Letter<'a> {
    pub(crate) topic: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) partition: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) offset: Option<u64>,
    /// Commit position and number of the row in its transaction; not for consumed records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) position: Option<String>,
    pub(crate) index: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) op: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    /// The server's error type, or none when the document could not be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<&'a str>,
    pub(crate) reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) headers: Option<Content<'a>>,
    /// The record's key, when the document could not be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<Content<'a>>,
    /// The record's value, when the document could not be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) document: Option<Content<'a>>,
}

/// Bytes: as JSON when they are JSON, else as a string.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Content<'a> {
    Json(&'a RawValue),
    Text(String),
}

impl<'a> Content<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        // A line feed between tokens would break the line: such a value goes as a string.
        let one_line = memchr::memchr2(b'\n', b'\r', bytes).is_none();
        match serde_json::from_slice::<&RawValue>(bytes) {
            Ok(json) if one_line => Self::Json(json),
            _ => Self::Text(String::from_utf8_lossy(bytes).into_owned()),
        }
    }
}

impl<'a> Letter<'a> {
    /// A letter with place and reason, and nothing else yet.
    pub(crate) fn new(place: &'a Place, reason: &'a str) -> Self {
        let consumed = place.offset.is_some();
        let position = || format!("{}:{}", place.position.commit_lsn, place.position.seq);
        Self {
            topic: &place.route.topic.name,
            partition: place.partition,
            offset: place.offset,
            position: (!consumed).then(position),
            index: &place.route.index,
            op: None,
            id: None,
            version: None,
            status: None,
            error: None,
            reason,
            headers: None,
            key: None,
            value: None,
            document: None,
        }
    }

    /// Appends the letter as one line.
    pub(crate) fn write(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        serde_json::to_writer(&mut *out, self)
            .map_err(|e| Error::new(ErrorKind::Io, "cannot write a dead letter").with_source(e))?;
        out.push(b'\n');
        Ok(())
    }
}

impl DeadLetters {
    /// Opens the file for appending, or makes it.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when that is not possible.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let failed = |e: std::io::Error| {
            let text = format!("cannot open index.on_bad_document.dead_letter {}", path.display());
            Error::new(ErrorKind::Config, text).with_source(e)
        };
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map_err(failed)?;
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
        // So that the file's name, too, outlives a power loss.
        File::open(parent.unwrap_or(Path::new(".")))
            .and_then(|d| d.sync_all())
            .map_err(failed)?;
        Ok(Self {
            file: Arc::new(Mutex::new(file)),
            path: path.to_owned(),
        })
    }

    /// Appends whole lines.
    ///
    /// # Durability
    /// When it returns, the lines outlive a power loss.
    ///
    /// # Errors
    /// [`ErrorKind::Io`].
    pub(crate) async fn append(&self, lines: Vec<u8>) -> Result<(), Error> {
        let file = Arc::clone(&self.file);
        let write = move || {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            file.write_all(&lines).and_then(|()| file.sync_data())
        };
        let done = tokio::task::spawn_blocking(write)
            .await
            .map_err(std::io::Error::other);
        done.and_then(|r| r).map_err(|e| {
            let text = format!("cannot write dead letters to {}", self.path.display());
            Error::new(ErrorKind::Io, text).with_source(e)
        })
    }
}

/// Headers as a JSON object, appended to `out`. A name that comes twice stays twice.
pub(crate) fn headers<'a>(pairs: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>, out: &mut Vec<u8>) {
    for (i, (name, value)) in pairs.enumerate() {
        out.extend_from_slice(if i == 0 { b"{\"" } else { b",\"" });
        crate::json::escape(&String::from_utf8_lossy(name), out);
        out.extend_from_slice(b"\":");
        match value {
            None => out.extend_from_slice(b"null"),
            Some(v) => {
                out.push(b'"');
                crate::json::escape(&String::from_utf8_lossy(v), out);
                out.push(b'"');
            }
        }
    }
    if !out.is_empty() {
        out.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_json_where_it_can_be() {
        let show = |b: &[u8]| serde_json::to_string(&Content::new(b)).unwrap();
        assert_eq!(show(b"{\"a\": 1.00}"), "{\"a\": 1.00}");
        assert_eq!(show(b"{\"a\":\n1}"), "\"{\\\"a\\\":\\n1}\"");
        assert_eq!(show(b"{"), "\"{\"");
    }

    #[test]
    fn headers_are_an_object() {
        let mut out = Vec::new();
        headers(
            [(&b"a\"b"[..], Some(&b"1"[..])), (b"c", None)].into_iter(),
            &mut out,
        );
        assert_eq!(out, br#"{"a\"b":"1","c":null}"#);
        out.clear();
        headers(std::iter::empty(), &mut out);
        assert!(out.is_empty());
    }
}
