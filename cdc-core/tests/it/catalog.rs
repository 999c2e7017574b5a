//! The catalog's queries on every supported version.

use cdc_core::catalog;
use cdc_core::filter::{Capture, Filters, split_list};
use cdc_core::schema::{Column, ReplicaIdentity, Table, TypeCatalog, TypeKind};

use crate::server;

const SETUP: &str = r#"
    SET search_path = public;
    CREATE SCHEMA "My ""Schema";
    CREATE TYPE mood AS ENUM ('sad', 'ok');
    ALTER TYPE mood ADD VALUE 'fine' BEFORE 'ok';
    CREATE DOMAIN small AS numeric(5, 1) NOT NULL;
    CREATE DOMAIN smaller AS small;
    CREATE TYPE pair AS (a int, b text);
    CREATE TABLE "My ""Schema"."T'1" (
        b text, a int, "drop" int, d timestamptz DEFAULT now(), m mood DEFAULT 'ok', ms mood[], s smaller, sn small, p pair,
        g int GENERATED ALWAYS AS (a * 2) STORED, n numeric(10, 2) NOT NULL DEFAULT 1.5, r int4range, PRIMARY KEY (b, a));
    ALTER TABLE "My ""Schema"."T'1" DROP COLUMN "drop";
    COMMENT ON COLUMN "My ""Schema"."T'1".a IS 'it''s a';
    CREATE TABLE k1 (a int, b int, c text);
    CREATE UNIQUE INDEX k1_b ON k1 (b);
    CREATE UNIQUE INDEX k1_a ON k1 (a) WHERE b > 0;
    CREATE TABLE k3 (a int, b int);
    CREATE UNIQUE INDEX k3_e ON k3 ((a + 1));
    CREATE UNIQUE INDEX k3_z ON k3 (b) INCLUDE (a);
    CREATE TABLE k4 (a int);
    CREATE UNIQUE INDEX k4_e ON k4 (a, (a + 1));
    CREATE TABLE x (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, k int NOT NULL);
    CREATE UNIQUE INDEX x_k ON x (k);
    ALTER TABLE x REPLICA IDENTITY USING INDEX x_k;
    CREATE TABLE f (id int PRIMARY KEY, "ID" text);
    ALTER TABLE f REPLICA IDENTITY FULL;
    CREATE TABLE p (id int, r text, PRIMARY KEY (id, r)) PARTITION BY LIST (r);
    CREATE TABLE p_eu PARTITION OF p FOR VALUES IN ('eu');
    CREATE VIEW v AS SELECT * FROM k1;
    CREATE MATERIALIZED VIEW mv AS SELECT * FROM k1;
    CREATE TEMPORARY TABLE t (a int);
"#;

fn names(tables: &[Table]) -> Vec<String> {
    tables
        .iter()
        .map(|t| format!("{}.{}", t.schema, t.name))
        .collect()
}

fn key(table: &Table) -> Vec<&str> {
    table
        .key
        .iter()
        .map(|i| table.columns[*i].name.as_str())
        .collect()
}

fn named<'a>(tables: &'a [Table], name: &str) -> &'a Table {
    tables.iter().find(|t| t.name == name).unwrap()
}

fn identity(table: &Table) -> Vec<&str> {
    table
        .columns
        .iter()
        .filter(|c| c.identity)
        .map(|c| c.name.as_str())
        .collect()
}

#[tokio::test]
async fn tables_and_types_are_read_on_every_version() {
    for (major, server) in server::all() {
        let database = "envelope_catalog";
        let mut s = server.database(database).await;
        s.query(SETUP).await.unwrap();
        let everything = Capture::new(&Filters::default()).unwrap();
        let tables = catalog::tables(&mut s, &everything).await.unwrap();
        let all = [
            "My \"Schema.T'1",
            "public.f",
            "public.k1",
            "public.k3",
            "public.k4",
            "public.p",
            "public.p_eu",
            "public.x",
        ];
        assert_eq!(names(&tables), all, "PostgreSQL {major}");
        check_columns(named(&tables, "T'1"));
        let keys: [(&str, &[&str]); 6] = [
            ("k1", &["a"]),
            ("k3", &["b", "a"]),
            ("k4", &[]),
            ("x", &["id"]),
            ("f", &["id"]),
            ("p_eu", &["id", "r"]),
        ];
        for (table, expected) in keys {
            assert_eq!(
                key(named(&tables, table)),
                expected,
                "key of {table}, PostgreSQL {major}"
            );
        }
        assert_eq!(named(&tables, "x").replica_identity, ReplicaIdentity::Index);
        assert_eq!(identity(named(&tables, "x")), ["k"]);
        assert!(named(&tables, "x").columns[0].identity_column);
        assert_eq!(named(&tables, "f").replica_identity, ReplicaIdentity::Full);
        assert_eq!(identity(named(&tables, "f")), ["id", "ID"]);
        assert!(identity(named(&tables, "k1")).is_empty());

        let strange = named(&tables, "T'1");
        assert_eq!(
            catalog::table(&mut s, strange.oid).await.unwrap().as_ref(),
            Some(strange)
        );
        assert_eq!(catalog::table(&mut s, 1).await.unwrap(), None);
        check_types(&mut s, strange).await;
        drop(s);
        server.drop_database(database).await;
    }
}

fn check_columns(table: &Table) {
    assert_eq!(key(table), ["b", "a"]);
    assert_eq!(identity(table), ["b", "a"]);
    let columns: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(columns, ["b", "a", "d", "m", "ms", "s", "sn", "p", "g", "n", "r"]);
    let column = |name: &str| -> &Column { table.columns.iter().find(|c| c.name == name).unwrap() };
    assert!(!column("b").nullable && column("m").nullable && !column("n").nullable);
    assert!(!column("sn").nullable, "a domain that refuses NULL");
    assert!(
        column("s").nullable,
        "only the outermost domain counts, as in JDBC"
    );
    assert_eq!(column("a").comment.as_deref(), Some("it's a"));
    assert_eq!(column("m").default.as_deref(), Some("'ok'::mood"));
    assert_eq!(column("d").default.as_deref(), Some("now()"));
    assert_eq!(
        (column("n").typmod, column("n").default.as_deref()),
        (((10 << 16) | 2) + 4, Some("1.5"))
    );
    assert!(column("g").generated && column("g").default.is_none());
}

async fn check_types(s: &mut cdc_core::wire::Session, table: &Table) {
    let mut types = TypeCatalog::default();
    let oids: Vec<u32> = table.columns.iter().map(|c| c.type_oid).collect();
    catalog::types(s, &oids, &mut types).await.unwrap();
    let of = |name: &str| {
        types
            .get(table.columns.iter().find(|c| c.name == name).unwrap().type_oid)
            .unwrap()
    };
    let labels = TypeKind::Enum(["sad", "fine", "ok"].map(String::from).into());
    assert_eq!(
        (of("m").name.as_str(), of("m").schema.as_str(), &of("m").kind),
        ("mood", "public", &labels)
    );
    let TypeKind::Array {
        element,
        delimiter: b',',
    } = of("ms").kind
    else {
        panic!("{:?}", of("ms"))
    };
    assert_eq!(types.get(element).unwrap().kind, labels);
    let TypeKind::Domain { base, typmod: -1 } = of("s").kind else {
        panic!("{:?}", of("s"))
    };
    let TypeKind::Domain {
        base: numeric,
        typmod,
    } = types.get(base).unwrap().kind
    else {
        panic!("small")
    };
    assert_eq!(
        (types.get(numeric).unwrap().name.as_str(), typmod),
        ("numeric", ((5 << 16) | 1) + 4)
    );
    assert_eq!(
        (&of("p").kind, &of("r").kind),
        (&TypeKind::Composite, &TypeKind::Range)
    );
    assert_eq!(of("b").kind, TypeKind::Base);

    s.query("ALTER TYPE mood ADD VALUE 'new'").await.unwrap();
    catalog::types(s, &oids, &mut types).await.unwrap();
    let mood = types
        .get(table.columns.iter().find(|c| c.name == "m").unwrap().type_oid)
        .unwrap();
    assert_eq!(
        mood.kind,
        TypeKind::Enum(["sad", "fine", "ok", "new"].map(String::from).into())
    );
}

#[tokio::test]
async fn the_include_list_gives_the_order() {
    let server = server::main();
    let mut s = server.database("envelope_order").await;
    s.query("SET search_path = public; CREATE TABLE a1 (i int); CREATE TABLE b1 (i int); CREATE TABLE b2 (i int); CREATE TABLE c (i int)").await.unwrap();
    let mut filters = Filters::default();
    filters.tables.include = split_list("public.b.*, public.a1, public.b1");
    let tables = catalog::tables(&mut s, &Capture::new(&filters).unwrap())
        .await
        .unwrap();
    assert_eq!(names(&tables), ["public.b1", "public.b2", "public.a1"]);
    filters.tables.include = split_list("nothing.here");
    assert!(
        catalog::tables(&mut s, &Capture::new(&filters).unwrap())
            .await
            .unwrap()
            .is_empty()
    );
    drop(s);
    server.drop_database("envelope_order").await;
}
