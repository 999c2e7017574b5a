//! Log-in and its refusals.

use cdc_core::ErrorKind;
use cdc_core::wire::{ConnectOptions, Purpose, Session};

use crate::server;

async fn refused(conninfo: &str) -> cdc_core::Error {
    let o = ConnectOptions::parse(conninfo).unwrap();
    Session::connect(&o, Purpose::Sql, "t").await.unwrap_err()
}

#[tokio::test]
async fn a_missing_database_is_named() {
    let server = server::main();
    let error = refused(&format!("{} dbname=wire_no_such_database", server.conninfo)).await;
    assert_eq!(
        (error.kind(), error.sqlstate()),
        (ErrorKind::Config, Some("3D000"))
    );
    assert!(error.to_string().contains("wire_no_such_database"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_with_its_port() {
    let port = {
        // Bound and given back: nobody listens there.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let error = refused(&format!("host=127.0.0.1 port={port} user=u")).await;
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!(error.to_string(), format!("cannot reach server 127.0.0.1:{port}"));
    let error = refused("host=no-such-host.invalid user=u").await;
    assert!(error.to_string().contains("no-such-host.invalid:5432"), "{error}");
}

#[tokio::test]
async fn a_role_without_replication_lacks_a_privilege() {
    let server = server::main();
    let mut s = server.sql("postgres").await;
    s.query("DROP ROLE IF EXISTS wire_plain; CREATE ROLE wire_plain LOGIN")
        .await
        .unwrap();
    let o = server.options("postgres").with_user("wire_plain");
    let error = Session::connect(&o, Purpose::Replication, "t").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.sqlstate()),
        (ErrorKind::Privilege, Some("42501")),
        "{error}"
    );
    s.query("DROP ROLE wire_plain").await.unwrap();
}
