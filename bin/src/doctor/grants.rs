//! The SQL that makes a least-privilege role and a publication for it.

use std::collections::BTreeSet;
use std::fmt::Write;

use cdc_core::engine::SourceOptions;
use cdc_core::schema::Table;
use cdc_core::wire::quote_ident;

use super::signals;

/// The whole script, for the role in use, or for one to be made if that is a superuser's.
pub(super) fn script(role: &str, o: &SourceOptions, tables: &[Table], has_publication: bool) -> String {
    let role = quote_ident(if matches!(role, "postgres" | "") {
        "pgcdc"
    } else {
        role
    });
    let database = quote_ident(o.connect.database());
    let mut sql = String::new();
    let mut line = |text: std::fmt::Arguments<'_>| {
        // Writing to a string cannot fail.
        let _ = sql.write_fmt(text);
        sql.push('\n');
    };
    line(format_args!(
        "DO $$ BEGIN CREATE ROLE {role} LOGIN REPLICATION; EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
    ));
    line(format_args!(
        "ALTER ROLE {role} LOGIN REPLICATION;  -- give it a password: \\password {role}"
    ));
    line(format_args!("GRANT CONNECT ON DATABASE {database} TO {role};"));
    for schema in tables.iter().map(|t| &t.schema).collect::<BTreeSet<_>>() {
        line(format_args!(
            "GRANT USAGE ON SCHEMA {} TO {role};",
            quote_ident(schema)
        ));
    }
    let names = tables
        .iter()
        .map(|t| format!("{}.{}", quote_ident(&t.schema), quote_ident(&t.name)));
    let names = names.collect::<Vec<_>>().join(", ");
    if !names.is_empty() {
        line(format_args!("GRANT SELECT ON TABLE {names} TO {role};"));
        if let Some(s) = &o.signals {
            let (rights, table) = (signals::privileges(s).join(", "), signals::quoted(s));
            line(format_args!("GRANT {rights} ON TABLE {table} TO {role};"));
        }
        let publication = quote_ident(&o.publication.name);
        let verb = if has_publication {
            "-- done: CREATE"
        } else {
            "CREATE"
        };
        line(format_args!(
            "{verb} PUBLICATION {publication} FOR TABLE {names};"
        ));
    }
    line(format_args!(
        "-- pg_hba.conf needs a line for this database (logical replication does not use the keyword `replication`):"
    ));
    line(format_args!(
        "-- hostssl  {database}  {role}  <client address>  scram-sha-256"
    ));
    sql
}

#[cfg(test)]
mod tests {
    use super::*;
    use cdc_core::engine::SignalOptions;
    use cdc_core::wire::ConnectOptions;

    #[test]
    fn names_are_quoted_and_a_superuser_gets_a_role_of_its_own() {
        let connect = ConnectOptions::parse("host=h user=postgres dbname='My Db'").unwrap();
        let o = SourceOptions::new(connect, "s", "my pub");
        let table = Table {
            schema: "a".into(),
            name: "T\"x".into(),
            ..Table::default()
        };
        let sql = script("postgres", &o, std::slice::from_ref(&table), false);
        assert!(
            sql.contains("GRANT CONNECT ON DATABASE \"My Db\" TO \"pgcdc\";"),
            "{sql}"
        );
        assert!(
            sql.contains("GRANT SELECT ON TABLE \"a\".\"T\"\"x\" TO \"pgcdc\";"),
            "{sql}"
        );
        assert!(sql.contains("\nCREATE PUBLICATION \"my pub\" FOR TABLE"), "{sql}");
        let signals = SourceOptions {
            signals: Some(SignalOptions::new("a", "sig")),
            ..o.clone()
        };
        assert!(!sql.contains("INSERT"));
        let sql = script("cdc", &signals, std::slice::from_ref(&table), false);
        assert!(
            sql.contains("GRANT INSERT ON TABLE \"a\".\"sig\" TO \"cdc\";"),
            "{sql}"
        );
        assert!(script("cdc", &o, &[table], true).contains("-- done: CREATE PUBLICATION"));
    }
}
