//! Positions of logical decoding messages.

use super::Rows;
use crate::envelope::EventContext;
use crate::{Batch, Error, ErrorKind, Lsn, Position};

/// More than the records of one row: messages behind a row have its position, and are numbered from here.
const FIRST_SUB: u64 = 15;

impl Rows {
    pub(super) fn logical_message(
        &mut self,
        lsn: Lsn,
        transactional: bool,
        prefix: &str,
        content: &[u8],
        out: &mut Batch,
    ) -> Result<(), Error> {
        if transactional {
            return self.message_in_transaction(lsn, prefix, content, out);
        }
        // It stands alone between transactions, wherever the WAL has it, and has a position of its own there: the last
        // byte of its record, for the byte behind is where the commit record of the next transaction may begin.
        let position = Position {
            commit_lsn: Lsn(lsn.0.saturating_sub(1)),
            seq: 1,
        };
        if position <= self.delivered {
            return Ok(());
        }
        out.rows += 1;
        let mut context = EventContext {
            lsn,
            position,
            sub: 0,
            xid: None,
            ..self.context.clone()
        };
        self.encoder.message(prefix, content, false, &context, out)?;
        if !self.open {
            std::mem::swap(&mut self.context.position, &mut context.position);
            self.checkpoint.position = position;
            self.checkpoint.event_lsn = lsn;
        }
        Ok(())
    }

    /// A message of the open transaction. It has the position of the row before it and does not count as one: a streamed
    /// transaction cannot always tell whether it was rolled back with a savepoint, and the numbers of the rows behind
    /// must not depend on that. So after a restart the messages behind the last row that was delivered come again.
    fn message_in_transaction(
        &mut self,
        lsn: Lsn,
        prefix: &str,
        content: &[u8],
        out: &mut Batch,
    ) -> Result<(), Error> {
        if !self.open {
            return Err(Error::new(ErrorKind::Protocol, "message outside a transaction"));
        }
        self.context.lsn = lsn;
        self.context.sub = self.context.sub.max(FIRST_SUB).saturating_add(1);
        out.rows += 1;
        let pen = self.pen(self.context.position >= self.delivered, out);
        pen.encoder.message(prefix, content, true, pen.context, pen.out)
    }
}
