//! What may be shown of a server's reason. Reasons quote values of rows: the field that could not be parsed, the `_id`, the
//! whole document. Where each kind of error does so is the servers' own affair, and plug-ins and ingest processors have their
//! own words; so only reasons that are known are shown, and of those the part that names fields and settings.

/// How much of a known reason is shown.
enum End {
    /// All of it.
    Whole,
    /// Up to the closing bracket of this number.
    Bracket(usize),
    /// What stands before this, if it stands there.
    Before(&'static str),
}

use End::{Before, Bracket, Whole};

/// Beginnings of reasons that are known.
const KNOWN: &[(&str, End)] = &[
    // Of documents.
    ("failed to parse field [", Bracket(2)),
    ("object mapping for [", Bracket(1)),
    ("object mapping [", Bracket(1)),
    ("mapping set to strict, dynamic introduction of [", Bracket(2)),
    ("mapper [", Bracket(3)),
    ("can't merge a non object mapping [", Bracket(1)),
    ("Rejecting mapping update to [", Bracket(1)),
    ("Limit of total fields [", Bracket(1)),
    ("Limit of mapping depth [", Bracket(1)),
    (
        "The number of nested documents has exceeded the allowed limit of [",
        Bracket(1),
    ),
    (
        "Document contains at least one immense term in field=",
        Before(" (whose"),
    ),
    ("Field [", Bracket(1)),
    ("field name cannot be", Whole),
    // Of indexes, pipelines, rights.
    ("pipeline with id [", Whole),
    ("no write index is defined for alias", Whole),
    (
        "only write ops with an op_type of create are allowed in data streams",
        Whole,
    ),
    ("index [", Whole),
    ("no such index [", Bracket(1)),
    ("Validation Failed: 1: this action would add [", Whole),
    ("no ingest nodes", Whole),
    ("action [", Whole),
    ("no permissions for [", Whole),
    ("missing authentication", Whole),
    ("unable to authenticate user [", Bracket(1)),
    ("failed to authenticate", Whole),
    ("current license is non-compliant", Whole),
    ("explicit index in bulk is not allowed", Whole),
    ("The bulk request must be terminated", Whole),
    ("Malformed action/metadata line [", Bracket(1)),
    ("request [", Whole),
    // Of the servers' load. Those of a thread pool show the request, and with it the document.
    ("rejected execution of coordinating operation [", Bracket(1)),
    ("rejected execution of primary operation [", Bracket(1)),
    ("[parent] Data too large", Whole),
];

/// What of a reason holds no value of a row; empty if that is not known.
pub(crate) fn shown(reason: &str) -> &str {
    let reason = without_place(reason);
    let known = KNOWN.iter().find(|(prefix, _)| reason.starts_with(prefix));
    let Some((_, end)) = known else { return "" };
    let end = match end {
        Whole => Some(reason.len()),
        Bracket(n) => {
            let closing = reason.match_indices(']').nth(n.saturating_sub(1));
            closing.map(|(at, _)| at.saturating_add(1))
        }
        Before(text) => reason.find(text),
    };
    end.and_then(|end| reason.get(..end)).unwrap_or_default()
}

/// Newer servers put line and column in front: `[1:17] `.
fn without_place(reason: &str) -> &str {
    let place = reason.strip_prefix('[').and_then(|rest| rest.split_once("] "));
    match place {
        Some((place, rest)) if place.bytes().all(|b| b.is_ascii_digit() || b == b':') => rest,
        _ => reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_reasons_are_shown_up_to_the_first_value() {
        for (reason, want) in [
            (
                "failed to parse field [n] of type [long] in document with id '77'. Preview of field's value: 'hush'",
                "failed to parse field [n] of type [long]",
            ),
            (
                "[1:17] failed to parse field [n] of type [long] in document with id '77'.",
                "failed to parse field [n] of type [long]",
            ),
            (
                "Document contains at least one immense term in field=\"t\" (whose UTF8 encoding is longer), prefix: '[104]...'",
                "Document contains at least one immense term in field=\"t\"",
            ),
            (
                "mapping set to strict, dynamic introduction of [x] within [_doc] is not allowed",
                "mapping set to strict, dynamic introduction of [x] within [_doc]",
            ),
            (
                "index [i] blocked by: [FORBIDDEN/8/index write (api)];",
                "index [i] blocked by: [FORBIDDEN/8/index write (api)];",
            ),
        ] {
            assert_eq!(shown(reason), want);
        }
    }

    #[test]
    fn no_value_of_a_row_is_shown() {
        for reason in [
            "Provided Grok expressions do not match field value: [hush]",
            "field [n] of type [java.lang.String] cannot be cast to [java.lang.Integer]: hush",
            "unable to convert [hush] to integer",
            "unable to parse date [hush]",
            "Unable to find match for dissect pattern: %{a} against source: hush",
            "For input string: \"hush\"",
            "routing is required for [i]/[hush]",
            "id [hush] is too long, must be no longer than 512 bytes but was: 600",
            "[hush]: version conflict, current version [5] is higher than the one provided [4]",
            "rejected execution of org.x.TimedRunnable@1 on [request: BulkShardRequest [[i][0]] containing [index {[i][1], source[hush]}]]",
            "[i][0] primary shard is not active Timeout: [1m], request: [BulkShardRequest containing [hush]]",
            "failed to parse",
            "hush",
            "",
        ] {
            assert!(!shown(reason).contains("hush"), "{reason}");
        }
    }
}
