//! Servers that a test starts for itself, because it needs rules or settings of its own.

use std::path::PathBuf;
use std::process::Command;

use crate::server::Server;

/// A server that is stopped and deleted when dropped.
pub(crate) struct OwnServer {
    name: String,
    pub(crate) port: u16,
}

impl OwnServer {
    /// Starts a server with these options of `dev/postgres up`.
    pub(crate) fn start(name: &str, options: &[&str]) -> Self {
        let port = free_port();
        let server = Self {
            name: format!("it-{name}-{port}"),
            port,
        };
        let port = port.to_string();
        let mut arguments = vec!["up", "--name", &server.name, "--port", &port, "--no-fsync"];
        arguments.extend_from_slice(options);
        dev_postgres(&arguments);
        server
    }

    /// Stops the server as it is, and starts it on its data with more settings.
    pub(crate) fn restart(&self, options: &[&str]) {
        dev_postgres(&["down", "--name", &self.name, "--keep"]);
        let mut arguments = vec!["up", "--name", &self.name];
        arguments.extend_from_slice(options);
        dev_postgres(&arguments);
    }

    /// The server's directory: its certificate, its socket, its data.
    pub(crate) fn directory(&self) -> PathBuf {
        dev_postgres(&["dir", "--name", &self.name]).into()
    }

    /// For sessions of user postgres without password.
    pub(crate) fn trusting(&self) -> Server {
        Server {
            conninfo: format!("host=127.0.0.1 port={} user=postgres", self.port),
        }
    }

    /// Ends the role of a standby.
    pub(crate) fn promote(&self) {
        dev_postgres(&["promote", "--name", &self.name]);
    }

    /// Name, for `--standby`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        dev_postgres(&["down", "--name", &self.name, "--immediate"]);
    }
}

fn dev_postgres(arguments: &[&str]) -> String {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/../dev/postgres");
    let output = Command::new(program).args(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "dev/postgres {arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
