"""Whether two engines have said the same of a table."""
import importlib.machinery
import importlib.util
import json
import pathlib
import re

COMPARE = pathlib.Path(__file__).resolve().parent.parent / "compare"
_loader = importlib.machinery.SourceFileLoader("conform_compare", str(COMPARE))
_spec = importlib.util.spec_from_loader("conform_compare", _loader)
comparator = importlib.util.module_from_spec(_spec)
_loader.exec_module(comparator)

ROUGH = re.compile(r'"(ts_ms|ts_us|ts_ns)":\d+|"sequence":"(?:[^"\\]|\\.)*"')


SECONDS = re.compile(r'(?<=[HMT])(-?\d+\.\d+)S(?=")')


def without_cut_seconds(text):
    """The text with the seconds of intervals to the microsecond: Debezium's are cut after a multiplication of doubles."""
    return SECONDS.sub(lambda m: f"{round(float(m[1]), 6):f}S", text)


def same_text(a, b):
    """Equality once what differs from run to run is masked; quickly for those that differ in nothing else.

    pgcdc's file does not tell the text `null` from no value: conformance cases do.
    """
    if a == b or a == "null" and b is None:
        return True
    if a is None or b is None:
        return False
    if ROUGH.sub("", a) == ROUGH.sub("", b):
        return True
    a, b = without_cut_seconds(a), without_cut_seconds(b)
    return comparator.norm_text(a) == comparator.norm_text(b)


def same_headers(a, b):
    strip = lambda hs: [(k, v) for k, v in hs if not k.startswith("__debezium.context.")]
    a, b = strip(a), strip(b)
    return len(a) == len(b) and all(x[0] == y[0] and same_text(x[1], y[1]) for x, y in zip(a, b))


def positions(value):
    """What both must agree on when they read the same log: transaction, position, commit time."""
    try:
        payload = json.loads(value)
    except (TypeError, ValueError):
        return None
    payload = payload.get("payload", payload) if isinstance(payload, dict) else payload
    source = payload.get("source") if isinstance(payload, dict) else None
    if not isinstance(source, dict) or source.get("snapshot") not in ("false", None):
        return None
    return tuple(source.get(k) for k in ("txId", "lsn", "ts_us"))


def differences(want, got):
    """The differences of one topic's records, as (index, part, expected, actual)."""
    out = []
    if len(want) != len(got):
        out.append((min(len(want), len(got)), "count", f"{len(want)} records", f"{len(got)} records"))
    for n, (a, b) in enumerate(zip(want, got)):
        for part, same in (("headers", same_headers(a[1], b[1])), ("key", same_text(a[2], b[2])), ("value", same_text(a[3], b[3])), ("partition", a[4] == b[4])):
            if not same:
                i = {"headers": 1, "key": 2, "value": 3, "partition": 4}[part]
                out.append((n, part, a[i], b[i]))
        if positions(a[3]) != positions(b[3]):
            out.append((n, "position", positions(a[3]), positions(b[3])))
    return out


def common_transactions(want, got):
    """The records of the transactions' topics without empty transactions that one alone has.

    Servers before 15 send those, and each engine's slot sees what the other does to the catalog while it starts.
    """
    def transaction(record):
        try:
            value = json.loads(record[3])
        except (TypeError, ValueError):
            return None, None
        value = value.get("payload", value) if isinstance(value, dict) else {}
        return (value.get("id"), value.get("event_count")) if isinstance(value, dict) else (None, None)
    ids = [{transaction(r)[0] for r in side} for side in (want, got)]
    empty = {i for side in (want, got) for i, count in map(transaction, side) if count == 0}
    # BEGIN and END differ in the position behind the colon
    alone = {str(i).split(":")[0] for i in empty & (ids[0] ^ ids[1])}
    return [[r for r in side if str(transaction(r)[0]).split(":")[0] not in alone] for side in (want, got)]


def blind(records, columns):
    """The records without some columns, in payloads and schemas."""
    def cut(v):
        if isinstance(v, dict):
            if "fields" in v and isinstance(v["fields"], list):
                v = {**v, "fields": [f for f in v["fields"] if f.get("field") not in columns]}
            return {k: cut(x) for k, x in v.items() if k not in columns}
        return [cut(x) for x in v] if isinstance(v, list) else v

    def side(text):
        try:
            return text and json.dumps(cut(json.loads(text)), ensure_ascii=False, separators=(",", ":"))
        except ValueError:
            return text
    return [(t, h, side(k), side(v), p) for t, h, k, v, p in records]


PROPAGATED = re.compile(r'"__debezium\.source\.column\.(type|length|scale)":"(?:[^"\\]|\\.)*",?')


def without_types(records, transformed):
    """The records without the propagated types of columns in those that a snapshot read: Debezium has other ones there.
    After transforms any may be one."""
    cut = lambda text: PROPAGATED.sub("", text) if text and (transformed or '"op":"r"' in text) else text
    # the key of a snapshot's record has no operation: leave the types out of all keys
    return [(t, h, k and PROPAGATED.sub("", k), cut(v), p) for t, h, k, v, p in records]


MOVED = re.compile(r'("(?:[^"\\]|\\.)*(?:ts_ms|ts_us|ts_ns|lsn|txId|xmin|sequence)(?:_2)?": ?)("(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:E[+-]?\d+)?)')
CLOCKED = re.compile(r"(ts_[mun]s|lsn|txId|xmin|sequence)(_2)?$")


def without_clocks(records):
    """The records without the values of fields that differ from run to run, wherever transforms have put them."""
    cut = lambda text: text and MOVED.sub(r"\1<masked>", text)
    return [(t, [(n, "<masked>" if CLOCKED.search(n) else cut(v)) for n, v in h], cut(k), cut(v), p) for t, h, k, v, p in records]


def fields(difference):
    """The names of the columns in which a difference shows, for the report: (where, name, expected, actual)."""
    n, part, a, b = difference
    try:
        a, b = json.loads(a), json.loads(b)
    except (TypeError, ValueError):
        return [(part, "", a, b)]
    out = []

    def walk(where, x, y):
        if type(x) is type(y) and isinstance(x, dict):
            if list(x) != list(y):
                out.append((where, "members", list(x), list(y)))
            for k in x:
                if k in y:
                    walk(f"{where}.{k}", x[k], y[k])
        elif isinstance(x, list) and isinstance(y, list) and len(x) == len(y):
            for i, (p, q) in enumerate(zip(x, y)):
                name = p.get("field") or p.get("name") if isinstance(p, dict) else None
                walk(f"{where}[{name if name is not None else i}]", p, q)
        elif x != y or type(x) is not type(y):
            if not re.search(r"ts_[mun]s$|sequence$|source.(txId|lsn)$", where):
                out.append((where, "", x, y))
    walk(part, a, b)
    return out or [(part, "as written", a, b)]


def spellings(name):
    """A column's name under each field name adjustment."""
    avro = re.sub(r"[^A-Za-z0-9_]", "_", name)
    # two zeros before what is below 256, be that of one digit
    code = lambda c: "".join(("_u{:x}" if n > 0xFF else "_u00{:x}").format(n) for n in (int.from_bytes(u, "big") for u in utf16(c)))
    unicode_ = "".join(c if re.match(r"[A-Za-z0-9]", c) else code(c) for c in name)
    digit = lambda s: "_" + s if s[:1].isdigit() else s
    return {name, digit(avro), avro, unicode_, digit(unicode_)}


def utf16(c):
    b = c.encode("utf-16-be")
    return [b[i:i + 2] for i in range(0, len(b), 2)]
