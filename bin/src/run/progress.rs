//! A progress bar for the snapshot, on a terminal.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use cdc_core::engine::{Phase, Status};
use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;

const TEMPLATE: &str = "snapshot {bar:30} {human_pos}/{human_len} rows  {per_sec}  {msg}";

/// Shows the snapshot's progress until it is over; does nothing where nobody looks.
pub fn show(status: Arc<Status>, stop: CancellationToken) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    tokio::spawn(async move {
        let mut bar: Option<ProgressBar> = None;
        while !stop.is_cancelled() {
            match status.phase() {
                Phase::Snapshot => draw(bar.get_or_insert_with(new_bar), &status),
                Phase::Streaming | Phase::Stopped => break,
                Phase::Starting | Phase::Waiting => {}
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        if let Some(bar) = bar {
            draw(&bar, &status);
            bar.finish();
        }
    });
}

fn new_bar() -> ProgressBar {
    let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style)
}

fn draw(bar: &ProgressBar, status: &Status) {
    let (rows, expected, tables, done) = status.snapshot();
    // The planner's estimate may be too low: the bar then grows with the rows.
    bar.set_length(expected.max(rows));
    bar.set_position(rows);
    bar.set_message(format!("{done}/{tables} tables"));
}
