//! What is read next: the snapshot's progress, and the one chunk that is under way.

use std::sync::Arc;

use super::signal::Tables;
use super::window::{Chunk, Closed, Window};
use super::{ChunkRequest, Watermarks};
use crate::incremental::{IncrementalProgress, TableRequest};
use crate::{Error, Lsn};

/// Decides; does nothing itself. [`next`](Self::next) is asked after every step.
#[derive(Debug)]
pub(crate) struct Machine {
    watermarks: Watermarks,
    progress: Option<Arc<IncrementalProgress>>,
    state: State,
}

/// Where the chunk under way is. Nothing of it is stored: after a restart the chunk is read again.
#[derive(Debug)]
enum State {
    /// No chunk is under way.
    Idle,
    /// One was asked for, and its closing mark has not come; entered by `next`.
    Reading {
        /// The marks' ids begin with it.
        id: String,
        window: Box<Window>,
    },
    /// The closing mark has come, and its rows are being written; entered by `close`.
    Writing(Box<Chunk>),
}

/// What the closing mark of the window under way means.
#[derive(Debug)]
pub(crate) enum AtClose {
    /// Write these rows of the chunk, then say [`Machine::written`].
    Write(Vec<usize>),
    /// It is read again.
    Again(&'static str),
}

impl Machine {
    pub(crate) fn new(watermarks: Watermarks, progress: Option<Arc<IncrementalProgress>>) -> Self {
        Self {
            watermarks,
            progress,
            state: State::Idle,
        }
    }

    /// What is stored with the next checkpoint.
    pub(crate) fn progress(&self) -> Option<&Arc<IncrementalProgress>> {
        self.progress.as_ref()
    }

    /// The table under way, if its chunk is being read.
    pub(crate) fn reading(&mut self) -> Option<(&TableRequest, &mut Window)> {
        let table = self.progress.as_ref()?.tables.front()?;
        match &mut self.state {
            State::Reading { window, .. } => Some((table, window.as_mut())),
            State::Idle | State::Writing(_) => None,
        }
    }

    /// The chunk that is being written.
    pub(crate) fn writing(&self) -> Option<&Chunk> {
        match &self.state {
            State::Writing(chunk) => Some(chunk),
            State::Idle | State::Reading { .. } => None,
        }
    }

    /// What is to be read now, if anything. `id` makes a new window's id.
    pub(crate) fn next(&mut self, id: impl FnOnce() -> String) -> Option<ChunkRequest> {
        let progress = self.progress.as_ref().filter(|p| !p.paused)?;
        if !matches!(self.state, State::Idle) {
            return None;
        }
        let table = progress.tables.front()?.clone();
        let request = ChunkRequest {
            window: id(),
            table,
            after: progress.last.clone(),
            maximum: progress.maximum.clone(),
        };
        self.state = State::Reading {
            id: request.window.clone(),
            window: Box::default(),
        };
        Some(request)
    }

    /// Tables are to be read.
    pub(crate) fn add(&mut self, signal: &str, tables: Vec<TableRequest>) {
        if tables.is_empty() {
            return;
        }
        let mut progress = self.progress.as_deref().cloned().unwrap_or_default();
        progress.add(signal, tables);
        self.progress = Some(Arc::new(progress));
    }

    /// Tables, or all, are no longer to be read. The window of one that is under way is given up: what comes of it later
    /// belongs to no window.
    pub(crate) fn stop(&mut self, tables: Option<&Tables>) {
        let Some(progress) = self.progress.as_deref() else {
            return;
        };
        let mut progress = progress.clone();
        let under_way = progress.remove(|t| tables.is_none_or(|unwanted| unwanted.is_match(t)));
        if under_way {
            self.state = State::Idle;
        }
        self.store(progress);
    }

    /// The chunk under way is read to its end, and no further one until `pause(false)`.
    pub(crate) fn pause(&mut self, paused: bool) {
        if let Some(progress) = self.progress.as_deref() {
            self.store(IncrementalProgress {
                paused,
                ..progress.clone()
            });
        }
    }

    /// Whether a reply for this window is waited for.
    pub(crate) fn awaits(&self, window: &str) -> bool {
        matches!(&self.state, State::Reading { id, .. } if id == window)
    }

    /// The opening mark of a window has come.
    pub(crate) fn opened(&mut self, mark: &str, commit: Lsn) {
        if let State::Reading { id, window } = &mut self.state
            && mark.strip_suffix("-open") == Some(id)
        {
            window.open(commit);
        }
    }

    /// Whether this row of the signal table is the closing mark of the window under way.
    pub(crate) fn is_close(&self, mark: &str) -> bool {
        let suffix = match self.watermarks {
            Watermarks::InsertInsert => "-close",
            Watermarks::InsertDelete => "-open",
        };
        matches!(&self.state, State::Reading { id, .. } if mark.strip_suffix(suffix) == Some(id))
    }

    /// How the end of a window is marked.
    pub(crate) fn watermarks(&self) -> Watermarks {
        self.watermarks
    }

    /// The closing mark has come.
    ///
    /// # Errors
    /// As [`Window::close`].
    pub(crate) fn close<'a>(
        &mut self,
        delivered: impl IntoIterator<Item = &'a (u32, Lsn)>,
    ) -> Result<AtClose, Error> {
        let State::Reading { window, .. } = std::mem::replace(&mut self.state, State::Idle) else {
            return Ok(AtClose::Again("no window is open"));
        };
        Ok(match window.close(delivered)? {
            Closed::Write(chunk, rows) => {
                self.state = State::Writing(chunk);
                AtClose::Write(rows)
            }
            Closed::Again(why) => AtClose::Again(why),
        })
    }

    /// The chunk's rows are all written; gives the table that is done with them, if it is.
    pub(crate) fn written(&mut self) -> Option<TableRequest> {
        let State::Writing(chunk) = std::mem::replace(&mut self.state, State::Idle) else {
            return None;
        };
        let mut progress = self.progress.as_deref()?.clone();
        if !chunk.done {
            progress.advance(chunk.last, chunk.maximum);
            self.store(progress);
            return None;
        }
        let table = progress.tables.front().cloned();
        progress.drop_first();
        self.store(progress);
        table
    }

    /// The table under way has no more rows, or cannot be read.
    pub(crate) fn drop_table(&mut self) -> Option<TableRequest> {
        self.state = State::Idle;
        let mut progress = self.progress.as_deref()?.clone();
        let table = progress.tables.front().cloned();
        progress.drop_first();
        self.store(progress);
        table
    }

    fn store(&mut self, progress: IncrementalProgress) {
        self.progress = (!progress.tables.is_empty()).then(|| Arc::new(progress));
    }
}

#[cfg(test)]
mod tests {
    use super::super::window::tests::chunk;
    use super::*;
    use crate::engine::incremental::signal::Signal;
    use crate::incremental::KeyValues;

    fn request(name: &str) -> TableRequest {
        TableRequest {
            schema: "public".into(),
            name: name.into(),
            condition: None,
            surrogate_key: None,
        }
    }

    fn stop(data: &str) -> Option<Tables> {
        match Signal::read("x", "stop-snapshot", Some(data)).unwrap() {
            Signal::Stop(tables) => tables,
            other => panic!("{other:?}"),
        }
    }

    /// Asks for the next chunk, between marks with this id.
    fn next(m: &mut Machine, id: &str) -> Option<(String, Option<KeyValues>)> {
        m.next(|| id.to_owned()).map(|r| (r.table.name, r.after))
    }

    /// The stream brings both marks, and the reader the rows between.
    fn deliver(m: &mut Machine, id: &str, chunk: Box<Chunk>) -> Option<TableRequest> {
        m.opened(&format!("{id}-open"), Lsn(8));
        m.reading().unwrap().1.fill(chunk);
        assert!(m.is_close(&format!("{id}-close")) && !m.is_close(&format!("{id}-open")));
        assert!(matches!(m.close(&[]).unwrap(), AtClose::Write(_)));
        assert!(m.writing().is_some());
        m.written()
    }

    #[test]
    fn chunks_follow_each_other_and_then_tables() {
        let mut m = Machine::new(Watermarks::InsertInsert, None);
        assert_eq!(next(&mut m, "1"), None);
        m.add("s", vec![request("t"), request("u")]);
        assert_eq!(next(&mut m, "1"), Some(("t".into(), None)));
        assert_eq!(next(&mut m, "2"), None, "one at a time");
        assert_eq!(deliver(&mut m, "1", chunk(&["a", "b"])), None);
        let b = KeyValues(vec![Some("b".into())]);
        assert_eq!(next(&mut m, "2"), Some(("t".into(), Some(b.clone()))));
        // A restart here reads the second chunk again.
        let mut again = Machine::new(Watermarks::InsertInsert, m.progress().cloned());
        assert_eq!(next(&mut again, "9"), Some(("t".into(), Some(b))));
        let mut last = chunk(&["c"]);
        last.done = true;
        assert_eq!(deliver(&mut m, "2", last), Some(request("t")));
        assert_eq!(next(&mut m, "3"), Some(("u".into(), None)));
        assert_eq!(m.drop_table(), Some(request("u")));
        assert!(m.progress().is_none() && next(&mut m, "4").is_none());
    }

    #[test]
    fn a_pause_ends_with_the_chunk_and_a_stop_at_once() {
        let mut m = Machine::new(Watermarks::InsertInsert, None);
        m.pause(true);
        m.add("s", vec![request("t"), request("u"), request("v")]);
        assert!(next(&mut m, "1").is_some(), "there was nothing to pause");
        m.pause(true);
        deliver(&mut m, "1", chunk(&["a"]));
        assert_eq!(next(&mut m, "2"), None);
        m.pause(false);
        assert!(next(&mut m, "3").is_some());
        m.stop(stop(r#"{"data-collections":["public.v"]}"#).as_ref());
        assert!(m.awaits("3"), "another table");
        m.stop(stop(r#"{"data-collections":["public.t"]}"#).as_ref());
        assert!(!m.awaits("3") && !m.is_close("3-close"));
        assert_eq!(next(&mut m, "4"), Some(("u".into(), None)));
        m.stop(None);
        assert!(m.progress().is_none() && !m.awaits("4") && next(&mut m, "5").is_none());
    }

    #[test]
    fn with_one_row_a_window_its_delete_closes() {
        let mut m = Machine::new(Watermarks::InsertDelete, None);
        m.add("s", vec![request("t")]);
        next(&mut m, "1");
        assert!(m.is_close("1-open") && !m.is_close("1-close") && !m.is_close("2-open"));
    }
}
