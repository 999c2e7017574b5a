//! Record headers: what a key changed to or from, the context, the position.

use super::format::{Format, HeaderFormat};
use super::schemas::Wrapper;
use super::source::number;
use crate::connect::{Kind, Schema};
use crate::{Batch, Position, json};

/// Header on the delete of a changed key.
pub(super) const NEW_KEY: &[u8] = b"__debezium.newkey";
/// Header on the create of a changed key.
pub(super) const OLD_KEY: &[u8] = b"__debezium.oldkey";
/// Header with the position of a record.
pub const POSITION_HEADER: &str = "pgcdc.pos";

/// Headers that all records of tables share.
#[derive(Clone, Debug)]
pub(super) struct Headers {
    /// Whether values that are structures carry their schema.
    pub(super) schemas: bool,
    context: Vec<(&'static [u8], Vec<u8>)>,
    position: bool,
}

impl Headers {
    /// `run_id`: identifies this run of the program.
    pub(super) fn new(format: &Format, run_id: &str) -> Self {
        let json = format.header_format == HeaderFormat::Json;
        let schemas = json && format.header_schemas.unwrap_or(format.value_schemas);
        let text = |value: &str| {
            if !json {
                return value.as_bytes().to_vec();
            }
            let wrapper = Wrapper::new(&Schema::new(Kind::String), schemas);
            let mut out = wrapper.open.to_vec();
            json::write_str(&mut out, value.as_bytes());
            out.extend_from_slice(wrapper.close);
            out
        };
        let context: [(&[u8], &str); 4] = [
            (b"__debezium.context.connectorLogicalName", &format.topic_prefix),
            (b"__debezium.context.taskId", "0"),
            (b"__debezium.context.connectorName", "postgresql"),
            (b"__debezium.context.runId", run_id),
        ];
        let wanted = context.into_iter().filter(|_| format.context_headers);
        Self {
            schemas,
            context: wanted.map(|(name, value)| (name, text(value))).collect(),
            position: format.position_header,
        }
    }

    /// Whether there are any.
    #[inline]
    pub(super) fn any(&self) -> bool {
        self.position || !self.context.is_empty()
    }

    /// Adds the context headers.
    #[inline]
    pub(super) fn context(&self, out: &mut Batch) {
        for (name, value) in &self.context {
            out.header(name, Some(value));
        }
    }

    /// Adds the position header if it is wanted; `sub` numbers the records of one row. `scratch` is overwritten.
    #[inline]
    pub(super) fn position(&self, at: Position, sub: u64, scratch: &mut Vec<u8>, out: &mut Batch) {
        if self.position {
            write_position(at, sub, scratch, out);
        }
    }
}

#[inline(never)]
fn write_position(at: Position, sub: u64, scratch: &mut Vec<u8>, out: &mut Batch) {
    scratch.clear();
    number(Some(at.commit_lsn.0), scratch);
    scratch.push(b':');
    number(Some(at.seq), scratch);
    scratch.push(b':');
    number(Some(sub), scratch);
    out.header(POSITION_HEADER.as_bytes(), Some(scratch));
}
