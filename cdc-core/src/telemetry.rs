//! Names of the engine's metrics, and their handles. Written once a batch; the `metrics` facade leaves the exporter to
//! the program that embeds the engine.

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

/// Rows read from the source, before filters.
pub const ROWS: &str = "pgcdc_rows_total";
/// Records handed to the sink.
pub const RECORDS: &str = "pgcdc_records_total";
/// Bytes of keys, values and headers handed to the sink.
pub const BYTES: &str = "pgcdc_bytes_total";
/// Bytes handed to the sink and not yet durable.
pub const IN_FLIGHT: &str = "pgcdc_in_flight_bytes";
/// End of the last WAL received.
pub const RECEIVED_LSN: &str = "pgcdc_received_lsn";
/// Last position acknowledged to the server.
pub const CONFIRMED_LSN: &str = "pgcdc_confirmed_lsn";
/// The server's WAL position.
pub const SERVER_LSN: &str = "pgcdc_server_lsn";
/// Bytes of WAL between the server's position and the acknowledged one.
pub const LAG_BYTES: &str = "pgcdc_lag_bytes";
/// Bytes of WAL that may still be written before the slot is lost; absent without a limit.
pub const SAFE_WAL_BYTES: &str = "pgcdc_slot_safe_wal_bytes";
/// Values that the chosen representation has no form or no room for and which were written as null.
pub const VALUES_LOST: &str = "pgcdc_values_lost_total";
/// Records left out because a transform or converter failed on them.
pub const RECORDS_SKIPPED: &str = "pgcdc_records_skipped_total";
/// Rows written by incremental snapshots.
pub const INCREMENTAL_ROWS: &str = "pgcdc_incremental_rows_total";
/// Tables that the incremental snapshot under way still has to read.
pub const INCREMENTAL_TABLES: &str = "pgcdc_incremental_tables";
/// Starts after a failure.
pub const RESTARTS: &str = "pgcdc_restarts_total";

/// Describes all metrics to the installed recorder, once a process.
pub fn describe() {
    describe_counter!(ROWS, "rows read from the source, before filters");
    describe_counter!(RECORDS, "records handed to the sink");
    describe_counter!(BYTES, "bytes of keys, values and headers handed to the sink");
    describe_gauge!(IN_FLIGHT, "bytes handed to the sink and not yet durable");
    describe_gauge!(RECEIVED_LSN, "end of the last WAL received, as a number");
    describe_gauge!(
        CONFIRMED_LSN,
        "last WAL position acknowledged to the server, as a number"
    );
    describe_gauge!(SERVER_LSN, "the server's WAL position, as a number");
    describe_gauge!(LAG_BYTES, "bytes of WAL not yet acknowledged");
    describe_gauge!(
        SAFE_WAL_BYTES,
        "bytes of WAL that may be written before the slot is lost"
    );
    describe_counter!(
        VALUES_LOST,
        "values that have no form in the chosen representation or are outside its range, written as null"
    );
    describe_counter!(
        RECORDS_SKIPPED,
        "records left out because a transform or converter failed on them"
    );
    describe_counter!(INCREMENTAL_ROWS, "rows written by incremental snapshots");
    describe_gauge!(
        INCREMENTAL_TABLES,
        "tables that the incremental snapshot under way still has to read; 0 if none is"
    );
    describe_counter!(RESTARTS, "starts after a failure");
}

/// Handles of one pipeline, looked up once.
#[derive(Debug, Clone)]
pub(crate) struct Meters {
    pub(crate) rows: Counter,
    pub(crate) records: Counter,
    pub(crate) bytes: Counter,
    pub(crate) in_flight: Gauge,
    pub(crate) received: Gauge,
    pub(crate) confirmed: Gauge,
    pub(crate) server: Gauge,
    pub(crate) lag: Gauge,
    pub(crate) safe_wal: Gauge,
    pub(crate) incremental_rows: Counter,
    pub(crate) incremental_tables: Gauge,
    pub(crate) restarts: Counter,
}

impl Meters {
    /// Handles labelled with the slot's name.
    pub(crate) fn new(slot: &str) -> Self {
        let label = || [("slot", slot.to_owned())];
        Self {
            rows: counter!(ROWS, &label()),
            records: counter!(RECORDS, &label()),
            bytes: counter!(BYTES, &label()),
            in_flight: gauge!(IN_FLIGHT, &label()),
            received: gauge!(RECEIVED_LSN, &label()),
            confirmed: gauge!(CONFIRMED_LSN, &label()),
            server: gauge!(SERVER_LSN, &label()),
            lag: gauge!(LAG_BYTES, &label()),
            safe_wal: gauge!(SAFE_WAL_BYTES, &label()),
            incremental_rows: counter!(INCREMENTAL_ROWS, &label()),
            incremental_tables: gauge!(INCREMENTAL_TABLES, &label()),
            restarts: counter!(RESTARTS, &label()),
        }
    }

    /// Notes a batch handed to the sink.
    pub(crate) fn sent(&self, rows: u64, records: u64, bytes: u64) {
        self.rows.increment(rows);
        self.records.increment(records);
        self.bytes.increment(bytes);
    }
}

/// A WAL position as a gauge value; exact below 2^53, that is 8 PiB of WAL.
#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a float; the loss begins at 8 PiB"
)]
pub(crate) fn number(n: u64) -> f64 {
    n as f64
}
