//! A function as a sink.

use std::fmt;

use tokio::sync::watch;

use crate::seam::{BoxFuture, Sink};
use crate::{Batch, Error};

/// Calls a function with every batch; when it returns, the batch counts as durable.
///
/// The function runs on the engine's task: what blocks for long belongs into a [`Sink`] of its own.
pub struct ForEach<F> {
    function: F,
    written: u64,
    durable: watch::Sender<u64>,
}

impl<F> fmt::Debug for ForEach<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForEach")
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

impl<F: FnMut(&Batch) -> Result<(), Error> + Send> ForEach<F> {
    /// A sink that calls `function`.
    pub fn new(function: F) -> Self {
        Self {
            function,
            written: 0,
            durable: watch::Sender::new(0),
        }
    }
}

impl<F: FnMut(&Batch) -> Result<(), Error> + Send> Sink for ForEach<F> {
    fn write(&mut self, batch: Batch) -> BoxFuture<'_, Result<Option<Batch>, Error>> {
        let result = (self.function)(&batch);
        if result.is_ok() {
            self.written += 1;
            self.durable.send_replace(self.written);
        }
        Box::pin(async move { result.map(|()| Some(batch)) })
    }

    fn durable(&self) -> watch::Receiver<u64> {
        self.durable.subscribe()
    }

    fn flush(&mut self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }
}
