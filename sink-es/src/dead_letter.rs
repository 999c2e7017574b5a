//! Records whose documents the server will never take, and those that no document can be made of: kept as they came, before any
//! transform, with the reason. In a file, one JSON object a line, or in a topic.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use cdc_core::seam::Sink;
use cdc_core::{Batch, Error, ErrorKind, FailedStage, Lsn, Position, RecordHead, Topic};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::config::BadDocument;
use crate::original;
use crate::route::Place;

/// Where dead letters go.
pub(crate) struct DeadLetters {
    file: Option<(Arc<Mutex<File>>, PathBuf)>,
    topic: Option<tokio::sync::Mutex<Box<dyn Sink>>>,
    /// Name of the pipeline, for the headers.
    pipeline: String,
}

impl std::fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeadLetters")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

/// Dead letters that are to be made durable together.
#[derive(Debug, Default)]
pub(crate) struct Letters {
    lines: Vec<u8>,
    records: Batch,
}

/// One dead letter.
#[derive(Debug)]
pub(crate) struct Letter<'a> {
    pub(crate) place: &'a Place,
    /// What was to be done with the document, if there was one.
    pub(crate) op: Option<&'a str>,
    pub(crate) id: Option<String>,
    pub(crate) version: Option<u64>,
    pub(crate) status: Option<u16>,
    /// The server's error type, or none when the document could not be made.
    pub(crate) error: Option<&'a str>,
    pub(crate) reason: &'a str,
    /// Where a record failed that did not get through its transforms.
    pub(crate) stage: Option<FailedStage>,
    /// What the server refused.
    pub(crate) document: Option<&'a [u8]>,
    /// The record as it came, before any transform: see [`original`].
    pub(crate) record: &'a [u8],
}

/// A letter as a line. What is not known is left out.
#[derive(Debug, Serialize)]
struct Line<'a> {
    topic: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    /// Commit position and number of the row in its transaction; not for consumed records.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<String>,
    #[serde(skip_serializing_if = "str::is_empty")]
    index: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    op: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    stage: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<Content<'a>>,
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
        Self {
            place,
            op: None,
            id: None,
            version: None,
            status: None,
            error: None,
            reason,
            stage: None,
            document: None,
            record: &[],
        }
    }

    /// Where the record has no offset: its commit and the number of the row in its transaction.
    fn position(&self) -> Option<String> {
        let at = self.place.position;
        let consumed = self.place.offset.is_some();
        (!consumed).then(|| format!("{}:{}", at.commit_lsn, at.seq))
    }

    /// Kafka Connect's name for the stage in which it failed.
    fn stage(&self) -> &'static str {
        match self.stage {
            Some(stage) => stage.name(),
            None if self.status.is_some() => "TASK_PUT",
            None => "VALUE_CONVERTER",
        }
    }

    /// The letter as one line.
    fn write(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        let (key, value, pairs) = original::read(self.record);
        let mut headers = Vec::new();
        write_headers(pairs.into_iter(), &mut headers);
        let line = Line {
            topic: &self.place.topic.name,
            partition: self.place.partition,
            offset: self.place.offset,
            position: self.position(),
            index: &self.place.route.index,
            op: self.op,
            id: self.id.as_deref(),
            version: self.version,
            status: self.status,
            stage: self.stage(),
            error: self.error,
            reason: self.reason,
            headers: Some(headers.as_slice())
                .filter(|h| !h.is_empty())
                .map(Content::new),
            key: key.map(Content::new),
            value: value.map(Content::new),
            document: self.document.map(Content::new),
        };
        serde_json::to_writer(&mut *out, &line)
            .map_err(|e| Error::new(ErrorKind::Io, "cannot write a dead letter").with_source(e))?;
        out.push(b'\n');
        Ok(())
    }
}

impl Letters {
    /// Adds a letter by a policy that keeps it.
    ///
    /// # Errors
    /// [`ErrorKind::Io`].
    pub(crate) fn add(
        &mut self,
        policy: &BadDocument,
        letter: &Letter<'_>,
        pipeline: &str,
    ) -> Result<(), Error> {
        match policy {
            BadDocument::DeadLetter(_) => letter.write(&mut self.lines),
            BadDocument::DeadLetterTopic(topic) => {
                letter.put(topic, pipeline, &mut self.records);
                Ok(())
            }
            BadDocument::Fail | BadDocument::Skip => Ok(()),
        }
    }

    fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.records.is_empty()
    }
}

impl Letter<'_> {
    /// The record as it came, with Kafka Connect's error headers behind its own.
    fn put(&self, topic: &str, pipeline: &str, out: &mut Batch) {
        original::restore(self.record, out);
        let (place, stage) = (self.place, self.stage());
        let text = |v: Option<String>| v.unwrap_or_default();
        let connect: [(&str, String); 9] = [
            ("__connect.errors.topic", place.topic.name.clone()),
            (
                "__connect.errors.partition",
                text(place.partition.map(|p| p.to_string())),
            ),
            (
                "__connect.errors.offset",
                text(place.offset.map(|o| o.to_string())),
            ),
            ("__connect.errors.connector.name", pipeline.to_owned()),
            ("__connect.errors.task.id", "0".to_owned()),
            ("__connect.errors.stage", stage.to_owned()),
            ("__connect.errors.class.name", "pgcdc".to_owned()),
            (
                "__connect.errors.exception.class.name",
                self.error
                    .unwrap_or(self.stage.map_or("invalid_record", |_| "failed_record"))
                    .to_owned(),
            ),
            ("__connect.errors.exception.message", self.reason.to_owned()),
        ];
        for (name, value) in connect.iter().filter(|(_, value)| !value.is_empty()) {
            out.header(name.as_bytes(), Some(value.as_bytes()));
        }
        let own: [(&str, Option<String>); 5] = [
            (
                "pgcdc.index",
                Some(place.route.index.clone()).filter(|i| !i.is_empty()),
            ),
            ("pgcdc.id", self.id.clone()),
            ("pgcdc.op", self.op.map(str::to_owned)),
            ("pgcdc.status", self.status.map(|s| s.to_string())),
            ("pgcdc.position", self.position()),
        ];
        for (name, value) in &own {
            if let Some(value) = value {
                out.header(name.as_bytes(), Some(value.as_bytes()));
            }
        }
        out.finish(&RecordHead {
            topic: Arc::new(Topic {
                name: topic.to_owned(),
            }),
            partition: None,
            timestamp_ms: None,
            position: Position::default(),
            version_lsn: Lsn::ZERO,
        });
    }
}

impl DeadLetters {
    /// Opens what the policies need; `topic` takes the records for dead letter topics.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when a file cannot be opened, or a topic is wanted and nothing takes its records.
    pub(crate) fn open(
        policies: &[&BadDocument],
        topic: Option<Box<dyn Sink>>,
        pipeline: String,
    ) -> Result<Self, Error> {
        let mut file = None;
        for policy in policies {
            match policy {
                BadDocument::DeadLetter(path) => {
                    file = Some((Arc::new(Mutex::new(open_file(path)?)), path.clone()));
                }
                BadDocument::DeadLetterTopic(_) if topic.is_none() => {
                    let text = "index.on_bad_document.dead_letter_topic needs the kafka section";
                    return Err(Error::new(ErrorKind::Config, text)
                        .with_hint("add it, or write dead letters to a file"));
                }
                _ => {}
            }
        }
        Ok(Self {
            file,
            topic: topic.map(tokio::sync::Mutex::new),
            pipeline,
        })
    }

    /// Name of the pipeline.
    pub(crate) fn pipeline(&self) -> &str {
        &self.pipeline
    }

    /// Keeps letters.
    ///
    /// # Durability
    /// When it returns, those in a file outlive a power loss, and those for a topic are acknowledged by the brokers.
    ///
    /// # Errors
    /// [`ErrorKind::Io`], or the topic's.
    pub(crate) async fn keep(&self, letters: Letters) -> Result<(), Error> {
        if letters.is_empty() {
            return Ok(());
        }
        if let (Some((file, path)), false) = (&self.file, letters.lines.is_empty()) {
            append(Arc::clone(file), path, letters.lines).await?;
        }
        if let (Some(topic), false) = (&self.topic, letters.records.is_empty()) {
            let mut sink = topic.lock().await;
            sink.write(letters.records).await?;
            sink.flush().await?;
        }
        Ok(())
    }
}

/// Opens the file for appending, or makes it.
fn open_file(path: &Path) -> Result<File, Error> {
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
    Ok(file)
}

async fn append(file: Arc<Mutex<File>>, path: &Path, lines: Vec<u8>) -> Result<(), Error> {
    let write = move || {
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&lines).and_then(|()| file.sync_data())
    };
    let done = tokio::task::spawn_blocking(write)
        .await
        .map_err(std::io::Error::other);
    done.and_then(|r| r).map_err(|e| {
        let text = format!("cannot write dead letters to {}", path.display());
        Error::new(ErrorKind::Io, text).with_source(e)
    })
}

/// Headers as a JSON object, appended to `out`. A name that comes twice stays twice.
fn write_headers<'a>(pairs: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>, out: &mut Vec<u8>) {
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
        write_headers(
            [(&b"a\"b"[..], Some(&b"1"[..])), (b"c", None)].into_iter(),
            &mut out,
        );
        assert_eq!(out, br#"{"a\"b":"1","c":null}"#);
        out.clear();
        write_headers(std::iter::empty(), &mut out);
        assert!(out.is_empty());
    }
}
