//! What the stream says: the messages of the `pgoutput` plugin, protocol versions 1 to 4.
//!
//! [`decode()`] turns one payload into one borrowed [`Message`]; [`Tuple::read`] turns a row's bytes into column
//! references. Neither allocates for a row. [`Assembler`] stands before them: it passes ordinary transactions
//! through, keeps the chunks of in-progress transactions in memory and in temporary files, and plays each of them
//! back at its commit, without what its rolled-back savepoints did.
//!
//! Wire format: the PostgreSQL documentation, chapter "Logical Replication Message Formats".

mod decode;
mod message;
mod reader;
mod relation;
mod spool;
mod stream;
mod tuple;

pub use decode::{Framing, decode};
pub use message::{Message, Oids, Prepared, message_name};
pub use relation::{Relation, RelationColumn};
pub use spool::SpoolOptions;
pub use stream::{Assembler, Pushed, StreamedCommit};
pub use tuple::{OldTuple, Tuple};
