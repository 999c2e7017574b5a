//! Offsets for as long as the process lives.

use std::sync::{Arc, Mutex, PoisonError};

use crate::Error;
use crate::seam::{BoxFuture, OffsetStore, StoredOffset};

/// Keeps the offset in memory; clones share it, so a restart inside the process goes on from it.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    offset: Arc<Mutex<Option<StoredOffset>>>,
}

impl MemoryStore {
    fn set(&self, offset: Option<StoredOffset>) {
        *self.offset.lock().unwrap_or_else(PoisonError::into_inner) = offset;
    }
}

impl OffsetStore for MemoryStore {
    fn load(&mut self) -> BoxFuture<'_, Result<Option<StoredOffset>, Error>> {
        let offset = self.offset.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Box::pin(async move { Ok(offset) })
    }

    fn save<'a>(&'a mut self, offset: &'a StoredOffset) -> BoxFuture<'a, Result<(), Error>> {
        self.set(Some(offset.clone()));
        Box::pin(async { Ok(()) })
    }

    fn clear(&mut self) -> BoxFuture<'_, Result<(), Error>> {
        self.set(None);
        Box::pin(async { Ok(()) })
    }
}
