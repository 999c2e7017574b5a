//! What is known about a table: the relation as the stream or a query gives it, and what only the catalog knows.

use foldhash::HashMap;

/// PostgreSQL object identifier.
pub type Oid = u32;

/// `pg_class.relreplident`: which old values updates and deletes carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum ReplicaIdentity {
    /// Primary key (`d`).
    #[default]
    Default,
    /// Nothing (`n`).
    Nothing,
    /// The whole row (`f`).
    Full,
    /// A unique index (`i`).
    Index,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Column {
    /// Name, unquoted.
    pub name: String,
    /// Type.
    pub type_oid: Oid,
    /// `atttypmod`, −1 if none.
    pub typmod: i32,
    /// Whether it is part of the replica identity.
    pub identity: bool,
    /// Whether NULL is allowed. A column unknown to the catalog is nullable.
    pub nullable: bool,
    /// Text of the default expression (`pg_get_expr`), if any.
    pub default: Option<String>,
    /// Whether it is a stored or virtual generated column (`attgenerated`).
    pub generated: bool,
    /// Whether it is an identity column (`attidentity`): it then has no default.
    pub identity_column: bool,
    /// Comment on the column.
    pub comment: Option<String>,
}

/// A table at one point of the stream. Column order is that of the rows that will come.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Table {
    /// `pg_class.oid`.
    pub oid: Oid,
    /// Schema name, unquoted.
    pub schema: String,
    /// Table name, unquoted.
    pub name: String,
    /// Replica identity.
    pub replica_identity: ReplicaIdentity,
    /// Columns in the order of the rows.
    pub columns: Vec<Column>,
    /// Indices into `columns` of the primary key, in the key's own order; else of the first usable unique index;
    /// empty if there is neither.
    pub key: Vec<usize>,
}

impl Table {
    /// Whether updates and deletes can say which row they mean. Without one the server refuses both while the table is
    /// published.
    #[must_use]
    pub fn has_replica_identity(&self) -> bool {
        match self.replica_identity {
            ReplicaIdentity::Full => true,
            ReplicaIdentity::Nothing => false,
            ReplicaIdentity::Default | ReplicaIdentity::Index => self.columns.iter().any(|c| c.identity),
        }
    }
}

/// What kind of type it is (`pg_type.typtype`, `typelem`), with what is needed to read its values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TypeKind {
    /// A base type.
    Base,
    /// An enum, with its labels in sort order.
    Enum(Vec<String>),
    /// A domain over another type.
    Domain {
        /// The type below, possibly a domain itself.
        base: Oid,
        /// The domain's own modifier, −1 if none.
        typmod: i32,
    },
    /// A true array type (`typcategory = 'A'`, `typelem <> 0`).
    Array {
        /// Element type.
        element: Oid,
        /// Element delimiter (`typdelim` of the element), `,` for all but `box`.
        delimiter: u8,
    },
    /// A composite type.
    Composite,
    /// A range.
    Range,
    /// A multirange (14 and later).
    Multirange,
    /// Anything else.
    Other,
}

/// A type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TypeInfo {
    /// `pg_type.oid`.
    pub oid: Oid,
    /// Schema name.
    pub schema: String,
    /// `typname`.
    pub name: String,
    /// Kind.
    pub kind: TypeKind,
}

/// The types of a database that its captured tables use, by OID.
#[derive(Clone, Debug, Default)]
pub struct TypeCatalog {
    types: HashMap<Oid, TypeInfo>,
}

impl TypeCatalog {
    /// Adds or replaces a type.
    pub fn insert(&mut self, info: TypeInfo) {
        self.types.insert(info.oid, info);
    }

    /// Looks a type up.
    #[must_use]
    pub fn get(&self, oid: Oid) -> Option<&TypeInfo> {
        self.types.get(&oid)
    }
}
