//! Replication commands as text, every argument quoted.

use std::fmt::Write as _;
use std::time::Duration;

use crate::Lsn;

/// What CREATE_REPLICATION_SLOT does about a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotSnapshot {
    /// Export it: other sessions may import it until this session's next command.
    Export,
    /// Use it in this session's current transaction.
    Use,
    /// None.
    Nothing,
}

/// Arguments of CREATE_REPLICATION_SLOT for a logical slot with `pgoutput`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateSlot {
    /// Slot name.
    pub name: String,
    /// Dropped when the session ends.
    pub temporary: bool,
    /// What to do about a snapshot.
    pub snapshot: SlotSnapshot,
    /// Decode prepared transactions at PREPARE (PostgreSQL 15).
    pub two_phase: bool,
    /// Synchronise the slot to standbys (PostgreSQL 17).
    pub failover: bool,
}

/// Arguments of START_REPLICATION.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartReplication {
    /// Slot name.
    pub slot: String,
    /// Where to start. The server starts at the slot's confirmed position if that is higher, and does not say so.
    pub start: Lsn,
    /// Options of `pgoutput`, such as `("proto_version", "2")`; see [`publication_names`].
    pub options: Vec<(String, String)>,
    /// Longest time between two status updates; a third of `wal_sender_timeout` or less.
    pub status_interval: Duration,
}

/// Quotes an identifier for SQL and for replication commands.
#[must_use]
pub fn quote_ident(name: &str) -> String {
    quoted(name, '"')
}

/// Quotes a text as an SQL literal; right also where `standard_conforming_strings` is off.
#[must_use]
pub fn quote_literal(text: &str) -> String {
    if text.contains('\\') {
        format!(" E{}", quoted(&text.replace('\\', "\\\\"), '\''))
    } else {
        quoted(text, '\'')
    }
}

/// The value of `pgoutput`'s option `publication_names`: a comma list of quoted identifiers.
#[must_use]
pub fn publication_names<S: AsRef<str>>(names: &[S]) -> String {
    let quoted: Vec<String> = names.iter().map(|n| quote_ident(n.as_ref())).collect();
    quoted.join(",")
}

impl CreateSlot {
    /// The command for a server of this version (150018 = 15.18): keywords up to 14, a list of options since 15.
    pub(super) fn command(&self, version: u32) -> String {
        let mut sql = format!("CREATE_REPLICATION_SLOT {}", quote_ident(&self.name));
        if self.temporary {
            sql.push_str(" TEMPORARY");
        }
        sql.push_str(" LOGICAL pgoutput");
        if version >= 150_000 {
            let snapshot = match self.snapshot {
                SlotSnapshot::Export => "export",
                SlotSnapshot::Use => "use",
                SlotSnapshot::Nothing => "nothing",
            };
            // Writing to a string cannot fail.
            let _ = write!(sql, " (SNAPSHOT '{snapshot}'");
            for (on, option) in [(self.two_phase, ", TWO_PHASE"), (self.failover, ", FAILOVER")] {
                if on {
                    sql.push_str(option);
                }
            }
            sql.push(')');
        } else {
            sql.push_str(match self.snapshot {
                SlotSnapshot::Export => " EXPORT_SNAPSHOT",
                SlotSnapshot::Use => " USE_SNAPSHOT",
                SlotSnapshot::Nothing => " NOEXPORT_SNAPSHOT",
            });
        }
        sql
    }
}

impl StartReplication {
    /// The command.
    pub(super) fn command(&self) -> String {
        let mut sql = format!(
            "START_REPLICATION SLOT {} LOGICAL {}",
            quote_ident(&self.slot),
            self.start
        );
        for (i, (name, value)) in self.options.iter().enumerate() {
            sql.push_str(if i == 0 { " (" } else { ", " });
            // The replication grammar knows no E'' literals: backslashes stand for themselves in it.
            let _ = write!(sql, "{} {}", quote_ident(name), quoted(value, '\''));
        }
        if !self.options.is_empty() {
            sql.push(')');
        }
        sql
    }
}

/// DROP_REPLICATION_SLOT; with `wait` it waits until the slot is no longer in use.
pub(super) fn drop_slot(name: &str, wait: bool) -> String {
    format!(
        "DROP_REPLICATION_SLOT {}{}",
        quote_ident(name),
        if wait { " WAIT" } else { "" }
    )
}

fn quoted(text: &str, mark: char) -> String {
    let mut out = String::with_capacity(text.len().saturating_add(2));
    out.push(mark);
    // A zero byte cannot be part of a name or text, and would end the message.
    for c in text.chars().filter(|c| *c != '\0') {
        if c == mark {
            out.push(mark);
        }
        out.push(c);
    }
    out.push(mark);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_leaves_no_way_out() {
        assert_eq!(quote_ident(r#"a"b"#), r#""a""b""#);
        assert_eq!(quote_literal("it's"), "'it''s'");
        assert_eq!(quote_literal(r"a\'"), r" E'a\\'''");
        assert_eq!(quote_ident("a\0b"), "\"ab\"");
        assert_eq!(publication_names(&["p", "q\"r"]), r#""p","q""r""#);
    }

    #[test]
    fn slot_creation_takes_the_servers_form() {
        let mut c = CreateSlot {
            name: "s".into(),
            temporary: false,
            snapshot: SlotSnapshot::Export,
            two_phase: false,
            failover: false,
        };
        assert_eq!(
            c.command(140_010),
            r#"CREATE_REPLICATION_SLOT "s" LOGICAL pgoutput EXPORT_SNAPSHOT"#
        );
        assert_eq!(
            c.command(150_000),
            r#"CREATE_REPLICATION_SLOT "s" LOGICAL pgoutput (SNAPSHOT 'export')"#
        );
        c.temporary = true;
        c.snapshot = SlotSnapshot::Nothing;
        c.two_phase = true;
        c.failover = true;
        assert_eq!(
            c.command(170_000),
            r#"CREATE_REPLICATION_SLOT "s" TEMPORARY LOGICAL pgoutput (SNAPSHOT 'nothing', TWO_PHASE, FAILOVER)"#
        );
    }

    #[test]
    fn start_quotes_names_and_values() {
        let s = StartReplication {
            slot: "s".into(),
            start: Lsn(0x1_0000_0010),
            options: vec![
                ("proto_version".into(), "1".into()),
                ("publication_names".into(), publication_names(&["o'p"])),
            ],
            status_interval: Duration::from_secs(5),
        };
        assert_eq!(
            s.command(),
            r#"START_REPLICATION SLOT "s" LOGICAL 1/10 ("proto_version" '1', "publication_names" '"o''p"')"#
        );
    }
}
