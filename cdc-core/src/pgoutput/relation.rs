//! How a relation's rows look, as the stream says it.

use crate::Error;
use crate::schema::{Oid, ReplicaIdentity};

use super::reader::Reader;

/// A relation message. What it does not say (nullability, defaults, primary key) only the catalog knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Relation {
    /// `pg_class.oid`; of the root if the publication publishes partitions through it.
    pub oid: Oid,
    /// Schema, unquoted.
    pub schema: String,
    /// Name, unquoted.
    pub name: String,
    /// Which old values updates and deletes carry.
    pub replica_identity: ReplicaIdentity,
    /// Published columns in the order of the rows; dropped ones are absent.
    pub columns: Vec<RelationColumn>,
}

/// A column of a [`Relation`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RelationColumn {
    /// Name, unquoted.
    pub name: String,
    /// `pg_type.oid`.
    pub type_oid: Oid,
    /// `atttypmod`, −1 if none.
    pub typmod: i32,
    /// Whether it is part of the replica identity; all columns are if that is `FULL`.
    pub identity: bool,
}

/// Schema of objects whose schema is sent as the empty string.
pub(super) const PG_CATALOG: &str = "pg_catalog";

impl Relation {
    /// Reads what follows the tag and the transaction number.
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, Error> {
        let oid = r.u32("relation id")?;
        let schema = schema(r.str("schema name")?).to_owned();
        let name = r.str("relation name")?.to_owned();
        let at = r.at();
        let replica_identity = match r.u8("replica identity")? {
            b'd' => ReplicaIdentity::Default,
            b'n' => ReplicaIdentity::Nothing,
            b'f' => ReplicaIdentity::Full,
            b'i' => ReplicaIdentity::Index,
            other => return Err(r.bad(at, format_args!("replica identity {other:#04x} is unknown"))),
        };
        let count = r.u16("column count")?;
        // The shortest column takes ten bytes: a false count reserves no more than the payload's size.
        let mut columns = Vec::with_capacity(usize::from(count).min(r.rest().len() / 10));
        for _ in 0..count {
            columns.push(RelationColumn {
                identity: r.flags("column flag byte", 1)? != 0,
                name: r.str("column name")?.to_owned(),
                type_oid: r.u32("column type id")?,
                typmod: r.i32("column type modifier")?,
            });
        }
        Ok(Self {
            oid,
            schema,
            name,
            replica_identity,
            columns,
        })
    }
}

/// The schema's name, given as the server sends it.
pub(super) fn schema(sent: &str) -> &str {
    if sent.is_empty() { PG_CATALOG } else { sent }
}
