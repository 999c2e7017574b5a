"""Tables at the limits: what is long, wide, deep or far away."""
from .catalogue import Expr, Type
from .tables import Column, Table


def one(number, suffix, columns, rows, schema="public", updates=(), key=("primary", ["id"]), identity="default", rules=None):
    """A table with rows in the snapshot and the same ones, with other ids, in the stream."""
    columns = [Column("id", Type("integer", None)), *columns]
    inserts = lambda base: [[("insert", {"id": str(base + i), **row})] for i, row in enumerate(rows)]
    phases = [{"ddl": [], "txs": inserts(1)}, {"ddl": [], "txs": inserts(1001) + [[u] for u in updates]}]
    return Table(number, schema, suffix, columns, key, identity, 0, phases, rules or {})


def column(name, sql, **more):
    return Column(name, Type(sql, None), **more)


def tables(settings):
    """Every table, numbered from 0."""
    out = []

    def add(suffix, columns, rows, **more):
        out.append(one(len(out), suffix, columns, rows, **more))
    add("_digits", [column("n", "numeric")], [
        {"n": Expr("repeat('9', 131072)::numeric")}, {"n": Expr("('0.' || repeat('9', 16383))::numeric")},
        {"n": Expr("(repeat('8', 131072) || '.' || repeat('7', 16383))::numeric")}, {"n": Expr("-(repeat('1', 100000)::numeric)")}, {"n": Expr("1e131071::numeric")}, {"n": "1e-16383"}])
    add("_thousand", [column("n", "numeric(1000,0)"), column("m", "numeric(1000,1000)")], [
        {"n": "9" * 1000, "m": "0." + "9" * 1000}, {"n": "-1", "m": "0"}])
    days = ["5874897-12-31", "5874897-01-01", "0001-01-01", "1582-10-04", "1582-10-15", "10000-01-01", "9999-12-31", "292278-12-31"]
    add("_dates", [column("d", "date")], [{"d": d} for d in days])
    add("_gap", [column("d", "date")], [{"d": "1582-10-10"}], rules={"d": "dates that the Julian calendar skipped"})
    stamps = ["294246-12-31 23:59:59.999999", "0001-01-01 00:00:00", "1582-10-04 23:59:59.999999", "1582-10-15 00:00:00", "4713-11-24 00:00:00 BC", "0001-12-31 23:59:59.999999 BC"]
    if settings.get("time.precision.mode") != "nanoseconds":
        add("_stamps", [column("a", "timestamp"), column("b", "timestamp(3)")], [{"a": s, "b": s.replace("9.999999", "9.999")} for s in stamps])
    add("_zoned", [column("a", "timestamptz"), column("b", "timestamptz(0)")], [{"a": f"{s}+00" if "BC" not in s else s.replace(" BC", "+00 BC"), "b": "294276-12-31 23:59:58+00"} for s in stamps])
    add("_spans", [column("i", "interval")], [{"i": s} for s in (
        "178000000 years", "-178000000 years", "2147483647 days", "-2147483648 days", "2147483647 hours", "292471 years 11 mons 30 days 23:59:59.999999", "-292471 years")])
    add("_long", [column("t", "text", external=True), column("b", "bytea", external=True), column("j", "jsonb"), column("n", "integer")], [
        {"t": Expr("repeat('é😀\"', 200000)"), "b": Expr("decode(repeat('00ff7f', 300000), 'hex')"), "j": Expr("('[' || repeat('[', 900) || repeat(']', 900) || ']')::jsonb"), "n": "1"},
        {"t": Expr("repeat('x', 4000000)"), "b": Expr("''::bytea"), "j": Expr("to_jsonb(repeat(E'\\n', 100000))"), "n": "2"}],
        updates=[("update", {"n": "7"}, 1001), ("delete", 1002)], rules={"b": "bytea unchanged"} if "base64" in settings["binary.handling.mode"] else None)
    add("_arrays", [column("a", "integer[]"), column("t", "text[]")], [
        {"a": Expr("(select array_agg(g) from generate_series(1, 20000) g)"), "t": Expr("array_fill('NULL'::text, array[2000])")}, {"a": "[5:7]={1,2,3}", "t": "{}"}])
    add("_wide", [column(f"c{i}", "smallint") for i in range(1599)], [{f"c{i}": str(i % 7) for i in range(0, 1599, 2)}, {"c1598": "1"}], updates=[("update", {"c0": "5"}, 1001)], identity="full")
    add("_nulls", [column(f"c{i}", "text") for i in range(300)], [{}, {"c299": ""}], updates=[("delete", 1001)], identity="full")
    odd = ["x" * 63, "é" * 31, "😀" * 15, "漢" * 21, 'q""\'\\"', ". .. .", " lead", "trail ", "\t\n", "%s{}$1", "__op", "before", "ts_ms"]
    add("_" + "ü" * 29, [column(n, "integer") for n in odd], [{n: str(i) for i, n in enumerate(odd)}], schema="schéma", updates=[("update", {odd[0]: "9"}, 1001), ("delete", 1001)], identity="full")
    add('_".\\é', [column("a", "integer")], [{"a": "1"}], schema='q"uote', updates=[("delete", 1001)])
    add("_floats", [column("f", "real"), column("d", "double precision")], [
        {"f": f, "d": d} for f, d in (("1.4e-45", "4.9e-324"), ("3.4028235e38", "1.7976931348623157e308"), ("9.999999e-4", "2.2250738585072009e-308"), ("1e-3", "1e-3"), ("2e-44", "1e16"), ("1.17549435e-38", "9.999999999999999e22"))])
    add("_money", [column("m", "money")], [{"m": "92233720368547758.07"}, {"m": "-92233720368547758.08"}])
    return out
