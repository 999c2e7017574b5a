//! The recorded cases, operation by operation.

use super::*;

#[test]
fn snapshot_markers() {
    let mut case = Case::new("snapshot_markers", schemaless, |_| ());
    let [a, b, d] = ["a", "b", "d"].map(|name| case.plan(&table("public", name, &[ID], &[0])));
    for (plan, id) in [(&a, "1"), (&a, "2"), (&a, "3"), (&b, "1"), (&d, "1"), (&d, "2")] {
        case.read(plan, &row([Some(id)]));
    }
    case.done();
}

fn schemaless(f: &mut Format) {
    (f.key_schemas, f.value_schemas) = (false, false);
}

#[test]
fn replica_identity() {
    let mut case = Case::new("replica_identity", |_| (), |_| ());
    let (a, b) = (("a", TEXT, -1, ""), ("b", INT4, -1, ""));
    let d = case.plan(&table("public", "d", &[ID, a, b], &[0]));
    case.insert(&d, row!("2" "b" "2"));
    case.update(&d, row!("1" "c" "1"));
    case.update_key(&d, row!("1" - -), row!("5" "c" "1"));
    case.delete_key(&d, row!("5" - -));

    let f = case.plan(&table("public", "f", &[ID, a, b], &[0]));
    case.insert(&f, row!("2" "b" "2"));
    case.update_full(&f, row!("1" "a" "1"), row!("1" "c" "1"));
    case.update_full(&f, row!("1" "c" "1"), row!("5" "c" "1"));
    case.row(&f, RowOp::Delete(OldRow::Full(row!("5" "c" "1").view())));
    case.update_full(&f, row!("2" "b" "2"), row!("2" "b" -));

    let x = case.plan(&table(
        "public",
        "x",
        &[("id", INT4, -1, "!"), ("k", INT4, -1, "!*"), a],
        &[0],
    ));
    case.insert(&x, row!("2" "20" "b"));
    case.update(&x, row!("1" "10" "c"));
    case.update_key(&x, row!(- "10" -), row!("1" "11" "c"));
    case.update(&x, row!("9" "11" "c"));
    case.delete_key(&x, row!(- "11" -));

    let n = case.plan(&table("public", "n", &[a, b], &[]));
    case.insert(&n, row!("b" "2"));
    let nf = case.plan(&table("public", "nf", &[a, b], &[]));
    case.insert(&nf, row!("b" "2"));
    case.update_full(&nf, row!("a" "1"), row!("a" "3"));
    case.row(&nf, RowOp::Delete(OldRow::Full(row!("a" "3").view())));

    let columns = [("a", INT4, -1, "!*"), ("b", TEXT, -1, "!*"), ("v", TEXT, -1, "")];
    let c = case.plan(&table("public", "c", &columns, &[1, 0]));
    case.insert(&c, row!("2" "k2" "v2"));
    case.update(&c, row!("1" "k" "w"));
    case.update_key(&c, row!("1" "k" -), row!("1" "k3" "w"));
    case.delete_key(&c, row!("1" "k3" -));
    case.done();
}

#[test]
fn naming() {
    let format = |f: &mut Format| {
        f.schema_name_adjustment = NameAdjustment::Avro;
        f.field_name_adjustment = NameAdjustment::Avro;
        f.topic_delimiter = "_".into();
        let key = |table: &str, columns: &[&str]| MessageKey {
            table: table.into(),
            columns: columns.iter().map(|c| (*c).to_owned()).collect(),
        };
        f.message_keys = vec![key("public.keyless", &["a"]), key("(.*).k2", &["code", "id"])];
    };
    let mut case = Case::new("naming", format, |_| ());
    let int = |name| (name, INT4, -1, "");
    let columns = [
        ("Id Col", INT4, -1, "!*"),
        ("naïve", TEXT, -1, ""),
        int("1st"),
        ("a.b", TEXT, -1, ""),
        int("select"),
    ];
    let strange = case.plan(&table("My Schema", "Strange-Table.1", &columns, &[0]));
    let k2 = case.plan(&table(
        "public",
        "k2",
        &[ID, ("code", TEXT, -1, "!"), int("Größe")],
        &[0],
    ));
    let keyless = case.plan(&table("public", "keyless", &[int("a"), ("b", TEXT, -1, "")], &[]));
    case.read(&strange, row!("1" "x" "2" "y" "3"));
    case.read(&k2, row!("1" "c" "3"));
    case.read(&keyless, row!("1" "k"));
    case.update(&strange, row!("1" "x" "5" "y" "3"));
    case.insert(&keyless, row!("2" -));
    case.update(&k2, row!("1" "c" "4"));
    case.delete_key(&k2, row!("1" - -));
    case.done();
}

#[test]
fn filters() {
    let columns = |list: &str| split_list(list);
    let format = |f: &mut Format| {
        f.column_rules = vec![
            ColumnRule::Truncate {
                columns: columns("inv.orders.note"),
                chars: 5,
            },
            ColumnRule::Mask {
                columns: columns("inv.orders.card"),
                chars: 6,
            },
            ColumnRule::PropagateSourceType {
                columns: columns(r"inv\.customers\..*"),
                types: Vec::new(),
            },
            ColumnRule::Hash {
                columns: columns("inv.customers.email"),
                algorithm: "SHA-256".into(),
                salt: "CzQMA0cB5K".into(),
                version: HashVersion::V1,
            },
        ];
    };
    let mut case = Case::new("filters", format, |f| {
        f.schemas.include = columns("inv");
        f.tables.include = columns("inv.orders,inv.cust.*");
        f.columns.exclude = columns(r"inv\.orders\.secret");
    });
    let text = |name| (name, TEXT, -1, "");
    let card = ("card", VARCHAR, 24, "");
    let amount = ("amt", NUMERIC, ((8 << 16) | 2) + 4, "");
    let orders = case.plan(&table(
        "inv",
        "orders",
        &[ID, text("secret"), card, text("note"), amount],
        &[0],
    ));
    let customers = case.plan(&table(
        "inv",
        "customers",
        &[ID, text("email"), text("name")],
        &[0],
    ));
    let other = table("other", "t", &[ID], &[0]);
    assert!(case.encoder.plan(&other, &catalog()).unwrap().is_none());
    case.read(
        &orders,
        row!("1" "s" "4111111111111111" "a long note here" "1.50"),
    );
    case.read(&customers, row!("1" "a@b.c" "Ann"));
    case.insert(&orders, row!("2" "s2" "4222" "short" -));
    case.update(
        &orders,
        row!("1" "changed" "4111111111111111" "a long note here" "1.50"),
    );
    case.update(&orders, row!("1" "changed" - "abcdefgh" "1.50"));
    case.insert(&customers, row!("2" - "Bob"));
    case.delete_key(&customers, row!("1" - -));
    case.done();
}

#[test]
fn logical_messages() {
    let mut case = Case::new("logical_messages", |_| (), |_| ());
    messages(&mut case);
    case.done();
}

#[test]
fn logical_messages_filter() {
    let mut case = Case::new("logical_messages_filter", schemaless, |f| {
        f.message_prefixes.include = split_list("pfx")
    });
    messages(&mut case);
    case.done();
}

fn messages(case: &mut Case) {
    let a = case.plan(&table("public", "a", &[ID], &[0]));
    let message = |case: &mut Case, prefix: &str, content: &[u8], transactional| {
        case.play(|e, c, out| e.message(prefix, content, transactional, c, out).unwrap());
    };
    case.insert(&a, row!("1"));
    message(case, "pfx", b"transactional body", true);
    case.insert(&a, row!("2"));
    message(case, "pfx", b"loose body", false);
    message(case, "other.prefix", b"\x00\xff\x10", false);
    case.insert(&a, row!("3"));
}

#[test]
fn transaction_metadata() {
    let mut case = Case::new("transaction_metadata", |f| f.transaction_metadata = true, |_| ());
    let v = ("v", TEXT, -1, "");
    let a = case.plan(&table("public", "a", &[ID, v], &[0]));
    let b = case.plan(&table("public", "b", &[ID, v], &[0]));
    let c = case.plan(&table("s2", "c", &[ID], &[0]));
    let begin = |case: &mut Case| case.play(|e, c, out| e.begin(c, out).unwrap());
    let commit = |case: &mut Case| case.play(|e, c, out| e.commit(c, out).unwrap());
    case.read(&a, row!("0" "s"));
    begin(&mut case);
    case.insert(&a, row!("1" "x"));
    case.insert(&b, row!("1" "y"));
    case.update(&a, row!("1" "z"));
    case.insert(&c, row!("1"));
    case.delete_key(&b, row!("1" -));
    commit(&mut case);
    for new in [row!("2" "x"), row!("4" "kept")] {
        begin(&mut case);
        case.insert(&a, new);
        commit(&mut case);
    }
    case.done();
}

#[test]
fn skipped_operations() {
    let format = |f: &mut Format| {
        schemaless(f);
        f.skipped_operations = vec![Operation::Update, Operation::Delete];
        f.tombstones_on_delete = false;
    };
    let mut case = Case::new("skipped_operations", format, |_| ());
    let a = case.plan(&table("public", "a", &[ID, ("v", TEXT, -1, "")], &[0]));
    case.read(&a, row!("1" "x"));
    case.insert(&a, row!("2" "y"));
    case.update(&a, row!("1" "z"));
    case.delete_key(&a, row!("1" -));
    case.update_key(&a, row!("2" -), row!("3" "y"));
    case.row(&a, RowOp::Truncate);
    case.done();
}

#[test]
fn truncate() {
    let mut case = Case::new("truncate", |f| f.skipped_operations.clear(), |_| ());
    let a = case.plan(&table("public", "a", &[ID], &[0]));
    let b = case.plan(&table("public", "b", &[ID, ("a", INT4, -1, "")], &[0]));
    case.read(&a, row!("1"));
    case.read(&b, row!("1" "1"));
    case.row(&a, RowOp::Truncate);
    case.row(&b, RowOp::Truncate);
    case.insert(&a, row!("2"));
    case.row(&a, RowOp::Truncate);
    case.row(&b, RowOp::Truncate);
    case.done();
}

#[test]
fn toast() {
    let mut case = Case::new("toast", |_| (), |_| ());
    let column = |name, oid| (name, oid, -1, "");
    let common = [
        column("small", TEXT),
        column("big", TEXT),
        column("bb", BYTEA),
        column("bj", JSONB),
        column("ba", TEXTS),
    ];
    let mut columns = vec![ID];
    columns.extend(common);
    let tf = case.plan(&table("public", "tf", &columns, &[0]));
    columns.extend([column("bi", INT4S), column("bn", NUMERIC)]);
    let td = case.plan(&table("public", "td", &columns, &[0]));
    let (big, bytes) = ("t".repeat(3000), format!("\\x{}", "ab".repeat(3000)));
    let (json, texts) = (
        format!("{{\"k\": \"{}\"}}", "j".repeat(3000)),
        format!("{{{}}}", "a".repeat(3000)),
    );
    let numbers = (1..=1500)
        .map(|n: u32| n.to_string())
        .collect::<Vec<_>>()
        .join(",");
    let numbers = format!("{{{numbers}}}");
    let full = |small| {
        row([
            Some("1"),
            Some(small),
            Some(&big),
            Some(&bytes),
            Some(&json),
            Some(&texts),
        ])
    };
    let all = [
        Some("1"),
        Some("s"),
        Some(&big),
        Some(&bytes),
        Some(&json),
        Some(&texts),
        Some(&numbers),
        Some("1"),
    ];
    case.insert(&td, &row(all));
    case.insert(&tf, &full("s"));
    case.update(&td, row!("1" "u" "~" "~" "~" "~" "~" "1"));
    let sparse = row([Some("1"), Some("u"), Some("~"), Some("~"), Some(&json), Some("~")]);
    case.update_full(&tf, &full("s"), &sparse);
    case.update(&td, row!("1" "u" "now small" "~" "~" "~" "~" "1"));
    case.update_key(
        &td,
        row!("1" - - - - - - -),
        row!("2" "u" "now small" "~" "~" "~" "~" "1"),
    );
    case.delete_key(&td, row!("2" - - - - - - -));
    case.row(&tf, RowOp::Delete(OldRow::Full(full("u").view())));
    case.done();
}
