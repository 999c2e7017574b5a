//! `/livez`, `/readyz`, `/status`, `/metrics` and `/fence`. Nothing here changes a pipeline.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use cdc_core::engine::{Phase, Status};
use cdc_core::{ErrorKind, Lsn};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The loop turns at least with every keepalive or status update; after this long without a turn it hangs.
const STALLED_MS: i64 = 90_000;

/// What the endpoints show.
#[derive(Clone, Debug)]
pub struct Board {
    /// Name of the pipeline.
    pub name: Arc<str>,
    /// The stage that reads from PostgreSQL, if one runs.
    pub source: Option<Arc<Status>>,
    /// The stage that fills the index from Kafka, if one runs.
    pub index: Option<Arc<super::relay::RelayStatus>>,
    /// Whoever waits for documents to be searchable, if there is an index.
    pub fence: Option<super::fence::Fence>,
    /// The exporter.
    pub metrics: PrometheusHandle,
}

/// Serves until `stop`.
///
/// # Errors
/// The address cannot be bound.
pub async fn serve(listen: SocketAddr, board: Board, stop: CancellationToken) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind(listen).await;
    let listener = listener.with_context(|| format!("http.listen: cannot listen on {listen}"))?;
    let address = listener.local_addr()?;
    let app = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/status", get(status))
        .route("/fence", get(fence))
        .route("/metrics", get(metrics))
        .with_state(board);
    tokio::spawn(async move {
        let served = axum::serve(listener, app)
            .with_graceful_shutdown(stop.cancelled_owned())
            .await;
        if let Err(error) = served {
            tracing::error!(error = %error, "http endpoints ended");
        }
    });
    Ok(address)
}

async fn livez(State(board): State<Board>) -> Response {
    match board.source.as_deref().map(|s| (s.phase(), s.turned_ms())) {
        Some((Phase::Streaming, turned)) if turned > 0 && now_ms() - turned > STALLED_MS => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the stream has not turned for 90 s\n",
        )
            .into_response(),
        Some((Phase::Stopped, _)) => (StatusCode::SERVICE_UNAVAILABLE, "stopped\n").into_response(),
        _ => "alive\n".into_response(),
    }
}

async fn readyz(State(board): State<Board>) -> Response {
    let source = board.source.as_deref().map(Status::phase);
    let index = board
        .index
        .as_deref()
        .is_none_or(super::relay::RelayStatus::is_running);
    match source {
        Some(phase) if !matches!(phase, Phase::Streaming | Phase::Snapshot) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", phase.name())).into_response()
        }
        _ if !index => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the index stage is not running\n",
        )
            .into_response(),
        _ => "ready\n".into_response(),
    }
}

async fn status(State(board): State<Board>) -> Json<Value> {
    Json(describe(&board))
}

fn describe(board: &Board) -> Value {
    let source = board.source.as_deref().map(|s| {
        let (rows, expected, tables, done) = s.snapshot();
        json!({
            "phase": s.phase().name(),
            "received_lsn": s.received_lsn().to_string(),
            "confirmed_lsn": s.confirmed_lsn().to_string(),
            "server_lsn": s.server_lsn().to_string(),
            "lag_bytes": s.server_lsn().0.saturating_sub(s.confirmed_lsn().0),
            "rows": s.rows(),
            "records": s.records(),
            "bytes": s.bytes(),
            "in_flight_bytes": s.in_flight_bytes(),
            "last_commit_ms": s.last_commit_us() / 1000,
            "restarts": s.restarts(),
            "last_error": s.last_error(),
            "incremental_snapshot": incremental(s),
            "snapshot": {"rows": rows, "rows_expected": expected, "tables": tables, "tables_done": done},
        })
    });
    let index = board.index.as_deref().map(super::relay::RelayStatus::describe);
    let latency = board.fence.as_ref().map(super::fence::Fence::latency);
    json!({
        "name": &*board.name,
        "version": env!("CARGO_PKG_VERSION"),
        "source": source,
        "index": index,
        "latency_ms": latency,
    })
}

fn incremental(status: &Status) -> Value {
    let rows = status.incremental_rows();
    match status.incremental() {
        Some(now) => json!({
            "rows": rows, "signal": now.signal, "table": now.table, "tables": now.tables, "paused": now.paused,
        }),
        None => json!({"rows": rows}),
    }
}

/// Answers once everything up to `lsn` is searchable: 200; 504 when that takes longer than `timeout_ms` (30 s if not given).
async fn fence(State(board): State<Board>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let given = |name: &str| {
        let pairs = query.split('&').filter_map(|p| p.split_once('='));
        pairs
            .filter(|(n, _)| *n == name)
            .map(|(_, v)| v.replace("%2F", "/").replace("%2f", "/"))
            .next()
    };
    let say = |status: StatusCode, text: String| (status, format!("{text}\n")).into_response();
    let Some(fence) = &board.fence else {
        return say(StatusCode::NOT_FOUND, "this pipeline has no index".into());
    };
    let Ok(lsn) = given("lsn").map(|text| text.parse::<Lsn>()).transpose() else {
        return say(StatusCode::BAD_REQUEST, "lsn is not of the form 0/16B3748".into());
    };
    let timeout = match given("timeout_ms").map(|text| text.parse::<u64>()).transpose() {
        Ok(ms) => Duration::from_millis(ms.unwrap_or(30_000)),
        Err(_) => return say(StatusCode::BAD_REQUEST, "timeout_ms is not a whole number".into()),
    };
    match tokio::time::timeout(timeout, fence.wait(lsn)).await {
        Ok(Ok(())) => say(StatusCode::OK, "searchable".into()),
        Ok(Err(error)) if error.kind() == ErrorKind::Config => {
            say(StatusCode::BAD_REQUEST, error.to_string())
        }
        Ok(Err(error)) => say(StatusCode::BAD_GATEWAY, error.chain()),
        Err(_) => say(StatusCode::GATEWAY_TIMEOUT, "not searchable in time".into()),
    }
}

async fn metrics(State(board): State<Board>) -> String {
    board.metrics.render()
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
