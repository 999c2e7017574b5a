//! The three kinds of stream a connection can run over.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio_rustls::client::TlsStream;

use super::gate::Gate;

/// A connected stream.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(Gate<TcpStream>),
    #[cfg(unix)]
    Unix(Gate<UnixStream>),
    Tls(Box<TlsStream<Gate<TcpStream>>>),
}

/// Runs one method of the stream inside, whichever it is.
macro_rules! inner {
    ($self:expr, $s:ident => $call:expr) => {
        match $self {
            Socket::Tcp($s) => {
                let $s = Pin::new($s);
                $call
            }
            #[cfg(unix)]
            Socket::Unix($s) => {
                let $s = Pin::new($s);
                $call
            }
            Socket::Tls($s) => {
                let $s = Pin::new(&mut **$s);
                $call
            }
        }
    };
}

impl Socket {
    /// Reads into `space`; 0 means that the peer has closed the stream.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut space = ReadBuf::new(space);
        ready!(inner!(self, s => s.poll_read(cx, &mut space)))?;
        Poll::Ready(Ok(space.filled().len()))
    }

    /// Writes some of `bytes`.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        inner!(self, s => s.poll_write(cx, bytes))
    }

    /// Pushes out what was written.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        inner!(self, s => s.poll_flush(cx))
    }

    /// Takes the socket out of the runtime's sight until a read or write would wait.
    pub(super) fn park(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(s) => s.park(),
            #[cfg(unix)]
            Self::Unix(s) => s.park(),
            Self::Tls(s) => s.get_mut().0.park(),
        }
    }

    /// Whether what is sent can be read by nobody else: TLS, or inside this machine.
    pub(super) fn is_private(&self) -> bool {
        !matches!(self, Self::Tcp(_))
    }
}
