"""Random tables, and what happens to them: one table with its rows, changes and DDL is one case."""
import copy
import dataclasses
import re

from .catalogue import Expr, Ill, Type, array_of, builtin, ident, json_text, pick, quote, sql_value, timestamp_of, uuid
from .transforms import payload

SCHEMAS = ["public", "public", "public", "inv", "Mixed Case", "s.dot", "schéma", 'q"uote']
ODD_NAMES = ["Mixed", "with space", "dot.ted", "ünïcödé", "漢字", 'quo"te', "dash-ed", "select", "user", "1digit", "dollar$", "a" * 40, "back\\slash", "semi;colon",
             "per%cent", "tab\tbed", "emoji😀", "it's", "UPPER", "_under", "paren(th)", "com,ma", "col:on", "star*", "a.b.c", "[brackets]"]
PLAIN_NAMES = ["a", "b", "name", "amount", "created_at", "n1", "val", "data", "flag", "note", "x", "qty"]

DEFINITIONS = """
create schema inv; create schema "Mixed Case"; create schema "s.dot"; create schema "schéma"; create schema "q""uote"; create schema types;
create type types.plain_enum as enum ('a', 'b', 'c');
create type types."Odd Enum" as enum ('happy, yes', 'it''s', 'é😀', '', ' sp ', 'quo"te', 'back\\slash');
create type pub_enum as enum ('x', 'y');
create domain types.d_num as numeric(8,3);
create domain types.d_text as text check (value <> 'never');
create domain types.d_nested as types.d_num;
create domain types."D Default" as integer default 7;
create domain types.d_varchar as varchar(10);
create domain types.d_ts as timestamp(3);
create domain types.d_bits as bit(9);
create domain types.d_array as integer[];
create domain types.d_notnull as integer not null;
create type types.pair as (a integer, b text);
create type types.floatrange as range (subtype = float8);
"""


def user_types():
    """Types that DEFINITIONS makes."""
    odd = pick("happy, yes", "it's", "é😀", "", " sp ", 'quo"te', "back\\slash")
    num = pick("0", "1.5", "-99999.999", "12345.678")
    return [
        Type("types.plain_enum", pick("a", "b", "c"), array="full"), Type('types."Odd Enum"', odd, array="full"), Type("pub_enum", pick("x", "y"), array="full"),
        Type("types.d_num", num), Type("types.d_nested", num), Type("types.d_text", pick("", "x", "é")), Type('types."D Default"', pick("0", "-5")),
        Type("types.d_varchar", pick("", "ab", "0123456789")), Type("types.d_ts", pick("2024-02-29 12:34:56.789", "1969-12-31 23:59:59.999")),
        Type("types.d_bits", pick("101000001", "000000000"), array=False), Type("types.d_array", pick("{1,2}", "{}", "{NULL}"), array=False, key=False, default=False),
        Type("types.d_notnull", pick("1", "2"), array=False), Type("types.pair", pick("(1,x)", '(,"a b")', "(2,)"), key=False, default=False),
        Type("types.floatrange", pick("[1,2)", "empty", "(,3.5]"), key=False),
    ]


def types_for(version, extensions):
    """Every type that a server has, arrays among them."""
    base = [t for t in builtin() + user_types() if t.since <= version and (t.needs is None or t.needs in extensions)]
    return base, [array_of(t) for t in base if t.array]


@dataclasses.dataclass
class Column:
    """A column as it was made; `lineage` are the names it has had."""

    name: str
    type: Type
    not_null: bool = False
    default: str | None = None
    generated: str | None = None
    external: bool = False
    comment: str | None = None
    rule: str | None = None

    def definition(self):
        parts = [ident(self.name), self.type.sql]
        if self.generated:
            return " ".join(parts + [self.generated])
        if self.default is not None:
            parts.append(f"default {self.default}")
        if self.not_null:
            parts.append("not null")
        return " ".join(parts)


@dataclasses.dataclass
class Table:
    """One case. Phase 0 is what the snapshot sees; each later phase is DDL, then transactions of statements."""

    number: int
    schema: str
    suffix: str
    columns: list
    key: tuple  # ("none",) | ("primary", [columns]) | ("unique", [columns])
    identity: str  # default | full | nothing | index
    born: int
    phases: list
    rules: dict = dataclasses.field(default_factory=dict)  # column -> row of docs/differences.md
    chain: list = dataclasses.field(default_factory=list)  # transforms of its own

    def name(self):
        return f"t{self.number}{self.suffix}"

    def sql_name(self, renames=()):
        return f"{ident(self.schema)}.{ident(self.name())}"

    def create(self):
        """The statements that make the table."""
        t, lines = self.sql_name(), [c.definition() for c in self.columns]
        kind, *columns = self.key
        if kind == "primary":
            lines.append(f"primary key ({', '.join(ident(c) for c in columns[0])})")
        out = [f"create table {t} ({', '.join(lines)})"]
        if kind == "unique":
            out.append(f"create unique index {ident('u' + str(self.number))} on {t} ({', '.join(ident(c) for c in columns[0])})")
        if self.identity == "index":
            out.append(f"alter table {t} replica identity using index {ident('u' + str(self.number))}")
        elif self.identity != "default":
            out.append(f"alter table {t} replica identity {self.identity}")
        for c in self.columns:
            if c.external:
                out.append(f"alter table {t} alter column {ident(c.name)} set storage external")
            if c.comment:
                out.append(f"comment on column {t}.{ident(c.name)} is {quote(c.comment)}")
        return out

    def ddl(self, phase):
        """The statements that change the table's definition in a phase."""
        made = self.create() if phase == self.born else []
        return made + [ddl_sql(self.sql_name(), op) for op in self.phases[phase]["ddl"]]

    def transactions(self, phase):
        """The statements of a phase, a list for each transaction."""
        return [[statement_sql(self.sql_name(), s) for s in tx] for tx in self.phases[phase]["txs"]]

    def script(self, phase):
        """The phase's changes as one text."""
        out = []
        for tx in self.transactions(phase):
            out += tx if len(tx) == 1 else ["begin", *tx, "commit"]
        return "".join(f"{s};\n" for s in out)

    def without(self, column):
        """A copy without a column and all that names it; None if the table cannot do without it."""
        names = {column}
        for phase in self.phases:
            for op in phase["ddl"]:
                if op[0] == "rename" and op[1] in names:
                    names.add(op[2])
        kind, *keys = self.key
        if "id" in names or keys and set(keys[0]) & names or any(op[0] == "primary" and set(op[1]) & names for p in self.phases for op in p["ddl"]):
            return None
        c = copy.deepcopy(self)
        c.columns = [x for x in c.columns if x.name not in names]
        for phase in c.phases:
            phase["ddl"] = [op for op in phase["ddl"] if not touches(op, names)]
            phase["txs"] = [tx for tx in ([s for s in map(lambda s: narrowed(s, names), tx) if s] for tx in phase["txs"]) if tx]
        return c


def touches(op, names):
    named = {"add": lambda: op[1].name, "drop": lambda: op[1], "rename": lambda: op[1], "retype": lambda: op[1], "default": lambda: op[1], "not null": lambda: op[1]}
    return op[0] in named and named[op[0]]() in names


def narrowed(statement, names):
    kind, *rest = statement
    if kind == "insert":
        return ("insert", {k: v for k, v in rest[0].items() if k not in names})
    if kind == "update":
        values = {k: v for k, v in rest[0].items() if k not in names}
        return ("update", values, rest[1]) if values else None
    return statement


def ddl_sql(t, op):
    kind, *a = op
    if kind == "add":
        return f"alter table {t} add column {a[0].definition()}"
    if kind == "drop":
        return f"alter table {t} drop column {ident(a[0])}"
    if kind == "rename":
        return f"alter table {t} rename column {ident(a[0])} to {ident(a[1])}"
    if kind == "retype":
        return f"alter table {t} alter column {ident(a[0])} type {a[1]} using {ident(a[0])}::{a[1]}"
    if kind == "default":
        return f"alter table {t} alter column {ident(a[0])} " + (f"set default {a[1]}" if a[1] is not None else "drop default")
    if kind == "not null":
        return f"alter table {t} alter column {ident(a[0])} {'set' if a[1] else 'drop'} not null"
    if kind == "identity":
        return f"alter table {t} replica identity {a[0]}"
    if kind == "no key":
        return f"alter table {t} drop constraint {ident(a[0])}"
    if kind == "primary":
        return f"alter table {t} add constraint {ident(a[1])} primary key ({', '.join(ident(c) for c in a[0])})"
    raise ValueError(kind)


def statement_sql(t, statement):
    kind, *a = statement
    if kind == "insert":
        return f"insert into {t} ({', '.join(map(ident, a[0]))}) values ({', '.join(map(sql_value, a[0].values()))})"
    if kind == "update":
        return f"update {t} set {', '.join(f'{ident(k)} = {sql_value(v)}' for k, v in a[0].items())} where id = {a[1]}"
    if kind == "delete":
        return f"delete from {t} where id = {a[0]}"
    if kind == "truncate":
        return f"truncate {t}"
    if kind == "savepoint":
        return a[0]
    if kind == "message":
        return f"select from pg_logical_emit_message(true, {quote(a[0])}, {quote(a[1])})"
    raise ValueError(kind)


FUNCTIONS = {
    "text": ["lower('ABC')", "md5('a')"], "varchar": ["lower('ABC')"], "uuid": ["gen_random_uuid()"], "date": ["CURRENT_DATE", "now()"],
    "timestamp": ["now()", "CURRENT_TIMESTAMP", "LOCALTIMESTAMP"], "timestamp with time zone": ["now()", "CURRENT_TIMESTAMP", "clock_timestamp()"],
    "double precision": ["random()"], "time": ["LOCALTIME"], "integer": ["length('abc')"], "boolean": ["starts_with('ab', 'a')"],
}
WRONG = {"text": ["'a' || 'b'", "CURRENT_USER"], "boolean": ["1 = 1"]}


# years that are not plainly within; BC and infinities
BEYOND_NANOSECONDS = re.compile(r"BC|inf|\d{5,}-|(?<!\d)(?!1[7-9]|20|21)\d{4}-")


class Maker:
    """Makes the tables of one batch."""

    def __init__(self, r, version, extensions, settings, ill=0.015, messages=False):
        self.r, self.ill, self.messages = r, ill, messages
        self.nanoseconds = settings.get("time.precision.mode") == "nanoseconds"
        # Debezium makes up the values of key columns that a filter leaves out
        self.filtered = any(k.startswith(("column.include", "column.exclude")) for k in settings)
        self.cutting = any(k.startswith("column.truncate") for k in settings)
        self.base, self.arrays = types_for(version, extensions)

    def type(self):
        return self.r.choice(self.arrays) if self.r.random() < 0.2 else self.r.choice(self.base)

    def column(self, name):
        """A column; without known differences where no ill values are asked for."""
        while (c := self.any_column(name)).rule and not self.ill:
            pass
        return c

    def any_column(self, name):
        r, t = self.r, self.type()
        c = Column(name, t, rule=t.rule)
        if r.random() < 0.03:
            c.generated = r.choice(["generated always as (id * 2) stored", "generated always as (id + 1) stored"])
            c.type, c.rule = Type("integer", lambda _: None), None
            return c
        if r.random() < 0.04:
            c.type, c.rule = Type(r.choice(["serial", "bigserial", "smallserial"]), lambda r: str(r.randint(1, 99))), None
            return c
        if r.random() < 0.3 and self.may_require(t):
            c.not_null = True
        if self.cutting and t.sql == "numeric":
            c.rule = "measures of types in the snapshot"
        if t.default and r.random() < 0.3:
            c.default = self.default(c)
        c.external = t.toast and r.random() < 0.6
        if r.random() < 0.08:
            c.comment = r.choice(["plain", "it's", "é \"quoted\"", "two\nlines"])
        return c

    def default(self, c):
        r, name = self.r, c.type.sql
        k = r.random()
        if k < 0.2 and name in FUNCTIONS:
            return r.choice(FUNCTIONS[name])
        if k < 0.03 and not c.not_null:
            return "NULL"
        if k > 0.97 and name in WRONG:
            c.rule = "defaults in schemas"
            return r.choice(WRONG[name])
        v = self.plain(c.type)
        if re.search(r"infinity|24:00:00", v) and re.match("time|types.d_ts", name) or "'" in v and "enum" in name.lower() or "." in v and name.startswith("interval"):
            c.rule = "defaults in schemas"
        return f"({v})" if isinstance(v, Expr) else quote(v)

    def value(self, table, c):
        r = self.r
        if c.generated:
            return None
        if not c.not_null and r.random() < 0.2:
            return None
        if c.type.ill and not c.not_null and r.random() < self.ill:
            v = c.type.ill(r)
            table.rules[c.name] = v.rule
            return v
        return self.plain(c.type)

    def may_require(self, t):
        """Whether Debezium has a value for NOT NULL columns of the type in old rows that do not carry them."""
        return not t.fragile and not (self.nanoseconds and t.sql.startswith("timestamp") and "zone" not in t.sql)

    def plain(self, t):
        """A value without defects: nanoseconds since 1970 in 64 bits end in 1677 and 2262; and a cut string must not
        end between the halves of a character.
        """
        while True:
            v = t.value(self.r)
            if self.cutting and isinstance(v, str) and not isinstance(v, Ill):
                v = type(v)("".join(c for c in v if ord(c) <= 0xFFFF))
            if not (self.nanoseconds and t.sql.startswith("timestamp") and "zone" not in t.sql and BEYOND_NANOSECONDS.search(v)):
                return v

    def table(self, number):
        r = self.r
        odd = r.random() < 0.4
        suffix = "_" + (r.choice(ODD_NAMES) if odd else r.choice(PLAIN_NAMES))
        born = 0 if r.random() < 0.85 else 1
        names, columns = set(), []
        for _ in range(r.choice([1, 2, 3, 3, 4, 5, 6, 8, 12])):
            name = self.fresh(names, 0.25)
            names.add(name)
            columns.append(self.column(name))
        columns.insert(r.randint(0, len(columns)), Column("id", Type("integer", lambda _: "0"), not_null=r.random() < 0.3))
        t = Table(number, r.choice(SCHEMAS), suffix, columns, ("none",), "default", born, [])
        if len(t.name().encode()) > 63:
            t.suffix = "_cut"
        self.choose_key(t)
        t.rules = {c.name: c.rule for c in columns if c.rule}
        self.fill(t)
        return t

    def outbox(self, number):
        """A table as EventRouter wants it."""
        r = self.r
        names = pick("order", "customer", "a-b_c", "1")
        data = r.choice([Type("jsonb", payload), Type("json", payload), Type("text", payload), Type("bytea", pick("\\x7b7d", "\\x00ff")), Type("jsonb", json_text), Type("text", pick("", "plain", "[1]"))])
        columns = [Column("id", Type("integer", lambda _: "0"), not_null=True), Column("aggregatetype", Type("varchar(255)", names), not_null=True),
                   Column("aggregateid", r.choice([Type("varchar(255)", names), Type("bigint", pick("1", "2")), Type("uuid", uuid)]), not_null=r.random() < 0.8),
                   Column("type", Type("varchar(255)", pick("Created", "Gone")), not_null=r.random() < 0.8), Column("payload", data)]
        extra = [Column("at", r.choice([Type("timestamp", pick("2024-01-02 03:04:05.678901")), Type("bigint", pick("1700000000000", "0")), Type("timestamptz", timestamp_of(3, True))]), not_null=True),
                 Column("version", Type("integer", pick("1", "2", "3"))), Column("note", Type("text", pick("n", "é", ""))), Column("amount", Type("numeric(10,2)", pick("1.50", "0"))), Column("flag", Type("boolean", pick("t", "f")))]
        columns += r.sample(extra, r.choice([0, 1, 2, 3]))
        t = Table(number, "public", "_outbox", columns, ("primary", ["id"]), r.choice(["default", "full"]), 0, [])
        self.fill(t)
        return t

    def fresh(self, names, odd):
        r = self.r
        while True:
            name = r.choice(ODD_NAMES if r.random() < odd else PLAIN_NAMES) + r.choice(["", "", str(r.randint(0, 99))])
            if name not in names and name != "id" and len(name.encode()) <= 63:
                return name

    def choose_key(self, t):
        r = self.r
        able = [c for c in t.columns if c.type.key and not c.rule and not c.generated and c.name != "id" and not c.external and not set('"()') & set(c.name) and not self.filtered]
        others = r.sample(able, min(len(able), r.choice([0, 0, 1, 2])))
        columns = [c.name for c in others] + ["id"]
        r.shuffle(columns)
        k = r.random()
        if k < 0.65:
            t.key = ("primary", columns)
        elif k < 0.8:
            t.key = ("unique", columns)
            t.identity = "index" if r.random() < 0.7 else "default"
            for c in t.columns:
                if c.name in columns:
                    c.not_null = True
        if t.identity == "default" and r.random() < (0.25 if t.key[0] == "primary" else 0.7):
            t.identity = r.choice(["full", "full", "full", "nothing"])

    def fill(self, t):
        r = self.r
        live, ids = [dataclasses.replace(c) for c in t.columns], []
        key = set(t.key[1]) if len(t.key) > 1 else set()
        for n in range(r.choice([2, 2, 3, 4])):
            phase = {"ddl": [], "txs": []}
            if n > t.born and r.random() < 0.5:
                for _ in range(r.choice([1, 1, 2])):
                    self.change_definition(t, live, phase, key)
            if n >= t.born:
                for _ in range(r.choice([1, 2, 3])):
                    tx = [s for _ in range(r.choice([1, 1, 2, 4])) if (s := self.statement(t, live, ids, n, key))]
                    if self.messages and r.random() < 0.3:
                        tx.append(("message", r.choice(["p", "q.é"]), json_text(r).replace("\\u0000", "")))
                    if len(tx) > 2 and r.random() < 0.15:
                        tx[1:2] = [("savepoint", "savepoint s"), tx[1], ("savepoint", "rollback to savepoint s")]
                    phase["txs"].append(tx)
            t.phases.append(phase)

    def row(self, t, live, key):
        r, row = self.r, {}
        for c in live:
            if c.name == "id" or c.generated or c.type.sql.endswith("serial") and r.random() < 0.7:
                continue
            if (c.default is not None or not c.not_null and c.name not in key) and r.random() < 0.15:
                continue
            v = self.value(t, c)
            while c.name in key and (v is None or isinstance(v, (Ill, Expr))):
                v = self.plain(c.type)
            row[c.name] = v
        return row

    def statement(self, t, live, ids, phase, key):
        r = self.r
        k = r.random()
        changeable = t.identity == "full" or t.identity == "index" or t.key[0] == "primary" and t.identity == "default"
        if not ids or k < 0.45 or not (changeable and phase):
            ids.append(n := len(ids) + 1 + r.choice([0, 0, 0, 100]))
            row = self.row(t, live, key)
            return ("insert", {"id": str(n), **row})
        n = r.choice(ids)
        if k < 0.8:
            row = self.row(t, live, key)
            few = dict(r.sample(sorted(row.items(), key=lambda p: p[0]), min(len(row), r.choice([1, 1, 2, 5]))))
            if r.random() < 0.1:
                few["id"] = Expr(str(n + 1000))
                ids[ids.index(n)] = n + 1000
            return ("update", few, n) if few else None
        if k < 0.97:
            return ("delete", n)
        return ("truncate",)

    def change_definition(self, t, live, phase, key):
        r = self.r
        free = [c for c in live if c.name != "id" and c.name not in key and not c.generated]
        kind = r.choice(["add", "add", "drop", "rename", "retype", "default", "not null", "identity", "key"])
        op = None
        if kind == "add":
            c = self.column(self.fresh({c.name for c in live} | {c.name for c in t.columns}, 0.25))
            if c.not_null and c.default is None:
                c.not_null = False
            c.external, c.comment = False, None
            if c.rule:
                t.rules[c.name] = c.rule
            live.append(c)
            op = ("add", dataclasses.replace(c))
        elif kind == "identity" and t.identity in ("default", "full") and t.key[0] == "primary":
            op = ("identity", r.choice(["full", "default"]))
        elif kind == "key" and t.key[0] == "primary" and t.identity == "full" and not any(o[0] in ("no key", "primary") for p in t.phases + [phase] for o in p["ddl"]):
            name = f"k{t.number}"
            phase["ddl"].append(("no key", f"{t.name()}_pkey"))
            if r.random() < 0.7:
                phase["ddl"].append(("primary", ["id"], name))
        elif free:
            c = r.choice(free)
            if kind == "drop":
                live.remove(c)
                op = ("drop", c.name)
            elif kind == "rename":
                name = self.fresh({c.name for c in live} | {c.name for c in t.columns}, 0.25)
                op = ("rename", c.name, name)
                if c.name in t.rules:
                    t.rules[name] = t.rules[c.name]
                c.name = name
            elif kind == "retype":
                op = self.retype(c)
            elif kind == "default" and c.type.default:
                c.default = self.default(c) if r.random() < 0.7 else None
                if c.rule:
                    t.rules[c.name] = c.rule
                op = ("default", c.name, c.default)
            elif kind == "not null":
                c.not_null = not c.not_null and self.may_require(c.type)
                op = ("not null", c.name, c.not_null)
        if op:
            phase["ddl"].append(op)

    def retype(self, c):
        wider = {"smallint": "bigint", "integer": "bigint", "real": "double precision", "varchar(20)": "text", "varchar(3)": "varchar(30)", "text": "varchar",
                 "numeric(10,2)": "numeric(20,2)", "numeric(5,0)": "integer", "date": "timestamp", "timestamp": "timestamp(3)", "time": "time(3)", "json": "jsonb", "uuid": "text"}
        if c.type.sql not in wider:
            return None
        new = next(t for t in self.base if t.sql == wider[c.type.sql])if wider[c.type.sql] in [t.sql for t in self.base] else Type(wider[c.type.sql], pick("x", "y"))
        c.type, c.default = new, c.default
        return ("retype", c.name, new.sql)
