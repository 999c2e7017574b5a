//! Offsets in a file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::record;
use crate::seam::{BoxFuture, OffsetStore, PipelineKey, StoredOffset};
use crate::{Error, ErrorKind};

/// Keeps the offset in a file of its own, and a lock beside it, so that two processes cannot use one file.
///
/// # Durability
/// A save writes a new file, syncs it, renames it over the old one and syncs the directory.
#[derive(Debug)]
pub struct FileStore {
    path: PathBuf,
    key: PipelineKey,
    /// Held for as long as the store lives; the system gives it back when the process dies.
    _lock: File,
}

/// How long the last save of a store that was given up may take.
const LAST_SAVE: Duration = Duration::from_secs(3);

impl FileStore {
    /// Opens the store; the file need not exist, its directory must. Waits a moment for a store of this process that
    /// has been given up and is still at its last save.
    ///
    /// # Errors
    /// Kind `Fenced` if another process has it open, `Offset` if the directory cannot be written.
    pub async fn open(path: impl Into<PathBuf>, key: PipelineKey) -> Result<Self, Error> {
        let path = path.into();
        let lock_path = beside(&path, "lock");
        let mut options = OpenOptions::new();
        let lock = options.create(true).truncate(false).write(true).open(&lock_path);
        let lock = lock.map_err(|e| failed("open", &lock_path, e))?;
        let deadline = Instant::now() + LAST_SAVE;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(fs::TryLockError::WouldBlock) if Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(fs::TryLockError::WouldBlock) => {
                    let context = format!("offset file {} is in use by another process", path.display());
                    return Err(Error::new(ErrorKind::Fenced, context));
                }
                Err(fs::TryLockError::Error(e)) => return Err(failed("lock", &lock_path, e)),
            }
        }
        Ok(Self {
            path,
            key,
            _lock: lock,
        })
    }
}

impl OffsetStore for FileStore {
    fn load(&mut self) -> BoxFuture<'_, Result<Option<StoredOffset>, Error>> {
        let loaded = match fs::read(&self.path) {
            Ok(bytes) => record::decode(&self.key, &bytes).map(Some),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(failed("read", &self.path, e)),
        };
        Box::pin(async move { loaded })
    }

    fn save<'a>(&'a mut self, offset: &'a StoredOffset) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            // A sync takes milliseconds: it must not hold up the worker that also reads the stream.
            let (path, bytes) = (self.path.clone(), record::encode(&self.key, offset));
            let written = tokio::task::spawn_blocking(move || write(&path, &bytes)).await;
            let written = written.map_err(io::Error::other).flatten();
            written.map_err(|e| failed("write", &self.path, e))
        })
    }

    fn clear(&mut self) -> BoxFuture<'_, Result<(), Error>> {
        let removed = match fs::remove_file(&self.path) {
            Ok(()) => sync_directory(&self.path),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(e),
        };
        let removed = removed.map_err(|e| failed("remove", &self.path, e));
        Box::pin(async move { removed })
    }
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = beside(path, "new");
    let mut file = File::create(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    sync_directory(path)
}

fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

fn failed(what: &str, path: &Path, e: io::Error) -> Error {
    Error::new(
        ErrorKind::Offset,
        format!("cannot {what} offset file {}", path.display()),
    )
    .with_source(e)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Checkpoint, Lsn};

    fn key() -> PipelineKey {
        PipelineKey {
            pipeline: "p".into(),
            server: "s".into(),
        }
    }

    #[tokio::test]
    async fn keeps_the_last_offset_and_refuses_a_damaged_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("offset");
        let mut store = FileStore::open(&path, key()).await.unwrap();
        assert_eq!(store.load().await.unwrap(), None);
        for lsn in [7, 9] {
            let checkpoint = Checkpoint {
                resume_lsn: Lsn(lsn),
                ..Checkpoint::default()
            };
            store
                .save(&StoredOffset {
                    checkpoint,
                    ..StoredOffset::default()
                })
                .await
                .unwrap();
        }
        assert_eq!(store.load().await.unwrap().unwrap().checkpoint.resume_lsn, Lsn(9));
        assert_eq!(
            FileStore::open(&path, key()).await.unwrap_err().kind(),
            ErrorKind::Fenced
        );

        let mut bytes = fs::read(&path).unwrap();
        bytes[40] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!(store.load().await.unwrap_err().kind(), ErrorKind::Offset);
        store.clear().await.unwrap();
        assert_eq!(store.load().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_store_that_is_being_given_up_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("offset");
        let old = FileStore::open(&path, key()).await.unwrap();
        let late = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            drop(old);
        };
        let (new, ()) = tokio::join!(FileStore::open(&path, key()), late);
        new.unwrap();
    }
}
