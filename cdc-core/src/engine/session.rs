//! Ordinary connections, for the engine's own questions and for what reads tables.

use crate::Error;
use crate::wire::{ConnectOptions, Purpose, Session};

/// Looks up names without a schema as a session of the server's defaults does, for statements that users write: our own
/// connections look nowhere, since our own statements name every schema.
const USERS_SEARCH_PATH: &str = r#"SET search_path = "$user", public"#;

/// Opens an ordinary connection and runs the configured statements on it. `application`: the name under which it shows in
/// `pg_stat_activity`; `users_sql`: statements that users have written will follow.
///
/// # Errors
/// As [`Session::connect`], and what the server says of a statement.
pub async fn open_session(
    connect: &ConnectOptions,
    application: &str,
    initial_statements: &[String],
    users_sql: bool,
) -> Result<Session, Error> {
    let mut session = Session::connect(connect, Purpose::Sql, application).await?;
    if users_sql || !initial_statements.is_empty() {
        session.query(USERS_SEARCH_PATH).await?;
    }
    for statement in initial_statements {
        session.query(statement).await?;
    }
    Ok(session)
}
