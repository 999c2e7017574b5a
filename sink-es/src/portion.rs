//! How much of a bulk is sent at once, while the servers do not take all of it.

/// How many items are sent at once.
#[derive(Debug)]
pub(crate) struct Portion {
    /// What the server takes at most.
    most: usize,
    /// What it gets through in time.
    now: usize,
}

impl Default for Portion {
    fn default() -> Self {
        Self {
            most: usize::MAX,
            now: usize::MAX,
        }
    }
}

impl Portion {
    /// Of so many.
    pub(crate) fn of(&self, pending: usize) -> usize {
        self.most.min(self.now).clamp(1, pending.max(1))
    }

    /// The server takes so many at most.
    pub(crate) fn limit(&mut self, most: usize) {
        self.most = most;
    }

    /// So many were too many.
    pub(crate) fn shrink(&mut self, sent: usize) {
        self.now = (sent / 2).max(1);
    }

    /// They went through in time.
    pub(crate) fn grow(&mut self) {
        self.now = self.now.saturating_mul(2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_too_much_for_the_moment_grows_again_and_a_limit_stays() {
        let mut p = Portion::default();
        assert_eq!((p.of(100), p.of(0)), (100, 1));
        p.shrink(100);
        p.shrink(50);
        assert_eq!(p.of(100), 25);
        p.grow();
        assert_eq!(p.of(100), 50);
        p.limit(10);
        p.grow();
        assert_eq!(p.of(100), 10);
        p.shrink(1);
        assert_eq!(p.of(100), 1);
    }
}
