//! A column's type as JDBC reports it: what `column.propagate.source.type` shows and mappers decide by.

use crate::schema::{Column, Oid, TypeCatalog, TypeKind};

/// JDBC's length of a type without one.
const UNLIMITED: i64 = 2_147_483_647;

/// What JDBC says of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SourceType {
    /// Type name in upper case, without its schema.
    pub(super) name: String,
    /// Length or precision.
    pub(super) length: i64,
    /// Scale.
    pub(super) scale: i64,
    /// Whether JDBC calls it CHAR or VARCHAR.
    pub(super) character: bool,
}

impl SourceType {
    /// Looks the column's type up. A domain has its own name, and its base type's measures.
    pub(super) fn of(column: &Column, types: &TypeCatalog) -> Self {
        let info = types.get(column.type_oid);
        let name = info.map(|t| t.name.to_uppercase()).unwrap_or_default();
        let (base, typmod) = base_of(column.type_oid, column.typmod, types);
        let (element, is_array) = match types.get(base).map(|t| &t.kind) {
            Some(TypeKind::Array { element, .. }) => (*element, true),
            _ => (base, false),
        };
        let is_enum = matches!(types.get(base).map(|t| &t.kind), Some(TypeKind::Enum(_)));
        Self {
            name,
            length: length(element, typmod),
            scale: scale(element, typmod),
            character: is_enum || (!is_array && matches!(base, CHAR | NAME | TEXT | BPCHAR | VARCHAR)),
        }
    }
}

/// Follows domains down; the outermost modifier that is given counts.
fn base_of(oid: Oid, typmod: i32, types: &TypeCatalog) -> (Oid, i32) {
    let (mut oid, mut typmod) = (oid, typmod);
    // Domains cannot be circular; the bound only guards against a damaged catalog.
    for _ in 0..32 {
        match types.get(oid).map(|t| &t.kind) {
            Some(TypeKind::Domain { base, typmod: own }) => {
                oid = *base;
                typmod = if typmod < 0 { *own } else { typmod };
            }
            _ => break,
        }
    }
    (oid, typmod)
}

const BOOL: Oid = 16;
const CHAR: Oid = 18;
const NAME: Oid = 19;
const INT8: Oid = 20;
const INT2: Oid = 21;
const INT4: Oid = 23;
const TEXT: Oid = 25;
const OID: Oid = 26;
const FLOAT4: Oid = 700;
const FLOAT8: Oid = 701;
const BPCHAR: Oid = 1042;
const VARCHAR: Oid = 1043;
const DATE: Oid = 1082;
const TIME: Oid = 1083;
const TIMESTAMP: Oid = 1114;
const TIMESTAMPTZ: Oid = 1184;
const INTERVAL: Oid = 1186;
const TIMETZ: Oid = 1266;
const BIT: Oid = 1560;
const VARBIT: Oid = 1562;
const NUMERIC: Oid = 1700;

fn length(oid: Oid, typmod: i32) -> i64 {
    let typmod = i64::from(typmod);
    match oid {
        BOOL | CHAR => 1,
        INT2 => 5,
        INT4 | OID => 10,
        INT8 => 19,
        FLOAT4 => 8,
        FLOAT8 => 17,
        NUMERIC if typmod < 0 => 131_089,
        NUMERIC => ((typmod - 4) >> 16) & 0xffff,
        BPCHAR | VARCHAR if typmod >= 4 => typmod - 4,
        DATE => 13,
        TIME => 8 + seconds(typmod),
        TIMETZ => 14 + seconds(typmod),
        TIMESTAMP => 22 + seconds(typmod),
        TIMESTAMPTZ => 28 + seconds(typmod),
        INTERVAL => 49,
        BIT => typmod,
        VARBIT if typmod >= 0 => typmod,
        _ => UNLIMITED,
    }
}

/// Width of the fraction of a second, its point included. One digit is shown as two.
fn seconds(typmod: i64) -> i64 {
    match typmod {
        ..0 => 7,
        0 => 0,
        1 => 3,
        n => n + 1,
    }
}

fn scale(oid: Oid, typmod: i32) -> i64 {
    let typmod = i64::from(typmod);
    match oid {
        FLOAT4 => 8,
        FLOAT8 => 17,
        NUMERIC if typmod >= 4 => (typmod - 4) & 0xffff,
        TIME | TIMETZ | TIMESTAMP | TIMESTAMPTZ => {
            if typmod < 0 {
                6
            } else {
                typmod
            }
        }
        INTERVAL => {
            if typmod < 0 {
                6
            } else {
                typmod & 0xffff
            }
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_are_jdbcs() {
        let numeric = |p: i32, s: i32| ((p << 16) | s) + 4;
        let cases = [
            (INT2, -1, 5, 0),
            (INT4, -1, 10, 0),
            (INT8, -1, 19, 0),
            (FLOAT4, -1, 8, 8),
            (FLOAT8, -1, 17, 17),
            (NUMERIC, numeric(10, 3), 10, 3),
            (NUMERIC, -1, 131_089, 0),
            (BOOL, -1, 1, 0),
            (TEXT, -1, UNLIMITED, 0),
            (VARCHAR, 24, 20, 0),
            (DATE, -1, 13, 0),
            (TIME, -1, 15, 6),
            (TIMETZ, -1, 21, 6),
            (TIMESTAMP, -1, 29, 6),
            (TIMESTAMP, 0, 22, 0),
            (TIMESTAMP, 2, 25, 2),
            (TIMESTAMP, 4, 27, 4),
            (TIMESTAMPTZ, -1, 35, 6),
            (INTERVAL, -1, 49, 6),
        ];
        for (oid, typmod, l, s) in cases {
            assert_eq!(
                (length(oid, typmod), scale(oid, typmod)),
                (l, s),
                "type {oid} modifier {typmod}"
            );
        }
    }
}
