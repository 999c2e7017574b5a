//! What writing one record takes.

use crate::Batch;
use crate::envelope::{Encoder, EventContext};
use crate::row::ColumnRef;

/// Enough for one ordinary row; a larger one is given back.
const SCRATCH_BYTES: usize = 64 << 10;

/// What writing one record takes.
pub(super) struct Pen<'a> {
    pub(super) encoder: &'a mut Encoder,
    pub(super) context: &'a EventContext,
    /// Where the record goes: the batch, or nowhere if it was delivered before.
    pub(super) out: &'a mut Batch,
    pub(super) new: &'a mut Vec<ColumnRef>,
    pub(super) old: &'a mut Vec<ColumnRef>,
}

impl<'a> Pen<'a> {
    #[inline]
    pub(super) fn new(
        encoder: &'a mut Encoder,
        context: &'a EventContext,
        scratch: &'a mut Batch,
        (new, old): (&'a mut Vec<ColumnRef>, &'a mut Vec<ColumnRef>),
        fresh: bool,
        out: &'a mut Batch,
    ) -> Self {
        let out = if fresh {
            out
        } else {
            scratch.reset(SCRATCH_BYTES);
            scratch
        };
        Self {
            encoder,
            context,
            out,
            new,
            old,
        }
    }
}
