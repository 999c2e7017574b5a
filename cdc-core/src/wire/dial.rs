//! From a host to a logged-in channel: address, socket, TLS, log-in.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::auth::Credentials;
use super::channel::Channel;
use super::gate::Gate;
use super::login::Login;
use super::options::{ConnectOptions, Host, TlsMode, TlsNegotiation};
use super::session::Purpose;
use super::socket::Socket;
use super::tls;
use crate::{Error, ErrorKind};

/// A logged-in channel and the parameters that the server reported.
pub(super) type LoggedIn = (Channel, BTreeMap<String, String>);

/// Largest message accepted before log-in is complete, from a server that nobody vouches for yet. Real ones have below 1 kB.
const LOGIN_MESSAGE: usize = 64 * 1024;

/// What to do about TLS in one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    Plain,
    /// TLS, or plain if the server cannot.
    TlsIfOffered,
    Tls,
}

/// Connects to one host, at each of its addresses in turn, and logs in.
///
/// # Errors
/// That of the last address tried.
pub(super) async fn host(
    o: &ConnectOptions,
    host: &Host,
    purpose: Purpose,
    application_name: &str,
) -> Result<LoggedIn, Error> {
    let dial = Dial {
        o,
        host,
        purpose,
        application_name,
    };
    if host.is_socket() {
        return dial.in_time(dial.attempt(None, Attempt::Plain)).await;
    }
    let mut last = None;
    for address in dial.in_time(dial.resolve()).await? {
        match dial.in_time(dial.ladder(address)).await {
            Ok(done) => return Ok(done),
            Err(e) if matches!(e.kind(), ErrorKind::Io) => last = Some(e),
            Err(e) => return Err(e),
        }
    }
    Err(last
        .unwrap_or_else(|| Error::new(ErrorKind::Io, format!("host name {:?} has no address", host.name))))
}

struct Dial<'a> {
    o: &'a ConnectOptions,
    host: &'a Host,
    purpose: Purpose,
    application_name: &'a str,
}

impl Dial<'_> {
    async fn in_time<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let Some(limit) = self.o.connect_timeout else {
            return work.await;
        };
        tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
            Err(Error::new(
                ErrorKind::Io,
                format!(
                    "server {} did not answer within {limit:?} (connect_timeout)",
                    self.host
                ),
            ))
        })
    }

    async fn resolve(&self) -> Result<Vec<SocketAddr>, Error> {
        if let Some(address) = self.host.address {
            return Ok(vec![SocketAddr::new(address, self.host.port)]);
        }
        tokio::net::lookup_host((self.host.name.as_str(), self.host.port))
            .await
            .map(Iterator::collect)
            .map_err(|e| {
                Error::new(
                    ErrorKind::Io,
                    format!("cannot look up the address of host {}", self.host),
                )
                .with_source(e)
            })
    }

    /// libpq's ladder: the attempts that `sslmode` allows, the second only if the server's rules refused the first.
    async fn ladder(&self, address: SocketAddr) -> Result<LoggedIn, Error> {
        let (first, second) = match self.o.tls.mode {
            TlsMode::Disable => (Attempt::Plain, None),
            TlsMode::Allow => (Attempt::Plain, Some(Attempt::Tls)),
            TlsMode::Prefer => (Attempt::TlsIfOffered, Some(Attempt::Plain)),
            TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => (Attempt::Tls, None),
        };
        let error = match self.attempt(Some(address), first).await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        match second {
            Some(second) if error.sqlstate() == Some("28000") || error.kind() == ErrorKind::Tls => {
                self.attempt(Some(address), second).await.map_err(|_| error)
            }
            _ => Err(error),
        }
    }

    async fn attempt(&self, address: Option<SocketAddr>, attempt: Attempt) -> Result<LoggedIn, Error> {
        let (socket, end_point) = match address {
            None => (self.unix().await?, None),
            Some(address) => {
                let tcp = self.tcp(address).await?;
                match self.secure(tcp, attempt).await? {
                    Secured::Plain(tcp) => (Socket::Tcp(Gate::Watched(tcp)), None),
                    Secured::Tls(tls, end_point) => (Socket::Tls(tls), end_point),
                }
            }
        };
        let credentials = Credentials {
            user: self.o.user.clone(),
            password: self.o.password_for(self.host)?,
            private: socket.is_private(),
            end_point,
            channel_binding: self.o.channel_binding,
            allowed: self.o.require_auth.clone(),
        };
        let mut channel = Channel::new(socket, LOGIN_MESSAGE, self.host.to_string());
        let whom = format!("{}@{}/{}", self.o.user, self.host, self.o.database);
        let mut login = Login::begin(
            self.o,
            self.purpose,
            self.application_name,
            credentials,
            whom,
            &mut channel.outbox,
        )?;
        loop {
            channel.send().await?;
            match Self::step(&mut channel, &mut login).await {
                Ok(false) => {}
                Ok(true) => break,
                Err(e) if e.kind() == ErrorKind::Protocol => {
                    let what = format!(
                        "server {} does not speak as PostgreSQL does during log-in",
                        self.host
                    );
                    return Err(Error::new(ErrorKind::Protocol, what).with_source(e));
                }
                Err(e) => return Err(e),
            }
        }
        channel.inbox.set_limit(self.o.max_message);
        Ok((channel, login.into_parameters()))
    }

    /// Takes one message of the log-in; true after the last.
    async fn step(channel: &mut Channel, login: &mut Login) -> Result<bool, Error> {
        let message = channel.receive().await?;
        let body = channel.inbox.bytes(message.body);
        login.on_message(message.tag, body, &mut channel.outbox)
    }

    async fn tcp(&self, address: SocketAddr) -> Result<TcpStream, Error> {
        let tcp = TcpStream::connect(address)
            .await
            .map_err(|e| self.unreachable(e))?;
        self.set_up(&tcp).map_err(|e| self.unreachable(e))?;
        Ok(tcp)
    }

    fn set_up(&self, tcp: &TcpStream) -> io::Result<()> {
        tcp.set_nodelay(true)?;
        let socket = SockRef::from(tcp);
        let k = &self.o.keepalives;
        if k.on {
            let mut keepalive = TcpKeepalive::new();
            if let Some(idle) = k.idle {
                keepalive = keepalive.with_time(idle);
            }
            if let Some(interval) = k.interval {
                keepalive = keepalive.with_interval(interval);
            }
            if let Some(count) = k.count {
                keepalive = keepalive.with_retries(count);
            }
            socket.set_tcp_keepalive(&keepalive)?;
        }
        #[cfg(target_os = "linux")]
        if let Some(timeout) = self.o.tcp_user_timeout {
            socket.set_tcp_user_timeout(Some(timeout))?;
        }
        Ok(())
    }

    #[cfg(unix)]
    async fn unix(&self) -> Result<Socket, Error> {
        let path = format!("{}/.s.PGSQL.{}", self.host.name, self.host.port);
        // A leading @ names an abstract socket, which tokio takes with a leading zero byte.
        let path = match path.strip_prefix('@') {
            Some(name) => format!("\0{name}"),
            None => path,
        };
        let stream = tokio::net::UnixStream::connect(path)
            .await
            .map_err(|e| self.unreachable(e))?;
        Ok(Socket::Unix(Gate::Watched(stream)))
    }

    #[cfg(not(unix))]
    async fn unix(&self) -> Result<Socket, Error> {
        Err(self.unreachable(io::ErrorKind::Unsupported.into()))
    }

    async fn secure(&self, mut tcp: TcpStream, attempt: Attempt) -> Result<Secured, Error> {
        if attempt == Attempt::Plain {
            return Ok(Secured::Plain(tcp));
        }
        let direct = self.o.tls.negotiation == TlsNegotiation::Direct;
        if !direct && !self.request_tls(&mut tcp).await? {
            if attempt == Attempt::TlsIfOffered {
                return Ok(Secured::Plain(tcp));
            }
            return Err(Error::new(
                ErrorKind::Tls,
                format!("server {} does not offer TLS, which sslmode demands", self.host),
            ));
        }
        let (tls, end_point) = tls::handshake(Gate::Watched(tcp), self.host, &self.o.tls).await?;
        Ok(Secured::Tls(Box::new(tls), end_point))
    }

    /// Asks whether the server speaks TLS.
    async fn request_tls(&self, tcp: &mut TcpStream) -> Result<bool, Error> {
        let mut request = BytesMut::new();
        frontend::ssl_request(&mut request);
        tcp.write_all(&request).await.map_err(|e| self.unreachable(e))?;
        // More room than for the one byte that is due: anything sent along with it was put there by somebody who hopes
        // that we take it for the inside of the TLS connection.
        let mut answer = [0_u8; 16];
        let n = tcp.read(&mut answer).await.map_err(|e| self.unreachable(e))?;
        match answer.get(..n).unwrap_or_default() {
            [b'S'] => Ok(true),
            [b'N'] => Ok(false),
            [b'S', ..] => Err(Error::new(
                ErrorKind::Tls,
                format!(
                    "server {} sent unencrypted bytes after it agreed to TLS: somebody may be in the middle",
                    self.host
                ),
            )),
            [] => Err(Error::new(
                ErrorKind::Io,
                format!("server {} closed the connection when asked for TLS", self.host),
            )),
            // An error message: the server is overloaded, or older than TLS. Unencrypted, so not to be believed.
            [b'E', ..] => Err(Error::new(
                ErrorKind::Tls,
                format!("server {} answered the request for TLS with an error", self.host),
            )),
            _ => Err(Error::new(
                ErrorKind::Protocol,
                format!(
                    "server {} gave no valid answer to the request for TLS: is this PostgreSQL?",
                    self.host
                ),
            )),
        }
    }

    fn unreachable(&self, error: io::Error) -> Error {
        Error::new(ErrorKind::Io, format!("cannot reach server {}", self.host)).with_source(error)
    }
}

enum Secured {
    Plain(TcpStream),
    Tls(
        Box<tokio_rustls::client::TlsStream<Gate<TcpStream>>>,
        Option<Vec<u8>>,
    ),
}
