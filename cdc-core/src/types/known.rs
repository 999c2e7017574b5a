//! Which type a column has: the server's own types by OID, extensions' by name.

use crate::schema::{Oid, TypeCatalog, TypeInfo, TypeKind};

/// The types that have a representation of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Bool,
    Int2,
    Int4,
    Int8,
    OidType,
    Float4,
    Float8,
    Numeric,
    Money,
    Varchar,
    BpChar,
    Text,
    QuotedChar,
    Name,
    /// `inet`, `cidr`, `macaddr`, `macaddr8`, the ranges: text as it is.
    Plain,
    Citext,
    /// The types of extension isn.
    Isn,
    Bytea,
    Json,
    Xml,
    Uuid,
    Date,
    Time,
    TimeTz,
    Timestamp,
    TimestampTz,
    Interval,
    Bit,
    Varbit,
    Tsvector,
    Point,
    Hstore,
    Ltree,
    Geometry,
    Geography,
    Vector,
    HalfVector,
    SparseVector,
    Enum,
    /// `box`, `circle`, `line`, `lseg`, `path`, `polygon`: no representation, but numbers to rewrite.
    Geometric,
    /// `refcursor`: unknown by itself, and its array never appears.
    Refcursor,
    Unknown,
}

/// A column's type after domains are resolved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resolved<'c> {
    pub(super) known: Known,
    pub(super) typmod: i32,
    /// Labels of an enum, in sort order.
    pub(super) labels: &'c [String],
    /// Element type and delimiter of an array.
    pub(super) element: Option<(Oid, u8)>,
    /// Whether the type is a domain.
    pub(super) domain: bool,
}

/// Deepest chain of domains that is followed.
const MAX_DOMAINS: usize = 64;

/// Resolves a type through its domains, keeping the innermost modifier.
pub(super) fn resolve(oid: Oid, typmod: i32, types: &TypeCatalog) -> Resolved<'_> {
    let (mut oid, mut typmod) = (oid, typmod);
    let mut domain = false;
    for _ in 0..MAX_DOMAINS {
        let Some(TypeKind::Domain { base, typmod: own }) = types.get(oid).map(|t| &t.kind) else {
            break;
        };
        domain = true;
        oid = *base;
        typmod = if *own == -1 { typmod } else { *own };
    }
    let info = types.get(oid);
    let labels = match info.map(|t| &t.kind) {
        Some(TypeKind::Enum(labels)) => labels.as_slice(),
        _ => &[],
    };
    let element = match info.map(|t| &t.kind) {
        Some(TypeKind::Array { element, delimiter }) => Some((*element, *delimiter)),
        _ => builtin_array(oid).map(|element| (element, b',')),
    };
    let known = builtin(oid)
        .or_else(|| info.map(by_name))
        .unwrap_or(Known::Unknown);
    Resolved {
        known,
        typmod,
        labels,
        element,
        domain,
    }
}

/// The server's own types; their OIDs are fixed (`pg_type.dat`).
fn builtin(oid: Oid) -> Option<Known> {
    Some(match oid {
        16 => Known::Bool,
        17 => Known::Bytea,
        18 => Known::QuotedChar,
        19 => Known::Name,
        20 => Known::Int8,
        21 => Known::Int2,
        23 => Known::Int4,
        25 => Known::Text,
        26 => Known::OidType,
        114 | 3802 => Known::Json,
        142 => Known::Xml,
        600 => Known::Point,
        601..=604 | 628 | 718 => Known::Geometric,
        // cidr, inet, macaddr, macaddr8; int4range, numrange, tsrange, tstzrange, daterange, int8range
        650 | 869 | 829 | 774 | 3904 | 3906 | 3908 | 3910 | 3912 | 3926 => Known::Plain,
        700 => Known::Float4,
        701 => Known::Float8,
        790 => Known::Money,
        1042 => Known::BpChar,
        1043 => Known::Varchar,
        1082 => Known::Date,
        1083 => Known::Time,
        1114 => Known::Timestamp,
        1184 => Known::TimestampTz,
        1186 => Known::Interval,
        1266 => Known::TimeTz,
        1560 => Known::Bit,
        1562 => Known::Varbit,
        1700 => Known::Numeric,
        1790 => Known::Refcursor,
        2950 => Known::Uuid,
        3614 => Known::Tsvector,
        _ => return None,
    })
}

/// Element types of the server's own array types, for relations whose types the catalog does not list.
fn builtin_array(oid: Oid) -> Option<Oid> {
    Some(match oid {
        1000 => 16,
        1001 => 17,
        1002 => 18,
        1003 => 19,
        1005 => 21,
        1007 => 23,
        1009 => 25,
        1014 => 1042,
        1015 => 1043,
        1016 => 20,
        1017 => 600,
        1021 => 700,
        1022 => 701,
        1028 => 26,
        1040 => 829,
        1041 => 869,
        651 => 650,
        775 => 774,
        791 => 790,
        143 => 142,
        199 => 114,
        3807 => 3802,
        1115 => 1114,
        1182 => 1082,
        1183 => 1083,
        1185 => 1184,
        1187 => 1186,
        1231 => 1700,
        1270 => 1266,
        1561 => 1560,
        1563 => 1562,
        2201 => 1790,
        2951 => 2950,
        3643 => 3614,
        3905 => 3904,
        3907 => 3906,
        3909 => 3908,
        3911 => 3910,
        3913 => 3912,
        3927 => 3926,
        _ => return None,
    })
}

/// Enums, and extensions' types, whose OIDs differ from database to database.
fn by_name(info: &TypeInfo) -> Known {
    match &info.kind {
        TypeKind::Enum(_) => return Known::Enum,
        TypeKind::Base | TypeKind::Other => {}
        _ => return Known::Unknown,
    }
    match info.name.as_str() {
        "hstore" => Known::Hstore,
        "ltree" => Known::Ltree,
        "citext" => Known::Citext,
        "isbn" => Known::Isn,
        "geometry" => Known::Geometry,
        "geography" => Known::Geography,
        "vector" => Known::Vector,
        "halfvec" => Known::HalfVector,
        "sparsevec" => Known::SparseVector,
        _ => Known::Unknown,
    }
}
