//! The marks in the signal table.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cdc_core::civil::date_of_days;
use cdc_core::engine::{SignalOptions, Watermarks};
use cdc_core::wire::{quote_ident, quote_literal};

/// The statement that writes the opening mark of a window.
pub(super) fn open(signals: &SignalOptions, window: &str, at: SystemTime) -> String {
    let data = format!("{{\"openWindowTimestamp\": \"{}\"}}", instant(at));
    insert(signals, &format!("{window}-open"), "snapshot-window-open", &data)
}

/// The statement that writes the closing mark.
pub(super) fn close(
    signals: &SignalOptions,
    id_column: &str,
    window: &str,
    opened: SystemTime,
    at: SystemTime,
) -> String {
    match signals.watermarks {
        Watermarks::InsertInsert => {
            let data = format!(
                "{{\"openWindowTimestamp\": \"{}\", \"closeWindowTimestamp\": \"{}\"}}",
                instant(opened),
                instant(at)
            );
            insert(
                signals,
                &format!("{window}-close"),
                "snapshot-window-close",
                &data,
            )
        }
        Watermarks::InsertDelete => format!(
            "DELETE FROM {} WHERE {} = {}",
            name(signals),
            quote_ident(id_column),
            quote_literal(&format!("{window}-open"))
        ),
    }
}

fn insert(signals: &SignalOptions, id: &str, kind: &str, data: &str) -> String {
    format!(
        "INSERT INTO {} VALUES ({}, {}, {})",
        name(signals),
        quote_literal(id),
        quote_literal(kind),
        quote_literal(data)
    )
}

/// The quoted name of the signal table.
pub(super) fn name(signals: &SignalOptions) -> String {
    format!("{}.{}", quote_ident(&signals.schema), quote_ident(&signals.table))
}

/// As `java.time.Instant` is written: the fraction in none, three, six or nine digits.
fn instant(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let (seconds, nanos) = (since.as_secs(), since.subsec_nanos());
    let (year, month, day) = date_of_days(i64::try_from(seconds / 86_400).unwrap_or(i64::MAX));
    let second = seconds % 86_400;
    let fraction = match nanos {
        0 => String::new(),
        n if n % 1_000_000 == 0 => format!(".{:03}", n / 1_000_000),
        n if n % 1_000 == 0 => format!(".{:06}", n / 1_000),
        n => format!(".{n:09}"),
    };
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}{fraction}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_795_527_624) + Duration::from_nanos(nanos)
    }

    #[test]
    fn marks_are_written_as_debezium_writes_them() {
        let mut signals = SignalOptions::new("public", "sig");
        assert_eq!(
            open(&signals, "w", at(990_006_649)),
            r#"INSERT INTO "public"."sig" VALUES ('w-open', 'snapshot-window-open', '{"openWindowTimestamp": "2026-11-24T13:40:24.990006649Z"}')"#
        );
        assert_eq!(
            close(&signals, "id", "w", at(990_006_000), at(0)),
            r#"INSERT INTO "public"."sig" VALUES ('w-close', 'snapshot-window-close', '{"openWindowTimestamp": "2026-11-24T13:40:24.990006Z", "closeWindowTimestamp": "2026-11-24T13:40:24Z"}')"#
        );
        signals.watermarks = Watermarks::InsertDelete;
        assert_eq!(
            close(&signals, "Id", "w", at(0), at(0)),
            r#"DELETE FROM "public"."sig" WHERE "Id" = 'w-open'"#
        );
    }
}
