//! What the catalog says about tables and types, and how that is merged with what the stream says.
//!
//! All functions read with few queries, however many tables there are, and work on PostgreSQL 13 to 18.

use std::collections::BTreeMap;

use crate::filter::Capture;
use crate::pgoutput::Relation;
use crate::schema::{Column, Oid, ReplicaIdentity, Table};
use crate::wire::Session;
use crate::{Error, ErrorKind};

mod types;

pub use types::types;

/// The captured tables, base and partitioned ones, in the order of the include list's expressions and of their names
/// within one.
///
/// # Errors
/// Those of [`Session::query`].
pub async fn tables(s: &mut Session, capture: &Capture) -> Result<Vec<Table>, Error> {
    let mut found = read_tables(s, "").await?;
    found.retain(|t| capture.table(&t.schema, &t.name));
    complete(s, &mut found).await?;
    found.sort_by_cached_key(|t| {
        (
            capture.rank(&t.schema, &t.name),
            format!("{}.{}", t.schema, t.name),
        )
    });
    Ok(found)
}

/// One table, captured or not; none if there is no base or partitioned table with this OID.
///
/// # Errors
/// Those of [`Session::query`].
pub async fn table(s: &mut Session, oid: Oid) -> Result<Option<Table>, Error> {
    let mut found = read_tables(s, &format!(" AND c.oid = {oid}")).await?;
    complete(s, &mut found).await?;
    Ok(found.pop())
}

/// Reads tables without columns. `condition` goes to the end of the WHERE clause.
async fn read_tables(s: &mut Session, condition: &str) -> Result<Vec<Table>, Error> {
    let sql = format!(
        "SELECT c.oid, n.nspname, c.relname, c.relreplident \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'{condition}"
    );
    let rows = s.query(&sql).await?.rows;
    let table = |row: Vec<Option<String>>| {
        let row = Fields(&row);
        Ok(Table {
            oid: row.number(0)?,
            schema: row.text(1)?.to_owned(),
            name: row.text(2)?.to_owned(),
            replica_identity: match row.text(3)? {
                "n" => ReplicaIdentity::Nothing,
                "f" => ReplicaIdentity::Full,
                "i" => ReplicaIdentity::Index,
                _ => ReplicaIdentity::Default,
            },
            ..Table::default()
        })
    };
    rows.into_iter().map(table).collect()
}

/// Adds columns, keys and identity flags.
async fn complete(s: &mut Session, tables: &mut [Table]) -> Result<(), Error> {
    if tables.is_empty() {
        return Ok(());
    }
    let oids = oid_array(tables.iter().map(|t| t.oid));
    let mut columns = read_columns(s, &oids).await?;
    let mut indexes = read_indexes(s, &oids).await?;
    for table in tables {
        let numbered = columns.remove(&table.oid).unwrap_or_default();
        let indexes = indexes.remove(&table.oid).unwrap_or_default();
        let position = |attnum: i32| numbered.iter().position(|(n, _)| *n == attnum);
        table.key = choose_key(&indexes, position);
        let identity = identity_columns(table.replica_identity, &indexes);
        table.columns = numbered
            .into_iter()
            .map(|(attnum, column)| {
                let identity = identity.as_ref().is_none_or(|list| list.contains(&attnum));
                Column { identity, ..column }
            })
            .collect();
    }
    Ok(())
}

/// Columns with their numbers, by table.
type Numbered = BTreeMap<Oid, Vec<(i32, Column)>>;

async fn read_columns(s: &mut Session, oids: &str) -> Result<Numbered, Error> {
    let sql = format!(
        "SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, \
         a.attnotnull OR (t.typtype = 'd' AND t.typnotnull), \
         pg_catalog.pg_get_expr(d.adbin, d.adrelid), a.attgenerated, a.attidentity, \
         pg_catalog.col_description(a.attrelid, a.attnum) \
         FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
         LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
         WHERE a.attrelid = ANY ({oids}) AND a.attnum > 0 AND NOT a.attisdropped \
         ORDER BY a.attrelid, a.attnum"
    );
    let mut columns = Numbered::new();
    for row in s.query(&sql).await?.rows {
        let row = Fields(&row);
        let generated = !row.text(7)?.is_empty();
        let column = Column {
            name: row.text(2)?.to_owned(),
            type_oid: row.number(3)?,
            typmod: row.number(4)?,
            identity: false,
            nullable: row.text(5)? != "t",
            default: row.optional(6).filter(|_| !generated).map(str::to_owned),
            generated,
            identity_column: !row.text(8)?.is_empty(),
            comment: row.optional(9).map(str::to_owned),
        };
        columns
            .entry(row.number(0)?)
            .or_default()
            .push((row.number(1)?, column));
    }
    Ok(columns)
}

/// A unique index.
struct Index {
    primary: bool,
    replica_identity: bool,
    /// Column numbers in the order of the index, included ones last; 0 is an expression.
    columns: Vec<i32>,
    /// How many of them are key columns.
    keys: usize,
}

async fn read_indexes(s: &mut Session, oids: &str) -> Result<BTreeMap<Oid, Vec<Index>>, Error> {
    let sql = format!(
        "SELECT i.indrelid, i.indisprimary, i.indisreplident, i.indkey, i.indnkeyatts \
         FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
         WHERE i.indrelid = ANY ({oids}) AND i.indisunique AND i.indislive \
         ORDER BY i.indrelid, c.relname COLLATE \"C\""
    );
    let mut indexes: BTreeMap<Oid, Vec<Index>> = BTreeMap::new();
    for row in s.query(&sql).await?.rows {
        let row = Fields(&row);
        let numbers = row.text(3)?.split_ascii_whitespace().map(str::parse);
        let index = Index {
            primary: row.text(1)? == "t",
            replica_identity: row.text(2)? == "t",
            columns: numbers
                .collect::<Result<_, _>>()
                .map_err(|_| unreadable("indkey"))?,
            keys: row.number(4)?,
        };
        indexes.entry(row.number(0)?).or_default().push(index);
    }
    Ok(indexes)
}

/// The primary key; else the first unique index by name that has no expression, partial and nullable ones too, with
/// its included columns: Debezium's choice.
fn choose_key(indexes: &[Index], position: impl Fn(i32) -> Option<usize>) -> Vec<usize> {
    let primary = indexes.iter().find(|i| i.primary);
    let numbers: &[i32] = match primary {
        Some(i) => i.columns.get(..i.keys).unwrap_or_default(),
        None => {
            let eligible = indexes.iter().find(|i| !i.columns.contains(&0));
            eligible.map_or(&[], |i| i.columns.as_slice())
        }
    };
    numbers.iter().filter_map(|n| position(*n)).collect()
}

/// Numbers of the columns in the replica identity; none means all.
fn identity_columns(identity: ReplicaIdentity, indexes: &[Index]) -> Option<Vec<i32>> {
    let of = |wanted: fn(&Index) -> bool| {
        let index = indexes.iter().find(|i| wanted(i));
        Some(
            index
                .map(|i| i.columns.iter().copied().take(i.keys).collect())
                .unwrap_or_default(),
        )
    };
    match identity {
        ReplicaIdentity::Full => None,
        ReplicaIdentity::Nothing => Some(Vec::new()),
        ReplicaIdentity::Default => of(|i| i.primary),
        ReplicaIdentity::Index => of(|i| i.replica_identity),
    }
}

/// Joins what the stream says of a relation with what the catalog knows.
///
/// Names, types, modifiers and the identity flag come from the stream and are right at this position; nullability,
/// defaults, comments and the key come from the catalog as it is now. A key that the stream contradicts (the table was
/// altered, renamed or dropped since) is taken from the stream.
#[must_use]
pub fn merge(relation: &Relation, catalog: Option<&Table>) -> Table {
    let default_identity = relation.replica_identity == ReplicaIdentity::Default;
    let columns: Vec<Column> = relation
        .columns
        .iter()
        .map(|c| {
            let known = catalog.and_then(|t| t.columns.iter().find(|k| k.name == c.name));
            let same_type = known.filter(|k| k.type_oid == c.type_oid);
            Column {
                name: c.name.clone(),
                type_oid: c.type_oid,
                typmod: c.typmod,
                identity: c.identity,
                // Under the default identity the flag marks the primary key, which is never null.
                nullable: known.is_none_or(|k| k.nullable) && !(default_identity && c.identity),
                default: same_type.and_then(|k| k.default.clone()),
                generated: known.is_some_and(|k| k.generated),
                identity_column: known.is_some_and(|k| k.identity_column),
                comment: known.and_then(|k| k.comment.clone()),
            }
        })
        .collect();
    let position = |name: &str| columns.iter().position(|c| c.name == name);
    let names = catalog
        .into_iter()
        .flat_map(|t| t.key.iter().filter_map(|i| t.columns.get(*i)));
    let mut key: Vec<usize> = names.filter_map(|c| position(&c.name)).collect();
    let flagged: Vec<usize> = (0..columns.len())
        .filter(|i| columns.get(*i).is_some_and(|c| c.identity))
        .collect();
    let agrees = flagged.len() == key.len() && flagged.iter().all(|i| key.contains(i));
    if default_identity && !flagged.is_empty() && !agrees {
        key = flagged;
    }
    Table {
        oid: relation.oid,
        schema: relation.schema.clone(),
        name: relation.name.clone(),
        replica_identity: relation.replica_identity,
        columns,
        key,
    }
}

/// `'{1,2}'::oid[]`.
fn oid_array(oids: impl Iterator<Item = Oid>) -> String {
    let list: Vec<String> = oids.map(|o| o.to_string()).collect();
    format!("'{{{}}}'::pg_catalog.oid[]", list.join(","))
}

/// A result row, read by position.
struct Fields<'a>(&'a [Option<String>]);

impl<'a> Fields<'a> {
    fn optional(&self, i: usize) -> Option<&'a str> {
        self.0.get(i)?.as_deref()
    }

    fn text(&self, i: usize) -> Result<&'a str, Error> {
        self.optional(i).ok_or_else(|| unreadable(&format!("field {i}")))
    }

    fn number<T: std::str::FromStr>(&self, i: usize) -> Result<T, Error> {
        self.text(i)?
            .parse()
            .map_err(|_| unreadable(&format!("field {i}")))
    }
}

fn unreadable(what: &str) -> Error {
    Error::new(
        ErrorKind::Protocol,
        format!("the catalog query returned no readable {what}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pgoutput::RelationColumn;

    fn column(name: &str, identity: bool) -> RelationColumn {
        RelationColumn {
            name: name.into(),
            type_oid: 23,
            typmod: -1,
            identity,
        }
    }

    fn relation(identity: ReplicaIdentity, columns: Vec<RelationColumn>) -> Relation {
        Relation {
            oid: 1,
            schema: "s".into(),
            name: "t".into(),
            replica_identity: identity,
            columns,
        }
    }

    fn known(name: &str, type_oid: Oid) -> Column {
        Column {
            name: name.into(),
            type_oid,
            typmod: -1,
            identity: false,
            nullable: false,
            default: Some("5".into()),
            generated: false,
            identity_column: false,
            comment: Some("c".into()),
        }
    }

    #[test]
    fn the_key_keeps_the_catalogs_order() {
        let catalog = Table {
            columns: vec![known("a", 23), known("b", 23)],
            key: vec![1, 0],
            ..Table::default()
        };
        let stream = relation(
            ReplicaIdentity::Default,
            vec![column("a", true), column("b", true), column("c", false)],
        );
        let t = merge(&stream, Some(&catalog));
        assert_eq!(t.key, [1, 0]);
        assert!(!t.columns[0].nullable && t.columns[2].nullable);
        assert_eq!(
            (t.columns[0].default.as_deref(), t.columns[2].default.as_deref()),
            (Some("5"), None)
        );
    }

    #[test]
    fn the_stream_wins_over_a_catalog_that_has_moved_on() {
        let catalog = Table {
            columns: vec![known("id2", 23), known("v", 25)],
            key: vec![0],
            ..Table::default()
        };
        let stream = relation(
            ReplicaIdentity::Default,
            vec![column("id", true), column("v", false)],
        );
        let t = merge(&stream, Some(&catalog));
        assert_eq!(t.key, [0], "renamed key column");
        assert!(!t.columns[0].nullable, "a primary key is never null");
        assert_eq!(
            t.columns[1].default, None,
            "a default of another type does not apply"
        );
        let dropped = merge(&stream, None);
        assert_eq!(dropped.key, [0]);
        assert!(dropped.columns[1].nullable);
    }

    #[test]
    fn other_identities_do_not_tell_the_key() {
        let catalog = Table {
            columns: vec![known("id", 23), known("k", 23)],
            key: vec![0],
            ..Table::default()
        };
        for identity in [ReplicaIdentity::Index, ReplicaIdentity::Full] {
            let stream = relation(
                identity,
                vec![column("id", identity == ReplicaIdentity::Full), column("k", true)],
            );
            assert_eq!(merge(&stream, Some(&catalog)).key, [0], "{identity:?}");
        }
        let keyless = relation(
            ReplicaIdentity::Default,
            vec![column("id", false), column("k", false)],
        );
        assert_eq!(merge(&keyless, Some(&catalog)).key, [0], "a unique index");
    }

    #[test]
    fn keys_are_chosen_as_debezium_does() {
        let index = |primary, columns: &[i32], keys| Index {
            primary,
            replica_identity: false,
            columns: columns.into(),
            keys,
        };
        let position = |n: i32| usize::try_from(n - 1).ok();
        assert_eq!(
            choose_key(&[index(false, &[2], 1), index(true, &[3, 1], 2)], position),
            [2, 0]
        );
        assert_eq!(
            choose_key(&[index(false, &[2, 0], 2), index(false, &[2, 1], 1)], position),
            [1, 0]
        );
        assert_eq!(choose_key(&[], position), Vec::<usize>::new());
    }
}
