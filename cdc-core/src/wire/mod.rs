//! One connection to a PostgreSQL server: log-in, queries, COPY, the replication stream and its feedback.
//!
//! In the order in which a connection passes them:
//!
//! 1. [`options`] (with `conninfo`, `environment`, `passfile`): what to connect to, from libpq's texts and variables.
//! 2. `dial`: hosts in turn, the socket, `tls`, then `login` with `auth`.
//! 3. [`session`] (with [`rows`], [`copy`], [`command`]): the simple query protocol and the replication commands.
//! 4. [`stream`]: the driver of the replication stream; its logic without IO is `machine`, `feedback` and `pace`.
//!
//! Underneath: `channel` (socket and buffers), `gate` (a socket out of the runtime's sight), `inbox` (bytes to messages), `body` (checked reading of one message),
//! `response` (the server's errors and notices to [`crate::Error`]).

mod auth;
mod body;
mod channel;
pub mod command;
mod conninfo;
pub mod copy;
mod dial;
mod environment;
mod feedback;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod gate;
mod inbox;
mod login;
mod machine;
pub mod options;
mod pace;
mod parameters;
mod passfile;
mod response;
pub mod rows;
pub mod session;
mod socket;
pub mod stream;
mod tls;

pub use command::{CreateSlot, SlotSnapshot, StartReplication, quote_ident, quote_literal};
pub use copy::CopyOut;
pub use machine::Frame;
pub use options::ConnectOptions;
pub use rows::Rows;
pub use session::{CreatedSlot, Purpose, Session, SystemIdentity};
pub use stream::ReplicationStream;
