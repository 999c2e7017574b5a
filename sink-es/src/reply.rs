//! What the server said to a bulk request, and what follows from it.

use std::borrow::Cow;

use serde::Deserialize;

use crate::bulk::Op;
use crate::reason;

/// A bulk reply, as far as it is asked for (`filter_path`).
#[derive(Debug, Deserialize)]
pub(crate) struct BulkReply<'a> {
    /// One for each item sent, in order.
    #[serde(borrow, default)]
    pub(crate) items: Vec<ItemReply<'a>>,
}

/// Reply to one item.
#[derive(Debug, Deserialize)]
pub(crate) struct ItemReply<'a> {
    #[serde(borrow, alias = "index", alias = "delete", alias = "create")]
    pub(crate) update: ItemStatus<'a>,
}

/// Status of one item.
#[derive(Debug, Deserialize)]
pub(crate) struct ItemStatus<'a> {
    pub(crate) status: u16,
    #[serde(borrow, default)]
    pub(crate) error: Option<ItemError<'a>>,
}

/// Error of one item, or of a whole request.
#[derive(Debug, Deserialize)]
pub(crate) struct ItemError<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(crate) kind: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) reason: Option<Cow<'a, str>>,
}

/// What follows from an item's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Done.
    Done,
    /// The index already has this or a newer state: done.
    Stale,
    /// Nothing was there to delete: done.
    Missing,
    /// Send again.
    Retry,
    /// Send again, but not for ever: it may be the document's fault.
    Doubtful,
    /// The index refuses writes until somebody acts: send again, and say so.
    Blocked,
    /// The index does not exist.
    NoIndex,
    /// This document will never be taken.
    Bad,
    /// No document will be taken until the configuration changes.
    Stop,
}

/// Maps an item's status to what follows from it.
pub(crate) fn verdict(op: Op, versioned: bool, status: &ItemStatus<'_>) -> Verdict {
    let kind = status.error.as_ref().map_or("", |e| e.kind.as_ref());
    match (status.status, kind) {
        (200..=299, _) => Verdict::Done,
        (409, _) if versioned => Verdict::Stale,
        // The document was added by an earlier attempt: what is only ever added has its own `_id`.
        (409, _) if op == Op::Create => Verdict::Stale,
        // Newer servers say so when a disk is full.
        (429, "cluster_block_exception") => Verdict::Blocked,
        // A processor of an ingest pipeline, or a script, does not get over this document.
        (500, "ingest_processor_exception" | "fail_processor_exception" | "script_exception") => Verdict::Bad,
        (500, kind) if !of_cluster(kind) => Verdict::Doubtful,
        (409 | 429 | 500..=599, _) => Verdict::Retry,
        (404, "" | "index_not_found_exception") if op == Op::Delete => Verdict::Missing,
        (404, "index_not_found_exception") => Verdict::NoIndex,
        // No document names what is not there.
        (404, _) if matches!(op, Op::Index | Op::Create) => Verdict::Stop,
        (403, "cluster_block_exception") => Verdict::Blocked,
        (401 | 403, _) | (400, "invalid_index_name_exception" | "index_closed_exception") => Verdict::Stop,
        (400, "illegal_argument_exception") if status.blames_configuration() => Verdict::Stop,
        _ => Verdict::Bad,
    }
}

/// Whether an error that comes with status 500 is one of the cluster, which passes.
fn of_cluster(kind: &str) -> bool {
    const WORDS: [&str; 11] = [
        "node_",
        "shard",
        "transport",
        "connect",
        "timeout",
        "timed_out",
        "master",
        "closed",
        "corrupt",
        "io_exception",
        "rejected",
    ];
    kind.is_empty() || WORDS.iter().any(|word| kind.contains(word))
}

impl ItemStatus<'_> {
    /// Whether every document would be refused like this one.
    fn blames_configuration(&self) -> bool {
        let reason = self
            .error
            .as_ref()
            .and_then(|e| e.reason.as_deref())
            .unwrap_or_default();
        reason.starts_with("pipeline with id [")
            || reason.starts_with("no write index is defined for alias")
            || reason.starts_with("only write ops with an op_type of create are allowed in data streams")
    }

    /// Type and reason for logs and errors.
    pub(crate) fn describe(&self) -> String {
        match &self.error {
            Some(e) => e.describe(),
            None => format!("status {}", self.status),
        }
    }
}

impl ItemError<'_> {
    /// Type, and what of the reason holds no value of a row.
    pub(crate) fn describe(&self) -> String {
        self.with(reason::shown(self.reason.as_deref().unwrap_or_default()))
    }

    fn with(&self, reason: &str) -> String {
        let reason = reason.trim_end_matches([' ', '.', ':', ',', ';']);
        if reason.is_empty() {
            self.kind.to_string()
        } else {
            format!("{} ({reason})", self.kind)
        }
    }
}

/// An error that stands for a whole request.
#[derive(Deserialize)]
struct Whole<'a> {
    #[serde(borrow)]
    error: ItemError<'a>,
}

/// The error of a request that failed as a whole, or none if the body says none. For one with documents see [`shown_error`].
pub(crate) fn request_error(body: &[u8]) -> Option<String> {
    whole_error(body, |e| e.with(e.reason.as_deref().unwrap_or_default()))
}

/// As well, without values of rows.
pub(crate) fn shown_error(body: &[u8]) -> Option<String> {
    whole_error(body, |e| e.describe())
}

fn whole_error(body: &[u8], describe: impl Fn(&ItemError<'_>) -> String) -> Option<String> {
    /// What AWS puts before its clusters answers so; the case depends on the service.
    #[derive(Deserialize)]
    struct Message {
        #[serde(alias = "Message")]
        message: String,
    }
    if let Ok(whole) = serde_json::from_slice::<Whole<'_>>(body) {
        return Some(describe(&whole.error));
    }
    serde_json::from_slice::<Message>(body).ok().map(|m| m.message)
}

/// Whether a request that was refused with status 429 is larger than all the room that there is for such, so that it will
/// never be taken.
pub(crate) fn can_never_pass(body: &[u8]) -> bool {
    let Ok(whole) = serde_json::from_slice::<Whole<'_>>(body) else {
        return false;
    };
    let reason = whole.error.reason.unwrap_or_default();
    let number = |before: &str| {
        let (_, rest) = reason.split_once(before)?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        rest.get(..digits)?.parse::<u64>().ok()
    };
    // The name of the limit differs between versions.
    let most = reason.split_once("max_coordinating").and_then(|(_, rest)| {
        let digits = rest.split_once('=')?.1;
        digits
            .split(|c: char| !c.is_ascii_digit())
            .next()?
            .parse::<u64>()
            .ok()
    });
    let beyond = |wanted: Option<u64>, most: Option<u64>| wanted.zip(most).is_some_and(|(w, m)| w > m);
    beyond(number("coordinating_operation_bytes="), most)
        || beyond(
            number("new bytes reserved: ["),
            number("larger than the limit of ["),
        )
}

/// Whether a request failed since no node of the cluster runs ingest pipelines.
pub(crate) fn lacks_ingest(body: &[u8]) -> bool {
    request_error(body).is_some_and(|e| e.contains("no ingest nodes"))
}

/// Whether a request failed as a whole for one item in it.
pub(crate) fn blames_an_item(body: &[u8]) -> bool {
    serde_json::from_slice::<Whole<'_>>(body).is_ok_and(|w| {
        matches!(
            w.error.kind.as_ref(),
            "action_request_validation_exception"
                | "illegal_argument_exception"
                | "x_content_parse_exception"
                | "json_parse_exception"
                | "parse_exception"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(op: Op, versioned: bool, json: &str) -> Verdict {
        verdict(
            op,
            versioned,
            &serde_json::from_str::<ItemStatus<'_>>(json).unwrap(),
        )
    }

    #[test]
    fn each_status_has_its_consequence() {
        let with = |status: u16, kind: &str| format!(r#"{{"status":{status},"error":{{"type":"{kind}"}}}}"#);
        for (op, versioned, status, kind, want) in [
            (
                Op::Index,
                true,
                409,
                "version_conflict_engine_exception",
                Verdict::Stale,
            ),
            (
                Op::Delete,
                true,
                409,
                "version_conflict_engine_exception",
                Verdict::Stale,
            ),
            (
                Op::Index,
                false,
                409,
                "version_conflict_engine_exception",
                Verdict::Retry,
            ),
            (
                Op::Index,
                true,
                429,
                "es_rejected_execution_exception",
                Verdict::Retry,
            ),
            (Op::Index, true, 429, "circuit_breaking_exception", Verdict::Retry),
            (Op::Index, true, 429, "cluster_block_exception", Verdict::Blocked),
            (
                Op::Create,
                false,
                409,
                "version_conflict_engine_exception",
                Verdict::Stale,
            ),
            (
                Op::Index,
                true,
                503,
                "unavailable_shards_exception",
                Verdict::Retry,
            ),
            (Op::Index, true, 500, "node_closed_exception", Verdict::Retry),
            (Op::Index, true, 500, "", Verdict::Retry),
            (Op::Index, true, 500, "fail_processor_exception", Verdict::Bad),
            (Op::Index, true, 500, "null_pointer_exception", Verdict::Doubtful),
            (Op::Index, true, 503, "null_pointer_exception", Verdict::Retry),
            (
                Op::Index,
                true,
                404,
                "resource_not_found_exception",
                Verdict::Stop,
            ),
            (Op::Index, true, 403, "cluster_block_exception", Verdict::Blocked),
            (Op::Index, true, 403, "security_exception", Verdict::Stop),
            (
                Op::Index,
                true,
                404,
                "index_not_found_exception",
                Verdict::NoIndex,
            ),
            (
                Op::Delete,
                true,
                404,
                "index_not_found_exception",
                Verdict::Missing,
            ),
            (Op::Index, true, 400, "mapper_parsing_exception", Verdict::Bad),
            (Op::Index, true, 400, "document_parsing_exception", Verdict::Bad),
            (
                Op::Index,
                true,
                400,
                "strict_dynamic_mapping_exception",
                Verdict::Bad,
            ),
            (Op::Index, true, 400, "illegal_argument_exception", Verdict::Bad),
            (Op::Index, true, 400, "a_kind_of_tomorrow", Verdict::Bad),
            (Op::Index, true, 413, "too_large", Verdict::Bad),
            (
                Op::Index,
                true,
                400,
                "invalid_index_name_exception",
                Verdict::Stop,
            ),
            (Op::Index, true, 400, "index_closed_exception", Verdict::Stop),
        ] {
            assert_eq!(of(op, versioned, &with(status, kind)), want, "{status} {kind}");
        }
        assert_eq!(of(Op::Index, true, r#"{"status":201}"#), Verdict::Done);
        assert_eq!(of(Op::Delete, true, r#"{"status":404}"#), Verdict::Missing);
        let pipeline = r#"{"status":400,"error":{"type":"illegal_argument_exception","reason":"pipeline with id [p] does not exist"}}"#;
        assert_eq!(of(Op::Index, true, pipeline), Verdict::Stop);
        let alias = r#"{"status":400,"error":{"type":"illegal_argument_exception","reason":"no write index is defined for alias [a]."}}"#;
        assert_eq!(of(Op::Index, true, alias), Verdict::Stop);
    }

    #[test]
    fn replies_are_read_item_by_item() {
        let body = br#"{"errors":true,"items":[{"index":{"status":201}},{"delete":{"status":404}},
            {"index":{"status":400,"error":{"type":"mapper_parsing_exception","reason":"object mapping for [\u0061] b"}}}]}"#;
        let reply: BulkReply<'_> = serde_json::from_slice(body).unwrap();
        let status: Vec<_> = reply.items.iter().map(|i| i.update.status).collect();
        assert_eq!(status, [201, 404, 400]);
        assert_eq!(
            reply.items[2].update.describe(),
            "mapper_parsing_exception (object mapping for [a])"
        );
    }

    #[test]
    fn what_is_larger_than_all_the_room_never_passes() {
        let body = |reason: &str| format!(r#"{{"error":{{"type":"x","reason":"{reason}"}},"status":429}}"#);
        for (reason, want) in [
            (
                "rejected execution of coordinating operation [coordinating_and_primary_bytes=0, replica_bytes=0, all_bytes=0, coordinating_operation_bytes=900, max_coordinating_and_primary_bytes=800]",
                true,
            ),
            (
                "rejected execution of coordinating operation [coordinating_and_primary_bytes=700, all_bytes=700, coordinating_operation_bytes=200, max_coordinating_bytes=800]",
                false,
            ),
            (
                "[parent] Data too large, data for [<http_request>] would be [990/990b], which is larger than the limit of [500/500b], real usage: [390/390b], new bytes reserved: [600/600b], usages [x=0/0b]",
                true,
            ),
            (
                "[parent] Data too large, data for [<http_request>] would be [990/990b], which is larger than the limit of [500/500b], real usage: [980/980b], new bytes reserved: [10/10b]",
                false,
            ),
            ("rejected execution of x", false),
        ] {
            assert_eq!(can_never_pass(body(reason).as_bytes()), want, "{reason}");
        }
        assert!(!can_never_pass(b"busy"));
    }

    #[test]
    fn whole_errors_are_read() {
        let body = br#"{"error":{"root_cause":[],"type":"security_exception","reason":"missing authentication"},"status":401}"#;
        assert_eq!(
            request_error(body).unwrap(),
            "security_exception (missing authentication)"
        );
        assert_eq!(request_error(b"<html>"), None);
        let with_value = br#"{"error":{"type":"x","reason":"id [hush] is too long"},"status":400}"#;
        assert_eq!(request_error(with_value).unwrap(), "x (id [hush] is too long)");
        assert_eq!(shown_error(with_value).unwrap(), "x");
    }
}
