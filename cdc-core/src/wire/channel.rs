//! A socket with its two buffers: whole messages in, whole messages out.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};

use super::inbox::{Inbox, Message};
use super::socket::Socket;
use crate::{Error, ErrorKind};

/// The connection below the protocol.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) socket: Socket,
    pub(super) inbox: Inbox,
    /// Bytes to send; messages are appended, and taken off as the socket takes them.
    pub(super) outbox: BytesMut,
    /// `host:port`, for errors.
    pub(super) peer: String,
}

impl Channel {
    /// A channel over a connected socket.
    pub(super) fn new(socket: Socket, max_message: usize, peer: String) -> Self {
        Self {
            socket,
            inbox: Inbox::new(max_message),
            outbox: BytesMut::new(),
            peer,
        }
    }

    /// Sends the whole outbox.
    ///
    /// # Cancel safety
    /// What was not sent stays in the outbox.
    pub(super) async fn send(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_send(cx)).await
    }

    /// As [`Channel::send`], as a poll.
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while !self.outbox.is_empty() {
            match ready!(self.socket.poll_write(cx, &self.outbox)) {
                Ok(0) => return Poll::Ready(Err(self.failed(io::ErrorKind::WriteZero.into()))),
                Ok(n) => self.outbox.advance(n),
                Err(e) => return Poll::Ready(Err(self.failed(e))),
            }
        }
        ready!(self.socket.poll_flush(cx)).map_err(|e| self.failed(e))?;
        Poll::Ready(Ok(()))
    }

    /// The next message.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(super) async fn receive(&mut self) -> Result<Message, Error> {
        loop {
            if let Some(message) = self.inbox.take()? {
                return Ok(message);
            }
            self.fill().await?;
        }
    }

    /// Reads once.
    pub(super) async fn fill(&mut self) -> Result<usize, Error> {
        poll_fn(|cx| self.poll_fill(cx)).await
    }

    /// As [`Channel::fill`], as a poll: the number of bytes read, at least 1.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Error>> {
        let space = self.inbox.space()?;
        match ready!(self.socket.poll_read(cx, space)) {
            Ok(0) => Poll::Ready(Err(self.closed())),
            Ok(n) => {
                self.inbox.filled(n);
                Poll::Ready(Ok(n))
            }
            Err(e) => Poll::Ready(Err(self.failed(e))),
        }
    }

    /// Takes the socket out of the runtime's sight until a read or write would wait.
    pub(super) fn park(&mut self) -> Result<(), Error> {
        self.socket.park().map_err(|e| self.failed(e))
    }

    fn closed(&self) -> Error {
        Error::new(
            ErrorKind::Io,
            format!("server {} closed the connection without a word", self.peer),
        )
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::new(
            ErrorKind::Io,
            format!("connection to server {} is broken", self.peer),
        )
        .with_source(error)
    }
}
