//! Where the servers are, and sessions on them.

use cdc_core::wire::{ConnectOptions, Purpose, Session};

/// A server to test on.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// Connection text.
    pub(crate) conninfo: String,
}

/// The main server.
pub(crate) fn main() -> Server {
    let conninfo = std::env::var("PGCDC_TEST_PG")
        .expect("PGCDC_TEST_PG is not set: run `make test`, which starts the servers and sets it");
    Server { conninfo }
}

/// One server of every supported major version.
pub(crate) fn all() -> Vec<(u32, Server)> {
    let list = std::env::var("PGCDC_TEST_PG_ALL")
        .expect("PGCDC_TEST_PG_ALL is not set: run `make test`, which starts the servers and sets it");
    let servers: Vec<_> = list
        .split_whitespace()
        .map(|pair| {
            let (major, port) = pair
                .split_once('=')
                .expect("PGCDC_TEST_PG_ALL is `13=PORT 14=PORT …`");
            let conninfo = format!("host=127.0.0.1 port={port} user=postgres");
            (major.parse().unwrap(), Server { conninfo })
        })
        .collect();
    assert!(!servers.is_empty(), "PGCDC_TEST_PG_ALL names no server");
    servers
}

impl Server {
    /// Options for a database.
    pub(crate) fn options(&self, database: &str) -> ConnectOptions {
        ConnectOptions::parse(&format!("{} dbname={database}", self.conninfo)).unwrap()
    }

    /// A session for queries.
    pub(crate) async fn sql(&self, database: &str) -> Session {
        Session::connect(&self.options(database), Purpose::Sql, "pgcdc-test")
            .await
            .unwrap()
    }

    /// A session for replication commands.
    pub(crate) async fn replication(&self, database: &str) -> Session {
        Session::connect(&self.options(database), Purpose::Replication, "pgcdc-test")
            .await
            .unwrap()
    }

    /// A new database of this name, without slots; one that is left from an earlier run is replaced.
    pub(crate) async fn database(&self, name: &str) -> Session {
        let mut s = self.sql("postgres").await;
        let slots = s
            .query(&format!(
                "SELECT slot_name FROM pg_replication_slots WHERE database = '{name}'"
            ))
            .await
            .unwrap();
        for row in slots.rows {
            let slot = row[0].clone().unwrap();
            s.query(&format!(
                "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '{slot}'"
            ))
            .await
            .unwrap();
            s.drop_slot_by_sql(&slot).await;
        }
        s.query(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
            .await
            .unwrap();
        s.query(&format!("CREATE DATABASE {name}")).await.unwrap();
        self.sql(name).await
    }

    /// Removes what [`Server::database`] made.
    pub(crate) async fn drop_database(&self, name: &str) {
        let mut s = self.sql("postgres").await;
        s.query(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
            .await
            .unwrap();
    }
}

/// Dropping a slot from an ordinary session, once nobody uses it.
pub(crate) trait DropSlot {
    /// Drops the slot, waiting up to five seconds until it is free.
    async fn drop_slot_by_sql(&mut self, slot: &str);
}

impl DropSlot for Session {
    async fn drop_slot_by_sql(&mut self, slot: &str) {
        for _ in 0..100 {
            match self
                .query(&format!("SELECT pg_drop_replication_slot('{slot}')"))
                .await
            {
                Ok(_) => return,
                Err(e) if e.sqlstate() == Some("42704") => return,
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            }
        }
        panic!("slot {slot} stays in use");
    }
}
