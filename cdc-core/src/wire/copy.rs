//! The rows of a `COPY … TO STDOUT`.

use super::response::{Doing, Response};
use super::session::{Session, out_of_place};
use crate::Error;

/// A COPY under way. It must be read to its end; dropped before, it leaves the session unusable.
#[derive(Debug)]
pub struct CopyOut<'s> {
    session: &'s mut Session,
    done: bool,
}

impl<'s> CopyOut<'s> {
    pub(super) fn new(session: &'s mut Session) -> Self {
        Self { session, done: false }
    }

    /// The next row as the server sent it: in text format one line with its line end. None after the last row.
    ///
    /// # Cancel safety
    /// No row is lost when the future is dropped.
    ///
    /// # Errors
    /// The server's refusal, or the connection's failure. Rows read before an error do not make a complete result.
    pub async fn next(&mut self) -> Result<Option<&[u8]>, Error> {
        // Room for a row is looked for first, without a future: most rows are buffered already.
        let range = loop {
            if self.done {
                return Ok(None);
            }
            let Some(message) = self.session.channel.inbox.take()? else {
                self.session.channel.fill().await?;
                continue;
            };
            if message.tag == b'd' {
                break message.body;
            }
            let body = self.session.channel.inbox.bytes(message.body);
            match message.tag {
                b'c' | b'C' | b'S' | b'N' => {}
                b'Z' => {
                    self.session.busy = false;
                    self.done = true;
                }
                b'E' => return Err(self.fail(Response::parse(body)?).await),
                tag => return Err(out_of_place(tag, "the rows of a COPY")),
            }
        };
        Ok(Some(self.session.channel.inbox.bytes(range)))
    }

    /// Reads up to the server's readiness after its error, so that the session stays usable.
    async fn fail(&mut self, response: Response) -> Error {
        let fatal = matches!(response.severity.as_str(), "FATAL" | "PANIC");
        let error = response.into_error(Doing::Query);
        self.done = true;
        if !fatal {
            self.drain().await;
        }
        error
    }

    /// Passes over everything up to the server's readiness; a connection that fails meanwhile stays marked as busy.
    async fn drain(&mut self) {
        while let Ok(message) = self.session.channel.receive().await {
            if message.tag == b'Z' {
                self.session.busy = false;
                return;
            }
        }
    }
}
