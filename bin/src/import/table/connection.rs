//! Connection and identity.

use super::super::draft::Draft;
use super::row::{Given, Row, no_meaning, number, refused, refused_unless, text, with, word};

pub(super) const ROWS: &[Row] = &[
    text("name", "", "name"),
    with("connector.class", "", "source", connector_class),
    no_meaning(
        "tasks.max",
        "1",
        "the connector only ever runs one task, and so does pgcdc",
    ),
    text("topic.prefix", "", "format.topic_prefix"),
    with("database.server.name", "", "format.topic_prefix", server_name),
    text("database.hostname", "", "source.host"),
    number("database.port", "5432", "source.port").always(),
    text("database.user", "", "source.user"),
    with("database.password", "", "source.password", password),
    text("database.dbname", "", "source.database"),
    word(
        "database.sslmode",
        "prefer",
        "source.sslmode",
        &[
            ("disable", "disable"),
            ("allow", "allow"),
            ("prefer", "prefer"),
            ("require", "require"),
            ("verify-ca", "verify-ca"),
            ("verify-full", "verify-full"),
            ("verify_ca", "verify-ca"),
            ("verify_full", "verify-full"),
        ],
    )
    .always(),
    text("database.sslrootcert", "", "source.sslrootcert"),
    text("database.sslcert", "", "source.sslcert"),
    with("database.sslkey", "", "source.sslkey", sslkey),
    refused(
        "database.sslpassword",
        "encrypted client keys are not read: write the key without a password into a file that only pgcdc can read",
    ),
    refused(
        "database.sslfactory",
        "there is no Java class to load: use database.sslrootcert, .sslcert and .sslkey",
    ),
    no_meaning(
        "database.tcpKeepAlive",
        "true",
        "the replication protocol's own keepalives find a dead connection",
    ),
    with(
        "database.initial.statements",
        "",
        "source.initial_statements",
        initial_statements,
    ),
    no_meaning(
        "database.query.timeout.ms",
        "600000",
        "queries have no time limit; stop the program to end them",
    ),
    refused(
        "database.connection.factory.class",
        "there is no Java class to load: remove it",
    ),
    no_meaning(
        "connection.validation.timeout.ms",
        "60000",
        "`pgcdc doctor` tests the connection",
    ),
    refused_unless(
        "openlineage.integration.enabled",
        &["false"],
        "OpenLineage events are not sent: set it to false",
    ),
    no_meaning(
        "openlineage.integration.<setting>",
        "",
        "OpenLineage events are not sent",
    ),
    no_meaning(
        "read.only",
        "false",
        "nothing is written to the database but what heartbeat.action.query writes",
    ),
    no_meaning(
        "database.include.list",
        "",
        "one connection captures one database: database.dbname",
    ),
    no_meaning(
        "database.exclude.list",
        "",
        "one connection captures one database: database.dbname",
    ),
];

fn connector_class(_: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    match given.value.trim() {
        "io.debezium.connector.postgresql.PostgresConnector" | "PostgresConnector" | "Postgres" => Ok(()),
        other => Err(format!(
            "`{other}` is not the PostgreSQL connector, the only one that can be imported"
        )),
    }
}

/// The name of `topic.prefix` before Debezium 2; some files hold both.
fn server_name(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    match given.all.get("topic.prefix") {
        Some(prefix) if prefix != given.value => {
            Err("differs from topic.prefix, its newer name: keep topic.prefix only".into())
        }
        _ => {
            draft.set("format.topic_prefix", given.value);
            Ok(())
        }
    }
}

fn password(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    draft.set_secret("source", "password", given.value, "PGCDC_SOURCE_PASSWORD");
    Ok(())
}

fn sslkey(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    if given.value.ends_with(".pk8") || given.value.ends_with(".der") {
        draft.note(
            given.name,
            "the key must be PEM: convert it with `openssl pkcs8 -inform DER -nocrypt`",
        );
    }
    draft.set("source.sslkey", given.value);
    Ok(())
}

/// Statements end at `;`; `;;` is a semicolon.
fn initial_statements(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    let text = given.value.replace(";;", "\u{0}");
    let statements = text.split(';').map(|s| s.replace('\u{0}', ";").trim().to_owned());
    draft.set(
        "source.initial_statements",
        statements.filter(|s| !s.is_empty()).collect::<Vec<_>>(),
    );
    Ok(())
}
