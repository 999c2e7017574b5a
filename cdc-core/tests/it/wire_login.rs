//! Log-in and its refusals.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use cdc_core::wire::{ConnectOptions, CreateSlot, Purpose, Session, SlotSnapshot, StartReplication};
use cdc_core::{Error, ErrorKind, Lsn};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::own_server::OwnServer;
use crate::server::{self, DropSlot as _};

async fn connect(conninfo: &str) -> Result<Session, Error> {
    let o = ConnectOptions::parse(conninfo)?;
    Session::connect(&o, Purpose::Sql, "t").await
}

async fn refused(conninfo: &str) -> Error {
    match connect(conninfo).await {
        Ok(_) => panic!("{conninfo}: was let in"),
        Err(error) => error,
    }
}

/// Whether the session is encrypted.
async fn encrypted(conninfo: &str) -> bool {
    let mut s = match connect(conninfo).await {
        Ok(s) => s,
        Err(error) => panic!("{conninfo}: {error:?}"),
    };
    let rows = s
        .query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        .await
        .unwrap();
    rows.first() == Some("t")
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
    s.query("DROP ROLE IF EXISTS wire_plain").await.unwrap();
    s.query("CREATE ROLE wire_plain LOGIN").await.unwrap();
    let o = server.options("postgres").with_user("wire_plain");
    let error = Session::connect(&o, Purpose::Replication, "t").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.sqlstate()),
        (ErrorKind::Privilege, Some("42501")),
        "{error}"
    );
    s.query("DROP ROLE wire_plain").await.unwrap();
}

/// A peer that takes one request and gives one answer.
async fn peer(answer: &'static [u8]) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let _ = tcp.read(&mut [0; 64]).await;
            let _ = tcp.write_all(answer).await;
            // Held open until the client goes.
            while tcp.read(&mut [0; 64]).await.is_ok_and(|n| n > 0) {}
        }
    });
    port
}

#[tokio::test]
async fn what_a_peer_says_before_tls_is_judged() {
    for (answer, mode, kind, says) in [
        (&b"S\x16hello"[..], "require", ErrorKind::Tls, "unencrypted bytes"),
        (b"N", "require", ErrorKind::Tls, "does not offer TLS"),
        (b"N", "verify-full", ErrorKind::Tls, "does not offer TLS"),
        (b"E\0\0\0\x08boom", "require", ErrorKind::Tls, "with an error"),
        (
            b"HTTP/1.1 400",
            "require",
            ErrorKind::Protocol,
            "is this PostgreSQL?",
        ),
        (
            b"HTTP/1.1 400",
            "disable",
            ErrorKind::Protocol,
            "does not speak as PostgreSQL",
        ),
        (b"", "disable", ErrorKind::Io, "within 2s"),
    ] {
        let port = peer(answer).await;
        let error = refused(&format!(
            "host=127.0.0.1 port={port} user=u sslmode={mode} connect_timeout=2"
        ))
        .await;
        assert_eq!(error.kind(), kind, "{answer:?} {mode}: {error}");
        assert!(error.to_string().contains(says), "{answer:?} {mode}: {error}");
        assert!(
            error.to_string().contains(&format!("127.0.0.1:{port}")),
            "{error}"
        );
    }
}

/// Accounts for every method, and rules for each of them.
const RULES: &str = "
local     all          all                    scram-sha-256
hostnossl all          wire_tls_refused       127.0.0.1/32  scram-sha-256
hostssl   all          wire_tls_refused       127.0.0.1/32  reject
hostssl   all          wire_tls_only          127.0.0.1/32  scram-sha-256
hostssl   all          wire_cert              127.0.0.1/32  cert
host      all          wire_clear             127.0.0.1/32  password
host      all          wire_md5               127.0.0.1/32  md5
host      all          wire_trust             127.0.0.1/32  trust
host      all          wire_scram,postgres    127.0.0.1/32  scram-sha-256
";

async fn guarded_server() -> OwnServer {
    let server = OwnServer::start("login", &["--version", "18", "--password", "owner pw", "--tls"]);
    let mut s = connect(&format!(
        "host=localhost port={} user=postgres password='owner pw'",
        server.port
    ))
    .await
    .unwrap();
    for (user, encryption) in [
        ("wire_clear", "scram-sha-256"),
        ("wire_scram", "scram-sha-256"),
        ("wire_tls_only", "scram-sha-256"),
        ("wire_tls_refused", "scram-sha-256"),
        ("wire_md5", "md5"),
        ("wire_trust", "md5"),
        ("wire_cert", "md5"),
    ] {
        s.query(&format!(
            "SET password_encryption = '{encryption}'; CREATE ROLE {user} LOGIN PASSWORD 'pw-{user}'"
        ))
        .await
        .unwrap();
    }
    let data = server.directory().join("data");
    fs::write(data.join("pg_hba.conf"), RULES).unwrap();
    certify(&data);
    s.query("ALTER SYSTEM SET ssl_ca_file = 'client-ca.crt'")
        .await
        .unwrap();
    s.query("SELECT pg_reload_conf()").await.unwrap();
    // The reload is not instantaneous: wait until its last consequence can be seen.
    let trust = format!(
        "host=127.0.0.1 port={} user=wire_trust dbname=postgres",
        server.port
    );
    for _ in 0..100 {
        if connect(&trust).await.is_ok() {
            return server;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the server's new rules do not take effect");
}

/// A certificate for wire_cert and the authority that issued it, in the server's data directory.
fn certify(data: &Path) {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority
        .distinguished_name
        .push(DnType::CommonName, "client authority");
    let authority_key = KeyPair::generate().unwrap();
    let root = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let mut client = CertificateParams::new(Vec::new()).unwrap();
    client.distinguished_name.push(DnType::CommonName, "wire_cert");
    let key = KeyPair::generate().unwrap();
    let certificate = client.signed_by(&key, &issuer).unwrap();
    fs::write(data.join("client-ca.crt"), root.pem()).unwrap();
    fs::write(data.join("client.crt"), certificate.pem()).unwrap();
    fs::write(data.join("client.key"), key.serialize_pem()).unwrap();
    fs::set_permissions(data.join("client.key"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(data.join("client-ca.crt"), fs::Permissions::from_mode(0o644)).unwrap();
}

#[tokio::test]
async fn a_guarded_server_lets_in_exactly_whom_its_rules_and_our_options_allow() {
    let server = guarded_server().await;
    let directory = server.directory();
    let at = |user: &str, more: &str| {
        format!(
            "host=localhost port={} dbname=postgres user={user} {more}",
            server.port
        )
    };
    let with = |user: &str, more: &str| at(user, &format!("password=pw-{user} {more}"));
    let root = directory.join("server.crt");
    let root = format!("sslrootcert={}", root.display());
    methods(&with, &at).await;
    ladder(&with, &root, server.port).await;
    client_certificate(&at, &root, &directory.join("data")).await;

    // A Unix socket is as private as TLS, and needs none.
    let socket = format!("host={} port={} user=postgres", directory.display(), server.port);
    assert!(!encrypted(&format!("{socket} password='owner pw' sslmode=require")).await);

    // Long results over TLS come whole.
    let mut s = connect(&with("wire_scram", "sslmode=require")).await.unwrap();
    let mut copy = s
        .copy_out("COPY (SELECT i, repeat('x', 100) FROM generate_series(1, 50000) AS i) TO STDOUT")
        .await
        .unwrap();
    let mut lines = 0;
    while copy.next().await.unwrap().is_some() {
        lines += 1;
    }
    assert_eq!(lines, 50_000);
}

async fn methods(with: &impl Fn(&str, &str) -> String, at: &impl Fn(&str, &str) -> String) {
    // SCRAM: bound to the channel where there is TLS, not bound otherwise.
    assert!(encrypted(&with("wire_scram", "")).await);
    assert!(encrypted(&with("wire_scram", "channel_binding=require")).await);
    assert!(encrypted(&with("wire_scram", "channel_binding=disable")).await);
    assert!(!encrypted(&with("wire_scram", "sslmode=disable")).await);
    let error = refused(&with("wire_scram", "sslmode=disable channel_binding=require")).await;
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    for user in ["wire_md5", "wire_clear", "wire_trust"] {
        let error = refused(&with(user, "channel_binding=require sslmode=require")).await;
        assert!(error.to_string().contains("channel"), "{user}: {error}");
    }
    // A wrong password, none, and one from a file.
    let error = refused(&at("wire_scram", "password=wrong")).await;
    assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::Auth, Some("28P01")));
    assert!(error.to_string().contains("wire_scram@localhost:"), "{error}");
    assert!(!error.chain().contains("wrong"), "{error:?}");
    let error = refused(&at("wire_scram", "passfile=/nowhere/at/all")).await;
    assert!(error.to_string().contains("none is given"), "{error}");
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "localhost:*:postgres:wire_scram:pw-wire_scram\n").unwrap();
    let passfile = format!("passfile={}", file.path().display());
    assert!(encrypted(&at("wire_scram", &passfile)).await);
    let o = ConnectOptions::parse(&at("wire_md5", "")).unwrap();
    fs::write(file.path(), "pw-wire_md5\n").unwrap();
    Session::connect(&o.with_password_file(file.path()), Purpose::Sql, "t")
        .await
        .unwrap();
    // A password in clear travels under TLS only.
    assert!(encrypted(&with("wire_clear", "")).await);
    let error = refused(&with("wire_clear", "sslmode=disable")).await;
    assert!(error.to_string().contains("in clear"), "{error}");
    // What require_auth does not name is not answered.
    assert!(encrypted(&with("wire_scram", "require_auth=scram-sha-256")).await);
    let error = refused(&with("wire_md5", "require_auth=scram-sha-256")).await;
    assert!(error.to_string().contains("require_auth"), "{error}");
}

async fn ladder(with: &impl Fn(&str, &str) -> String, root: &str, port: u16) {
    // Each mode meets a server that has TLS.
    for (mode, expected) in [
        ("disable", false),
        ("allow", false),
        ("prefer", true),
        ("require", true),
    ] {
        assert_eq!(
            encrypted(&with("wire_scram", &format!("sslmode={mode}"))).await,
            expected,
            "{mode}"
        );
    }
    // Rules that demand or refuse TLS send allow and prefer up and down the ladder.
    assert!(encrypted(&with("wire_tls_only", "sslmode=allow")).await);
    assert!(!encrypted(&with("wire_tls_refused", "sslmode=prefer")).await);
    let error = refused(&with("wire_tls_only", "sslmode=disable")).await;
    assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::Auth, Some("28000")));
    assert!(error.to_string().contains("pg_hba.conf"), "{error}");
    assert_eq!(
        refused(&with("wire_tls_refused", "sslmode=require"))
            .await
            .sqlstate(),
        Some("28000")
    );

    // Verification, by the server's own certificate as root.
    assert!(encrypted(&with("wire_scram", &format!("sslmode=verify-full {root}"))).await);
    assert!(encrypted(&with("wire_scram", &format!("sslmode=verify-ca {root}"))).await);
    assert!(encrypted(&with("wire_scram", &format!("sslmode=require {root}"))).await);
    assert!(
        encrypted(&with(
            "wire_scram",
            "sslmode=require ssl_min_protocol_version=TLSv1.3 sslsni=0"
        ))
        .await
    );
    let other_name = |mode: &str| {
        format!(
            "host=other.example hostaddr=127.0.0.1 port={port} dbname=postgres user=wire_scram \
             password=pw-wire_scram sslmode={mode} {root}"
        )
    };
    assert!(encrypted(&other_name("verify-ca")).await);
    let error = refused(&other_name("verify-full")).await;
    assert_eq!(error.kind(), ErrorKind::Tls);
    assert!(error.chain().contains("other.example"), "{error:?}");
    let stranger = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), stranger.cert.pem()).unwrap();
    for mode in ["require", "verify-ca", "verify-full"] {
        let more = format!("sslmode={mode} sslrootcert={}", file.path().display());
        assert_eq!(
            refused(&with("wire_scram", &more)).await.kind(),
            ErrorKind::Tls,
            "{mode}"
        );
    }
    // The system's authorities have not issued it either.
    let error = refused(&with("wire_scram", "sslrootcert=system")).await;
    assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");

    // PostgreSQL 17 and newer take TLS without asking.
    assert!(encrypted(&with("wire_scram", "sslmode=require sslnegotiation=direct")).await);
    assert!(
        encrypted(&with(
            "wire_scram",
            &format!("sslmode=verify-full sslnegotiation=direct {root}")
        ))
        .await
    );
}

async fn client_certificate(at: &impl Fn(&str, &str) -> String, root: &str, data: &Path) {
    let (certificate, key) = (data.join("client.crt"), data.join("client.key"));
    let pair = format!("sslcert={} sslkey={}", certificate.display(), key.display());
    assert!(encrypted(&at("wire_cert", &format!("sslmode=verify-full {root} {pair}"))).await);
    let error = refused(&at("wire_cert", "sslmode=require")).await;
    assert_eq!(
        (error.kind(), error.sqlstate()),
        (ErrorKind::Auth, Some("28000")),
        "{error}"
    );
    let swapped = format!(
        "sslcert={} sslkey={}",
        certificate.display(),
        data.join("client.crt").display()
    );
    assert_eq!(
        refused(&at("wire_cert", &format!("sslmode=require {swapped}")))
            .await
            .kind(),
        ErrorKind::Tls
    );
}

#[tokio::test]
async fn of_several_hosts_the_one_asked_for_is_taken() {
    let primary = OwnServer::start("primary", &[]);
    let standby = OwnServer::start("standby", &["--standby", primary.name()]);
    let list = |first: &OwnServer, second: &OwnServer, target: &str| {
        format!(
            "host=127.0.0.1,127.0.0.1 port={},{} user=postgres target_session_attrs={target}",
            first.port, second.port
        )
    };
    for (target, port) in [
        ("any", primary.port),
        ("read-write", primary.port),
        ("primary", primary.port),
        ("read-only", standby.port),
        ("standby", standby.port),
        ("prefer-standby", standby.port),
    ] {
        let mut orders = vec![(&primary, &standby)];
        if target != "any" {
            orders.push((&standby, &primary));
        }
        for (first, second) in orders {
            let mut s = connect(&list(first, second, target)).await.unwrap();
            let found = s.query("SELECT current_setting('port')").await.unwrap();
            assert_eq!(found.first(), Some(port.to_string().as_str()), "{target}");
        }
    }
    let only = format!("host=127.0.0.1 port={} user=postgres", primary.port);
    connect(&format!("{only} target_session_attrs=prefer-standby"))
        .await
        .unwrap();
    let error = refused(&format!("{only} target_session_attrs=standby")).await;
    assert_eq!(error.kind(), ErrorKind::ServerUnavailable);
    assert!(error.to_string().contains("is not standby"), "{error}");
    // A server that is down is passed over.
    let gone = standby.port;
    drop(standby);
    let list = format!(
        "host=127.0.0.1,127.0.0.1 port={gone},{} user=postgres",
        primary.port
    );
    connect(&list).await.unwrap();
    let error = refused(&format!("{list} target_session_attrs=standby")).await;
    assert!(error.to_string().contains(&gone.to_string()), "{error}");
}

#[tokio::test]
async fn a_lost_slot_and_a_low_wal_level_are_told_apart() {
    let own = OwnServer::start("lost", &["-c", "max_slot_wal_keep_size=1MB"]);
    let server = own.trusting();
    let create = CreateSlot {
        name: "wire_lost".into(),
        temporary: false,
        snapshot: SlotSnapshot::Nothing,
        two_phase: false,
        failover: false,
    };
    server
        .replication("postgres")
        .await
        .create_slot(&create)
        .await
        .unwrap();
    let mut s = server.sql("postgres").await;
    s.query("CREATE TABLE public.t AS SELECT 1 AS i").await.unwrap();
    for _ in 0..4 {
        s.query("INSERT INTO public.t VALUES (1)").await.unwrap();
        s.query("SELECT pg_switch_wal()").await.unwrap();
        s.query("CHECKPOINT").await.unwrap();
    }
    let start = StartReplication {
        slot: "wire_lost".into(),
        start: Lsn::ZERO,
        options: vec![
            ("proto_version".into(), "1".into()),
            ("publication_names".into(), "p".into()),
        ],
        status_interval: std::time::Duration::from_secs(5),
    };
    let error = server
        .replication("postgres")
        .await
        .start_replication(&start)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SlotLost, "{error:?}");
    assert!(error.to_string().contains("wire_lost"), "{error}");
    s.drop_slot_by_sql("wire_lost").await;
    drop(s);

    own.restart(&["-c", "wal_level=replica"]);
    let error = server
        .replication("postgres")
        .await
        .create_slot(&create)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WalLevel, "{error:?}");
    assert!(error.to_string().contains("wal_level = replica"), "{error}");
}
