"""PostgreSQL types and random values of each, as the text that the server reads.

A value is the text of an untyped literal, or an `Expr` of SQL. Where Debezium is known to lose or change a value, the
value is an `Ill` that names the row of docs/differences.md: such a column is compared with everybody else's eyes shut
to it, so these are rare and never part of a key.
"""
import json
import math
import re
import struct


class Expr(str):
    """SQL, to be used as it is."""


class Ill(str):
    """A literal's text whose representation in Debezium is a documented defect; `rule` names it."""

    def __new__(cls, text, rule):
        self = super().__new__(cls, text)
        self.rule = rule
        return self


class Type:
    """A type: its SQL name, a function of a random generator to a value, and what may be built with it."""

    def __init__(self, sql, value, *, key=True, array=True, default=True, ill=None, since=13, needs=None, rule=None, toast=False, fragile=False):
        self.sql, self.value, self.key, self.array, self.default = sql, value, key, array, default
        self.fragile = fragile  # Debezium has only null for it, and fails where the column is NOT NULL
        self.ill, self.since, self.needs, self.rule, self.toast = ill, since, needs, rule, toast


def quote(text):
    return "'" + text.replace("'", "''") + "'"


def ident(name):
    return '"' + name.replace('"', '""') + '"'


def sql_value(v):
    """A value as SQL; None is NULL."""
    if v is None:
        return "NULL"
    return str(v) if isinstance(v, Expr) else quote(v)


def pick(*choices):
    return lambda r: r.choice(choices)


def integer(bits):
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    return lambda r: str(r.choice([low, high, 0, 1, -1, r.randint(low, high), r.randint(-1000, 1000), r.randint(0, 300)]))


def real(r):
    if r.random() < 0.5:
        return r.choice(["0", "-0", "1", "0.1", "1.1", "1e-45", "3.4028235e38", "-3.4028235e38", "1.1754944e-38", "16777216", "9999999", "1e7", "0.001",
                         "9.999e-4", "1234567.9", "NaN", "Infinity", "-Infinity", "1e10", "3.3333333", "2e-44", "8.5899346e9"])
    while True:
        f = struct.unpack("<f", struct.pack("<I", r.getrandbits(32)))[0]
        if math.isfinite(f):
            return repr(f)


def double(r):
    if r.random() < 0.5:
        return r.choice(["0", "-0", "1", "0.1", "5e-324", "1.7976931348623157e308", "2.2250738585072014e-308", "1e23", "2e23", "1e7", "9999999.999999998",
                         "0.001", "1e-3", "123456789.123456789", "NaN", "Infinity", "-Infinity", "9007199254740993", "1e21", "1e22", "100"])
    while True:
        d = struct.unpack("<d", struct.pack("<Q", r.getrandbits(64)))[0]
        if math.isfinite(d):
            return repr(d)


def digits(r, n):
    return "".join(r.choice("0123456789") for _ in range(n))


def numeric(p, s):
    def value(r):
        k = r.random()
        if k < 0.15:
            return "0"
        whole = p - s
        sign = r.choice(["", "-"])
        if k < 0.3:
            return sign + "9" * whole + ("." + "9" * s if s else "") if p else "0"
        head = digits(r, r.randint(0, max(whole, 0)))
        tail = digits(r, r.randint(0, s)) if s > 0 else ""
        return sign + (head or "0") + ("." + tail if tail else "")
    return value


def free_numeric(r):
    k = r.random()
    if k < 0.3:
        return r.choice(["0", "-0", "0.0", "0.000", "1.1000", "100", "1e20", "1e-20", "-1", "1", "255", "256", "-128", "-129", "127", "128", "0.1", "1e131", "1e-100",
                         "123456789012345678901234567890.123456789", "-0.00001", "1000000", "10.00"])
    return r.choice(["", "-"]) + digits(r, r.randint(1, 45)) + r.choice(["", "." + digits(r, r.randint(1, 30)), "." + digits(r, 3) + "000"])


def money(r):
    cents = r.choice([0, 1, -1, 5, -5, 99, 100, 12345, -99999, r.randint(-10**9, 10**9), 9223372036854775807, -9223372036854775808])
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


PIECES = ["a", "b", "Z", " ", "0", "é", "ß", "漢", "字", "😀", "𝄞", "ع", "\u00a0", "\u2028", "'", '"', "\\", "/", "<", "&", "\t", "\n", "\r", "\x01", "\x08", "\x0c",
          "\x1f", "\x7f", "\u200d", "\ufeff", "\ufffd", "null", ",", "{", "}", "$", "%", "=>", ";", "--"]


def text(longest=12):
    def value(r):
        k = r.random()
        if k < 0.08:
            return ""
        if k < 0.15:
            return r.choice(["NULL", "null", "true", "{}", "  ", "\\N", "\\.", "__debezium_unavailable_value", "0", "a'b", 'a"b'])[:longest]
        return "".join(r.choice(PIECES) for _ in range(r.randint(1, longest)))[:longest]
    return value


def big(r):
    """Something that goes out of line."""
    return Expr(f"repeat({quote(r.choice('xyzé'))}, {r.randint(2100, 9000)})")


def varying(n):
    make = text(n)
    return lambda r: make(r)[:n]


def big_text(r):
    return big(r) if r.random() < 0.12 else text(20)(r)


def bytea(r):
    if r.random() < 0.1:
        return Expr(f"decode(repeat('{r.choice(['ab', '00', 'ff'])}', {r.randint(2100, 6000)}), 'hex')")
    return "\\x" + "".join(f"{r.randint(0, 255):02x}" for _ in range(r.choice([0, 1, 2, 3, 4, 7, 20])))


def json_data(r, depth=0):
    k = r.random()
    if depth < 3 and k < 0.25:
        return {text(5)(r): json_data(r, depth + 1) for _ in range(r.randint(0, 3))}
    if depth < 3 and k < 0.4:
        return [json_data(r, depth + 1) for _ in range(r.randint(0, 3))]
    return r.choice([None, True, False, 0, -1, 1.5, 1e100, 12345678901234567890123, "", text(8)(r), "\u0001"])


def json_text(r):
    if r.random() < 0.2:
        return r.choice(['{"a": 1,  "a":2 }', "1.0", "1e5", '  "x"  ', "[1 , 2]", "null", "true", '{"\\u00e9": "\\ud83d\\ude00"}', "-0", "1E+2", "[]", "{}"])
    return json.dumps(json_data(r), ensure_ascii=r.random() < 0.3, indent=r.choice([None, None, 1]))


def big_json(r):
    if r.random() < 0.08:
        return Expr(f"jsonb_build_object('k', repeat('j', {r.randint(2100, 5000)}))")
    return json_text(r)


def uuid(r):
    return r.choice(["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "%032x" % r.getrandbits(128)])


def year(r, low=1, high=9999):
    return r.choice([r.randint(1900, 2100), r.randint(1900, 2100), 1970, 1969, 2000, r.randint(max(low, 1583), high), high])


def day(r, y):
    return f"{y:04d}-{r.randint(1, 12):02d}-{r.randint(1, 28):02d}" if r.random() < 0.9 else f"{y:04d}-12-31"


def date(r):
    return day(r, year(r))


def clock(r, precision=6):
    k = r.random()
    if k < 0.1:
        return "00:00:00"
    if k < 0.2:
        return "23:59:59" + ("." + "9" * precision if precision else "")
    t = f"{r.randint(0, 23):02d}:{r.randint(0, 59):02d}:{r.randint(0, 59):02d}"
    return t + ("." + digits(r, r.randint(1, precision)) if precision and r.random() < 0.7 else "")


def zone(r):
    return r.choice(["+00", "+00", "-08", "+05:30", "+14", "-12", "+15:59", "-15:59"])


def time_of(p):
    return lambda r: "24:00:00" if r.random() < 0.05 else clock(r, p)


def timetz_of(p):
    return lambda r: clock(r, p) + zone(r)


def timestamp_of(p, tz):
    def value(r):
        k = r.random()
        if k < 0.06:
            return r.choice(["infinity", "-infinity"])
        if k < 0.12:
            return f"{r.randint(1, 4713):04d}-03-0{r.randint(1, 9)} {clock(r, p)}{'+00' if tz else ''} BC"
        y = r.randint(10000, 290000) if k < 0.17 else year(r)
        return f"{day(r, y)} {clock(r, p)}" + (zone(r) if tz else "")
    return value


def interval(r):
    if r.random() < 0.3:
        return r.choice(["0", "1 year 2 mons 3 days 04:05:06.789012", "-1 year -2 mons -3 days -04:05:06.7", "1 mon -1 day", "1 day -00:00:00.000001", "-00:00:00.5",
                         "100 years", "999999:59:59.999999", "1 mon", "11 mons", "-11 mons", "13 mons", "-25 mons 400 days", "00:00:00.000001", "1000000 days"])
    return f"{r.randint(-20, 20)} years {r.randint(-20, 20)} mons {r.randint(-100, 100)} days {r.choice(['', '-'])}{r.randint(0, 99):02d}:{r.randint(0, 59):02d}:{clock(r)[6:]}"


def bits(n, varying_=False):
    def value(r):
        m = r.randint(0, n) if varying_ else n
        k = r.random()
        return ("0" * m if k < 0.15 else "1" * m if k < 0.3 else "1" + "0" * (m - 1) if m and k < 0.4 else "".join(r.choice("01") for _ in range(m)))
    return value


def inet(r):
    return r.choice([f"{r.randint(0, 255)}.{r.randint(0, 255)}.0.{r.randint(0, 255)}", f"10.1.2.3/{r.randint(0, 32)}", "::1", "2001:db8::1/64", "::ffff:1.2.3.4", "0.0.0.0/0"])


def cidr(r):
    return r.choice(["10.0.0.0/8", "192.168.1.0/24", "10.1.2.3/32", "2001:db8::/32", "::/0", "0.0.0.0/0", "10.1.2.3"])


def mac(n):
    return lambda r: ":".join(f"{r.randint(0, 255):02x}" for _ in range(n))


def range_of(value, order=sorted):
    def make(r):
        if r.random() < 0.1:
            return r.choice(["empty", "(,)", "[,]"])
        low, high = order([value(r), value(r)])
        low, high = (x if r.random() < 0.85 else "" for x in (low, high))
        wrap = lambda x: '"' + x + '"' if x else x
        return f"{r.choice('[(')}{wrap(low)},{wrap(high)}{r.choice('])')}"
    return make


def multi_of(value):
    return lambda r: "{" + ",".join(value(r) for _ in range(r.randint(0, 3))) + "}"


def small(r):
    return str(r.randint(-10000, 10000))


def numerically(pair):
    return sorted(pair, key=float)


def tidy_time(r):
    return f"20{r.randint(10, 99)}-0{r.randint(1, 9)}-1{r.randint(0, 9)} {clock(r)}"


def hstore(r):
    def q(s):
        return '"' + s.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return ", ".join(f"{q(text(6)(r))}=>{'NULL' if r.random() < 0.2 else q(text(8)(r))}" for _ in range(r.randint(0, 5)))


def number(r):
    return repr(r.choice([0.0, 1.0, -1.5, 1e-7, 1e21, round(r.uniform(-1000, 1000), 3), 0.1, -0.0, 1e300]))


def point(r):
    return f"({number(r)},{number(r)})"


def path(r):
    opening = r.choice("[(")
    return opening + point(r) + "," + point(r) + {"[": "]", "(": ")"}[opening]


def tsvector(r):
    return " ".join(r.choice(["a", "cat:1", "'it''s'", "fat:2,4C", "rat:3A", "é", "'x y'"]) for _ in range(r.randint(0, 4)))


def builtin():
    """Every type that needs no definition of its own."""
    T = Type
    types = [
        T("boolean", pick("t", "f")), T("smallint", integer(16)), T("integer", integer(32)), T("bigint", integer(64)), T("oid", pick("0", "42", "4294967295")),
        T("real", real, key=False), T("double precision", double, key=False), T("numeric", free_numeric, ill=nan), T("money", money),
        T("text", big_text, toast=True), T("varchar", big_text, toast=True), T('"char"', pick("a", "Z", "", "1")), T("name", text(10), array=False, key=False, rule="name"),
        T("bytea", bytea, toast=True), T("json", json_text, key=False), T("jsonb", lambda r: big_json(r).replace("\\u0000", ""), toast=True), T("uuid", uuid),
        T("date", date, ill=bad_date), T("interval", interval), T("inet", inet), T("cidr", cidr), T("macaddr", mac(6)), T("macaddr8", mac(8)),
        T("tsvector", tsvector), T("point", point, key=False), T("bit", bits(1), array=False), T("varbit", bits(40, True)), T("bit varying(1)", bits(1)),
        T("int4range", range_of(small, numerically)), T("int8range", range_of(small, numerically)), T("numrange", range_of(lambda r: numeric(8, 3)(r), numerically)),
        T("daterange", range_of(date)), T("tsrange", range_of(tidy_time)), T("tstzrange", range_of(tidy_time)),
        # no representation without include.unknown.datatypes
        T("tsquery", pick("a & b", "'x' | !y", "")), T("pg_lsn", pick("0/0", "16/B374D848")), T("jsonpath", pick("$.a", "$[*] ? (@ > 1)"), key=False),
        T("xid", pick("0", "4294967295"), key=False), T("regtype", pick("int4", "text", "-"), array=False, default=False),
        T("line", pick("{1,2,3}", "{-1,0,5.5}"), key=False), T("lseg", lambda r: f"[{point(r)},{point(r)}]", key=False), T("box", lambda r: f"{point(r)},{point(r)}", key=False, array=False),
        T("path", path, key=False), T("polygon", lambda r: f"({point(r)},{point(r)},{point(r)})", key=False),
        T("circle", lambda r: f"<{point(r)},{r.randint(0, 9)}>", key=False),
        T("int4multirange", multi_of(range_of(small, numerically)), since=14), T("tsmultirange", multi_of(range_of(tidy_time)), since=14),
        T("xml", pick("<a/>", "<a b=\"c\">é &amp; <d/></a>", "text only", ""), key=False, needs="xml"),
        T("hstore", hstore, needs="hstore", key=False), T("citext", text(10), needs="citext"), T("ltree", pick("Top", "a.b.c", "A_1.x", ""), needs="ltree", array="full"),
        T("isbn", pick("0393040026", "9780393040029"), needs="isn"), T("ean13", pick("4006381333931"), needs="isn"), T("upc", pick("220356483481"), needs="isn"),
        T("lquery", pick("a.*", "*.b|c"), needs="ltree", key=False),
        T("geometry", pick("POINT(1 2)", "SRID=4326;LINESTRING(0 0,1 1.5)", "POLYGON((0 0,1 0,1 1,0 0))", "POINT EMPTY", "SRID=3857;POINT Z(1 2 3)"), needs="postgis", key=False, default=False),
        T("geography", pick("POINT(1 2)", "LINESTRING(0 0,1 1)"), needs="postgis", key=False, default=False),
        T("geometry(Point,4326)", pick("SRID=4326;POINT(1 2)"), needs="postgis", key=False, default=False, array=False),
        T("txid_snapshot", pick("10:20:10,14,15", "1:1:"), key=False),
    ]
    for p, s in ((1, 0), (5, 0), (10, 2), (38, 10), (38, 0), (18, 18), (131, 60), (9, 9), (20, 1)):
        types.append(T(f"numeric({p},{s})", numeric(p, s), ill=nan))
    for n in (1, 3, 20, 255):
        types += [T(f"varchar({n})", varying(n)), T(f"char({n})", varying(n))]
    for p in (None, 0, 1, 2, 3, 4, 5, 6):
        a, q = f"({p})" if p is not None else "", 6 if p is None else p
        types += [T(f"time{a}", time_of(q)), T(f"time{a} with time zone", timetz_of(q), ill=bad_timetz),
                  T(f"timestamp{a}", timestamp_of(q, False), ill=far), T(f"timestamp{a} with time zone", timestamp_of(q, True))]
    for n in (2, 8, 9, 31, 64, 100):
        types += [T(f"bit({n})", bits(n), array=False), T(f"varbit({n})", bits(n, True), array=False)]
    for fields in ("year to month", "day to second(3)", "second(0)", "hour", "day"):
        types.append(T(f"interval {fields}", interval))
    return types


def nan(r):
    return Ill("NaN", "numeric NaN")


def bad_date(r):
    return Ill(r.choice(["infinity", "-infinity", "0044-03-15 BC", "4713-01-01 BC"]), "date infinity and BC")


def bad_timetz(r):
    return Ill("24:00:00+00", "timetz 24:00")


def far(r):
    return Ill("294276-12-31 23:59:59.999999", "timestamp beyond 294247")


# elements of arrays that Debezium reads
READABLE = re.compile(r"boolean|smallint|integer|bigint|oid|real|double|numeric|text|varchar|char\(|citext|date$|time|uuid|json|bytea|inet|cidr|macaddr$|hstore|ltree|geo|"
                      r"(int4|int8|num|ts|tstz|date)range$|types\.plain_enum|types.\"Odd|pub_enum")


def array_literal(elements):
    return "{" + ",".join("NULL" if e is None else '"' + e.replace("\\", "\\\\").replace('"', '\\"') + '"' for e in elements) + "}"


def array_of(t):
    """The array type over a type."""
    def element(r):
        while isinstance(v := t.value(r), (Expr, Ill)) or v == "24:00:00" or "infinity" in v or v.endswith("BC"):
            pass
        return v

    def bad(r):
        v = t.value(r)
        if t.sql.startswith("timestamp"):
            return Ill(array_literal([r.choice(["infinity", "-infinity", "0044-03-15 12:00:00 BC"])]), "timestamps in arrays")
        if t.sql.startswith("time("):
            return Ill(array_literal(["24:00:00"]), "time[] with 24:00")
        return nested(r)

    def value(r):
        return array_literal([None if r.random() < 0.15 and t.array != "full" else element(r) for _ in range(r.choice([0, 1, 1, 2, 3, 5]))])

    def nested(r):
        return Ill("{" + array_literal([element(r), element(r)]) + "," + array_literal([element(r), element(r)]) + "}", "arrays of more than one dimension")
    return Type(f"{t.sql}[]", value, key=False, array=False, since=t.since, needs=t.needs, ill=bad, fragile=not READABLE.match(t.sql))
