//! Types: read with everything that their values need.

use std::collections::{BTreeMap, BTreeSet};

use super::{Fields, oid_array};
use crate::Error;
use crate::schema::{Oid, TypeCatalog, TypeInfo, TypeKind};
use crate::wire::Session;

/// Adds the types `oids`, and those that they are made of: elements of arrays, base types of domains, labels of enums.
/// Types that are already there are read again, so that new labels are seen. OIDs without a type are left out.
///
/// # Errors
/// Those of [`Session::query`].
pub async fn types(s: &mut Session, oids: &[Oid], into: &mut TypeCatalog) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    let mut wanted: BTreeSet<Oid> = oids.iter().copied().collect();
    while !wanted.is_empty() {
        let mut level = read(s, &wanted).await?;
        let enums = level.iter().filter(|t| matches!(t.kind, TypeKind::Enum(_)));
        let mut labels = read_labels(s, enums.map(|t| t.oid).collect()).await?;
        seen.append(&mut wanted);
        for info in &mut level {
            match &mut info.kind {
                TypeKind::Enum(list) => *list = labels.remove(&info.oid).unwrap_or_default(),
                TypeKind::Domain { base: next, .. } | TypeKind::Array { element: next, .. } => {
                    wanted.extend(Some(*next).filter(|n| !seen.contains(n)));
                }
                _ => {}
            }
        }
        level.into_iter().for_each(|info| into.insert(info));
    }
    Ok(())
}

async fn read(s: &mut Session, oids: &BTreeSet<Oid>) -> Result<Vec<TypeInfo>, Error> {
    let sql = format!(
        "SELECT t.oid, n.nspname, t.typname, t.typtype, t.typcategory, t.typelem, e.typdelim, t.typbasetype, t.typtypmod \
         FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
         LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem WHERE t.oid = ANY ({})",
        oid_array(oids.iter().copied())
    );
    let mut found = Vec::new();
    for row in s.query(&sql).await?.rows {
        let row = Fields(&row);
        let element: Oid = row.number(5)?;
        let kind = match (row.text(3)?, row.text(4)?) {
            ("b", "A") if element != 0 => {
                let delimiter = row.optional(6).and_then(|d| d.bytes().next()).unwrap_or(b',');
                TypeKind::Array { element, delimiter }
            }
            ("b", _) => TypeKind::Base,
            ("e", _) => TypeKind::Enum(Vec::new()),
            ("d", _) => TypeKind::Domain {
                base: row.number(7)?,
                typmod: row.number(8)?,
            },
            ("c", _) => TypeKind::Composite,
            ("r", _) => TypeKind::Range,
            ("m", _) => TypeKind::Multirange,
            _ => TypeKind::Other,
        };
        let (oid, schema, name) = (row.number(0)?, row.text(1)?.to_owned(), row.text(2)?.to_owned());
        found.push(TypeInfo {
            oid,
            schema,
            name,
            kind,
        });
    }
    Ok(found)
}

async fn read_labels(s: &mut Session, enums: Vec<Oid>) -> Result<BTreeMap<Oid, Vec<String>>, Error> {
    let mut labels: BTreeMap<Oid, Vec<String>> = BTreeMap::new();
    if enums.is_empty() {
        return Ok(labels);
    }
    let sql = format!(
        "SELECT enumtypid, enumlabel FROM pg_catalog.pg_enum WHERE enumtypid = ANY ({}) \
         ORDER BY enumtypid, enumsortorder",
        oid_array(enums.into_iter())
    );
    for row in s.query(&sql).await?.rows {
        let row = Fields(&row);
        labels
            .entry(row.number(0)?)
            .or_default()
            .push(row.text(1)?.to_owned());
    }
    Ok(labels)
}
