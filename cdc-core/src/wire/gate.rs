//! A socket that can be taken out of the runtime's sight for a while.
//!
//! The runtime learns of every arrival from the kernel, whether or not anybody waits for it: while changes are left to
//! gather in the socket's buffer (see `pace`), each one would still wake our thread, and cost the server's process the
//! waking. A parked socket is not watched. It is read directly, and watched again as soon as a read or write would wait.

use std::io::{self, IoSlice, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A socket of the runtime and its form outside of it.
pub(super) trait Watched: AsyncRead + AsyncWrite + Unpin + Sized {
    /// The socket outside the runtime; does not block.
    type Plain: Read + Write;

    /// Takes the socket out of the runtime.
    fn unwatch(self) -> io::Result<Self::Plain>;

    /// Gives the socket to the runtime.
    fn watch(plain: Self::Plain) -> io::Result<Self>;
}

impl Watched for TcpStream {
    type Plain = std::net::TcpStream;

    fn unwatch(self) -> io::Result<Self::Plain> {
        self.into_std()
    }

    fn watch(plain: Self::Plain) -> io::Result<Self> {
        Self::from_std(plain)
    }
}

#[cfg(unix)]
impl Watched for tokio::net::UnixStream {
    type Plain = std::os::unix::net::UnixStream;

    fn unwatch(self) -> io::Result<Self::Plain> {
        self.into_std()
    }

    fn watch(plain: Self::Plain) -> io::Result<Self> {
        Self::from_std(plain)
    }
}

/// A socket that is watched or parked.
#[derive(Debug)]
pub(super) enum Gate<S: Watched> {
    /// Watched by the runtime.
    Watched(S),
    /// Out of its sight.
    Parked(S::Plain),
    /// Lost between the two by an error of the kernel.
    Lost,
}

impl<S: Watched> Gate<S> {
    /// Takes the socket out of the runtime's sight until a read or write would wait.
    pub(super) fn park(&mut self) -> io::Result<()> {
        if let Self::Watched(_) = self
            && let Self::Watched(socket) = std::mem::replace(self, Self::Lost)
        {
            *self = Self::Parked(socket.unwatch()?);
        }
        Ok(())
    }

    /// Runs `direct` on a parked socket; if that would wait, watches the socket again and runs `watched`, as on one that was
    /// not parked.
    fn run<T>(
        &mut self,
        direct: impl FnOnce(&mut S::Plain) -> io::Result<T>,
        watched: impl FnOnce(Pin<&mut S>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Self::Parked(plain) = self {
            match direct(plain) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
            if let Self::Parked(plain) = std::mem::replace(self, Self::Lost) {
                *self = Self::Watched(S::watch(plain)?);
            }
        }
        match self {
            Self::Watched(socket) => watched(Pin::new(socket)),
            Self::Parked(_) | Self::Lost => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl<S: Watched> Unpin for Gate<S> {}

impl<S: Watched> AsyncRead for Gate<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let gate = self.get_mut();
        if let Gate::Parked(plain) = gate {
            match plain.read(buf.initialize_unfilled()) {
                Ok(n) => {
                    buf.advance(n);
                    return Poll::Ready(Ok(()));
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
        gate.run(
            |_| Err(io::ErrorKind::WouldBlock.into()),
            |socket| socket.poll_read(cx, buf),
        )
    }
}

impl<S: Watched> AsyncWrite for Gate<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut()
            .run(|plain| plain.write(bytes), |socket| socket.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().run(
            |plain| plain.write_vectored(parts),
            |socket| socket.poll_write_vectored(cx, parts),
        )
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().run(Write::flush, |socket| socket.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().run(
            |_| Err(io::ErrorKind::WouldBlock.into()),
            |socket| socket.poll_shutdown(cx),
        )
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixStream;

    use super::*;

    #[tokio::test]
    async fn a_parked_socket_reads_writes_and_waits_as_another() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut gate = Gate::Watched(ours);
        gate.park().unwrap();
        gate.write_all(b"ab").await.unwrap();
        assert!(matches!(gate, Gate::Parked(_)), "nothing had to wait");
        let mut got = [0; 2];
        theirs.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"ab");

        theirs.write_all(b"cd").await.unwrap();
        assert_eq!(gate.read(&mut got).await.unwrap(), 2);
        assert!(matches!(gate, Gate::Parked(_)));

        let (read, written) = tokio::join!(gate.read(&mut got), async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            theirs.write_all(b"ef").await
        });
        written.unwrap();
        assert_eq!((read.unwrap(), &got), (2, b"ef"));
        assert!(matches!(gate, Gate::Watched(_)), "it had to wait");

        gate.park().unwrap();
        gate.park().unwrap();
        drop(theirs);
        assert_eq!(gate.read(&mut got).await.unwrap(), 0, "the end is seen");
    }
}
