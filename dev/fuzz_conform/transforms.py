"""Random transforms: chains of one to three of Debezium's and Kafka's classes, with predicates.

A step is (class, options, predicate, negated). A table's own chain stands under a predicate on the table's topics, so
that many chains share a run; a chain of a whole batch has any predicate, but leaves the fences alone. In options and
patterns «t» stands for the table's name up to its number.
"""
import json
import re

DEBEZIUM = "io.debezium.transforms."
KAFKA = "org.apache.kafka.connect.transforms."
MINE, OTHERS = "mine", "not the fences"
FENCES = ".*zzfence.*"
# what neither drops a record nor fails nor renames its topic, so that fences may pass it
HARMLESS = {"InsertHeader", "DropHeaders", "ExtractChangedRecordState", "TimezoneConverter", "SchemaChangeEventFilter", "SetSchemaMetadata$Value", "HoistField$Value"}
ADDED = ["op", "table", "lsn", "source.ts_ms:src_ts_ms", "db", "source.snapshot", "schema", "transaction.id:tx", "source.version", "name", "source.nope", "transaction.total_order"]
ENVELOPE = ["before", "after", "source", "op", "ts_ms", "transaction"]
NUMBERS = re.compile(r"^(smallint|integer|bigint|real|double|serial|bigserial|smallserial|boolean)")
ZONES = ["Europe/Paris", "America/New_York", "Asia/Kolkata", "UTC", "+05:30", "-08:00", "Pacific/Apia", "+00:00"]
FORMATS = ["yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "yyyyMMdd", "dd/MM/yyyy HH:mm", "EEE, d MMM yyyy", "yyyy-MM-dd HH:mm:ss.SSS", "hh:mm a", "D", "yy-M-d H:m:s"]


class Chain:
    """What is known of a record on its way through a chain, and the steps so far."""

    def __init__(self, r, table):
        self.r, self.table, self.steps, self.shape = r, table, [], "envelope"
        self.columns = {c.name: c.type.sql for c in table.columns if plain(c.name)} if table else {"id": "integer"}
        self.key = [c for c in (table.key[1] if table and len(table.key) > 1 else ["id"]) if plain(c)] or ["id"]
        self.fields, self.headers = list(ENVELOPE), ["__debezium.context.connectorLogicalName"]
        self.hoists = self.lends = False

    def copied(self, names):
        """Notes that key or headers now hold the row itself: Debezium's TimezoneConverter changes it there too."""
        self.lends |= bool({"before", "after", "whole"} & set(names))

    def some(self, names, most=3):
        """A few of the names, now and then one that is not there."""
        picked = self.r.sample(names, min(len(names), self.r.randint(1, most))) if names else []
        if not picked or self.r.random() < 0.06:
            picked.append("missing")
        return picked

    def field(self):
        return self.some(self.fields, 1)[0]

    def side(self):
        return self.r.choice(["$Value", "$Value", "$Value", "$Key"])

    def of(self, side):
        return self.key if side == "$Key" else self.fields

    def add(self, name, options):
        prefix = KAFKA if name.split("$")[0] in STOCK else DEBEZIUM
        prefix = {"EventRouter": DEBEZIUM + "outbox.", "PartitionRouting": DEBEZIUM + "partitions.",
                  "DecodeLogicalDecodingMessageContent": "io.debezium.connector.postgresql.transforms."}.get(name, prefix)
        self.steps.append([prefix + name, {k: v for k, v in options.items() if v is not None}, None, False])


def plain(name):
    """Whether lists of names can hold it."""
    return not set(",:.\\\t$%{}") & set(name) and name == name.strip()


def maybe(r, p, *choices):
    return r.choice(choices) if r.random() < p else None


def extract_new_record_state(c):
    r = c.r
    old = r.random() < 0.2
    prefix, added = maybe(r, 0.3, "", "meta_", "x-"), r.sample(ADDED, r.choice([0, 0, 1, 3]))
    headers = r.sample(ADDED, r.choice([0, 0, 0, 2]))
    header_prefix = maybe(r, 0.3, "", "h.")
    c.add("ExtractNewRecordState", {
        "delete.tombstone.handling.mode": None if old else maybe(r, 0.8, "drop", "tombstone", "rewrite", "rewrite-with-tombstone", "delete-to-tombstone"),
        "delete.handling.mode": maybe(r, 0.8, "drop", "rewrite", "none") if old else None,
        "drop.tombstones": maybe(r, 0.6, "true", "false") if old else None,
        "add.fields": ",".join(added) or None, "add.fields.prefix": prefix if added else None,
        "add.headers": ",".join(headers) or None, "add.headers.prefix": header_prefix if headers else None,
        "route.by.field": maybe(r, 0.03, *c.columns),
        "drop.fields.header.name": maybe(r, 0.5, "Unchanged") if "Unchanged" in c.headers else None,
        "drop.fields.from.key": maybe(r, 0.1, "true"), "drop.fields.keep.schema.compatible": maybe(r, 0.15, "true", "false"),
        "replace.null.with.default": maybe(r, 0.2, "true", "false")})
    c.shape, c.fields = "row", list(c.columns)
    c.fields += [("__" if prefix is None else prefix) + a.split(":")[-1].replace(".", "_") for a in added]
    c.headers += [("__" if header_prefix is None else header_prefix) + a.split(":")[-1].replace(".", "_") for a in headers]


def extract_changed_record_state(c):
    c.add("ExtractChangedRecordState", {"header.changed.name": maybe(c.r, 0.8, "Changed"), "header.unchanged.name": maybe(c.r, 0.8, "Unchanged")})
    if "header.unchanged.name" in c.steps[-1][1]:
        c.headers.append("Unchanged")


def by_logical_table_router(c):
    r = c.r
    regex, replacement = r.choice([(r"(.*[._-]t\d+_)(.*)", "$1all"), (r"(.*)([._-]t\d+_).*", "$1$2"), (r"(.*)([._-])(t)(\d+)(_.*)", "$1$2$3$4_x"), ("nothing", "x")])
    own = r.random() < 0.4
    c.add("ByLogicalTableRouter", {
        "topic.regex": regex, "topic.replacement": replacement, "key.enforce.uniqueness": maybe(r, 0.4, "true", "false"),
        "key.field.name": maybe(r, 0.3, "from_table", "id"), "key.field.regex": r".*[._-](t\d+)_(.*)" if own else None, "key.field.replacement": r.choice(["$1", "$2-$1", "k"]) if own else None,
        "schema.name.adjustment.mode": maybe(r, 0.4, "avro", "avro_unicode", "none")})


def header_to_value(c):
    if c.hoists:  # a hoisted tombstone is an object without a schema, which Debezium refuses
        return
    names = c.some(c.headers, 2)
    fields = [r for r in c.r.sample(["from_header", "after.h", "extra", "meta.h"], len(names))]
    if c.shape != "envelope":
        fields = [f.replace(".", "_") for f in fields]
    c.add("HeaderToValue", {"headers": ",".join(names), "fields": ",".join(fields), "operation": c.r.choice(["copy", "move"])})
    c.fields += [f for f in fields if "." not in f]


def timezone_converter(c):
    if c.lends:
        return
    r, options = c.r, {"converted.timezone": c.r.choice(ZONES)}
    if c.table and r.random() < 0.5:
        name = r.choice(list(c.columns) or ["id"])
        table = c.table.suffix
        rule = r.choice([f"source:«t»{table}:{name}", f"source:«t»{table}", f"«t»{table}:{name}", "source:other:x"]) if re.fullmatch(r"\w+", table + name, re.ASCII) else "other:x"
        options[r.choice(["include.list", "exclude.list"])] = rule
    c.add("TimezoneConverter", options)


def schema_change_event_filter(c):
    c.add("SchemaChangeEventFilter", {"schema.change.event.exclude.list": c.r.choice(["CREATE", "DROP,ALTER", "TRUNCATE"])})


def partition_routing(c):
    r = c.r
    # "after" of a delete and "before" of an insert end Debezium's connector
    fields = ["change." + f for f in c.some([n for n, t in c.columns.items() if "bit" not in t], 2)]  # hashes of bits differ from run to run + r.choice([[], [], ["op"], ["source.table"]])
    c.add("PartitionRouting", {"partition.payload.fields": ",".join(fields), "partition.topic.num": str(r.choice([1, 3, 7, 16])), "partition.hash.function": maybe(r, 0.6, "java", "murmur")})


def event_router(c):
    r, has = c.r, set(c.columns)
    extra = [f"{n}:{r.choice(['header', 'envelope', 'header:h_' + n, 'envelope:e_' + n, 'partition'] if 'int' in c.columns[n] else ['header', 'envelope', 'header:h-' + n, 'envelope:e_' + n])}"
             for n in r.sample(sorted(has - {"id", "payload"}), r.choice([0, 0, 1, 2]) if len(has) > 3 else 0)]
    expand = c.table.columns[4].type.value is payload and r.random() < 0.6
    c.add("EventRouter", {
        "table.op.invalid.behavior": maybe(r, 0.6, "warn", "error"), "table.field.event.key": maybe(r, 0.3, *sorted(has)), "table.field.event.id": maybe(r, 0.1, *sorted(has)),
        "table.field.event.timestamp": "at" if "at" in has and r.random() < 0.6 else None, "table.field.event.schema.version": "version" if "version" in has and r.random() < 0.4 else None,
        "table.fields.additional.placement": ",".join(extra) or None, "table.field.additional.missing": maybe(r, 0.2, "ignore", "error"),
        "route.topic.replacement": r.choice(["out.«t»_${routedByValue}", "«t»_.${routedByValue}", "x.«t»_all"]), "route.by.field": maybe(r, 0.2, "type", "aggregateid"),
        "route.topic.regex": maybe(r, 0.2, "(?<routedByValue>.*)", "(?<routedByValue>.).*"), "route.tombstone.on.empty.payload": maybe(r, 0.4, "true", "false"),
        "table.expand.json.payload": "true" if expand else None, "table.json.payload.null.behavior": maybe(r, 0.4, "ignore", "optional_bytes") if expand else None})
    c.shape, c.fields = "message", ["payload"]


def cast(c):
    r, side = c.r, c.side()
    names = [n for n in c.of(side) if n not in ("before", "after", "source", "transaction", "ts_ms")]
    if r.random() < 0.9:
        names = [n for n in names if NUMBERS.match(c.columns.get(n, "")) or r.random() < 0.15] or ["id"]
    kinds = ["int8", "int16", "int32", "int64", "float32", "float64", "boolean", "string", "string"]
    c.add("Cast" + side, {"spec": ",".join(f"{n}:{r.choice(kinds)}" for n in c.some(names)), "replace.null.with.default": maybe(r, 0.2, "true", "false")})


def drop_headers(c):
    c.add("DropHeaders", {"headers": ",".join(c.some(c.headers, 2))})


def extract_field(c):
    side = c.side()
    names = [n for n in c.of(side) if n not in ("source", "ts_ms")]
    name, version = c.some(names, 1)[0], None
    if side == "$Value" and c.shape == "envelope" and c.r.random() < 0.6:
        name, version = c.r.choice(["after", "before"]) + "." + (c.some(list(c.columns), 1)[0]), "V2"
        c.shape = "scalar"
    c.add("ExtractField" + side, {"field": name, "field.syntax.version": version, "replace.null.with.default": maybe(c.r, 0.2, "true", "false")})
    if side == "$Value":
        c.shape = "row" if name == "after" else "scalar"
        c.fields = list(c.columns) if name == "after" else []


def compares_bits(table, steps):
    """Whether a chain lists what changed in a table with bits, which always count as changed in Debezium."""
    lists = any(s[0].endswith("ExtractChangedRecordState") for s in steps)
    columns = table.columns + [op[1] for p in table.phases for op in p["ddl"] if op[0] == "add"]
    return lists and any(c.type.sql.startswith(("bit", "varbit", "types.d_bits")) for c in columns)


def drop_record(c):
    c.add("Filter", {})


def flatten(c):
    side, delimiter = c.side(), maybe(c.r, 0.5, "_", "-")
    c.add("Flatten" + side, {"delimiter": delimiter})
    if side == "$Value" and c.shape == "envelope":
        c.shape, c.fields = "row", [f"{p}{delimiter or '.'}{n}" for p in ("before", "after") for n in c.columns] + ["op"]


def header_from(c):
    side = c.side()
    names = [n for n in dict.fromkeys(c.some(c.of(side), 2)) if n != "source"] or ["op"]
    c.copied(names)
    c.add("HeaderFrom" + side, {"fields": ",".join(names), "headers": ",".join(f"h-{n}" for n in names), "operation": c.r.choice(["copy", "move"]), "replace.null.with.default": maybe(c.r, 0.2, "true", "false")})
    c.headers += [f"h-{n}" for n in names]


def hoist_field(c):
    side = c.side()
    c.add("HoistField" + side, {"field": "whole"})
    if side == "$Value":
        c.shape, c.fields, c.hoists = "hoisted", ["whole"], True


def insert_field(c):
    r, side = c.r, c.side()
    optional = lambda n: n + r.choice(["", "", "!", "?"])
    options = {"topic.field": optional("the_topic") if r.random() < 0.5 else None, "static.field": optional("st") if r.random() < 0.6 else None, "static.value": "é pg",
               "partition.field": optional("the_partition") if r.random() < 0.15 else None, "timestamp.field": "at_ts_ms" if r.random() < 0.1 else None,
               "replace.null.with.default": maybe(r, 0.2, "true", "false")}
    if not any(k in options and options[k] for k in ("topic.field", "static.field", "partition.field", "timestamp.field")):
        options["static.field"] = "st"
    if not options["static.field"]:
        del options["static.value"]
    c.add("InsertField" + side, options)


def insert_header(c):
    c.add("InsertHeader", {"header": "x-h", "value.literal": c.r.choice(["42", "text", "1.5", "true", "null", "-7", "é \"q\"", "2024-01-02T03:04:05.006Z", "12345678901", "'x'"])})
    c.headers.append("x-h")


def mask_field(c):
    r, side = c.r, c.side()
    whole = {n for n, t in c.columns.items() if t.startswith(("numeric", "types.d_n", "money"))}  # Debezium's zeros of decimals have no scale
    names = [n for n in c.of(side) if n not in whole and n not in ("before", "after", "source", "transaction") and n.split(".")[-1].split("_")[-1] not in whole] or ["op"]
    c.add("MaskField" + side, {"fields": ",".join(c.some(names, 2)), "replacement": maybe(r, 0.3, "***", "0", "7"), "replace.null.with.default": maybe(r, 0.2, "true", "false")})


def regex_router(c):
    regex, replacement = c.r.choice([("(.*)([._-]t\\d+_.*)", "out$2"), ("srv.(.*)", "x.$1"), ("(?<a>.*)([._-]t)(?<n>\\d+)(_.*)", "${a}$2${n}_"), ("nothing", "x")])
    c.add("RegexRouter", {"regex": regex, "replacement": replacement})


def replace_field(c):
    r, side = c.r, c.side()
    names = c.of(side)
    options = {"renames": ",".join(f"{n}:{n}_2" for n in c.some(names, 2)) if r.random() < 0.5 else None, "replace.null.with.default": maybe(r, 0.2, "true", "false")}
    options[r.choice(["include", "exclude"])] = ",".join(c.some(names))
    c.add("ReplaceField" + side, options)


def set_schema_metadata(c):
    name, version = maybe(c.r, 0.7, "my.Name", "é"), maybe(c.r, 0.6, "7")
    c.add("SetSchemaMetadata" + c.side(), {"schema.name": name or (None if version else "N"), "schema.version": version, "replace.null.with.default": maybe(c.r, 0.2, "true", "false")})


def timestamp_converter(c):
    r = c.r
    times = [n for n in c.fields if re.match("date$|time", c.columns.get(n, ""))] or [n for n in c.fields if "int" in c.columns.get(n, "")] or ["id"]
    target = r.choice(["string", "unix", "Date", "Time", "Timestamp"])
    c.add("TimestampConverter$Value", {"field": r.choice(times) if r.random() < 0.95 else c.field(), "target.type": target,
                                       "format": r.choice(FORMATS) if target == "string" or r.random() < 0.2 else None,
                                       # larger units make days of 32 bits wrap around
                                       "unix.precision": r.choice(["microseconds", "nanoseconds"]) if target == "Date" else maybe(r, 0.5, "seconds", "milliseconds", "microseconds", "nanoseconds"), "replace.null.with.default": maybe(r, 0.2, "true", "false")})


def timestamp_router(c):
    c.add("TimestampRouter", {"topic.format": "${topic}-${timestamp}", "timestamp.format": maybe(c.r, 0.5, "yyyyMM")})


def value_to_key(c):
    names = list(dict.fromkeys(n for n in c.some(c.fields) if n not in ("source", "ts_ms"))) or ["op"]
    c.copied(names)
    c.add("ValueToKey", {"fields": ",".join(names), "replace.null.with.default": maybe(c.r, 0.2, "true", "false")})


STOCK = {"Cast", "DropHeaders", "ExtractField", "Filter", "Flatten", "HeaderFrom", "HoistField", "InsertField", "InsertHeader", "MaskField", "RegexRouter", "ReplaceField", "SetSchemaMetadata",
         "TimestampConverter", "TimestampRouter", "ValueToKey"}
ANYWHERE = [cast, drop_headers, extract_field, flatten, header_from, hoist_field, insert_field, insert_header, insert_header, mask_field, regex_router, replace_field, replace_field,
            set_schema_metadata, value_to_key, header_to_value, timezone_converter, by_logical_table_router, partition_routing, schema_change_event_filter, timestamp_router]
ON_ENVELOPES = [extract_changed_record_state, extract_changed_record_state, timezone_converter, by_logical_table_router, partition_routing]
ON_ROWS = [cast, timestamp_converter, timestamp_converter, mask_field, value_to_key, header_from, replace_field, insert_field]


def chain(r, table, shared=False):
    """The steps of a table's chain, or of a batch's."""
    c = Chain(r, table)
    if table and table.name().endswith("_outbox"):
        event_router(c)
    elif r.random() < 0.55:
        if r.random() < 0.3:
            extract_changed_record_state(c)
        extract_new_record_state(c)
    most = r.choice([1, 2, 2, 3, 3])
    while len(c.steps) < most:
        makers = ANYWHERE + (ON_ENVELOPES * 2 if c.shape == "envelope" else ON_ROWS * 2 if c.shape == "row" else [])
        if shared:
            makers = [m for m in makers if m is not timestamp_router] + [drop_record]
        r.choice(makers)(c)
    for step in c.steps:
        condition(c, step, shared)
    return [tuple(s) for s in c.steps]


def condition(c, step, shared):
    """Puts a step under a predicate."""
    if not shared:
        step[2] = MINE
        return
    name, r = step[0].rsplit(".", 1)[1], c.r
    added = [h for h in c.headers if h in ("x-h", "Changed") or h.startswith("h-")]
    kinds = [(OTHERS, True)] * 3 + [("tombstone", False), (r"topic .*[._-]t\d*[02468]_.*", False)] + [(f"header {h}", False) for h in added]
    if name in HARMLESS:
        kinds += [(None, False)] * 2 + [("tombstone", True), (r"topic .*t\d*1_.*", True)]
    if name == "Filter":
        kinds = [("tombstone", False), (r"topic .*[._-]t\d*3_.*", False)]
    step[2], step[3] = r.choice(kinds)


def messages():
    """The chain of logical messages that hold JSON."""
    return [("io.debezium.connector.postgresql.transforms.DecodeLogicalDecodingMessageContent", {}, "topic srv.message", False)]


def properties(chains):
    """Connector properties of chains, each with the name that stands for «t»."""
    names, out, predicates = [], {}, {}
    for label, steps in chains:
        for n, (type_, options, predicate, negated) in enumerate(steps):
            name = f"{label}s{n}"
            names.append(name)
            out[f"transforms.{name}.type"] = type_
            out.update({f"transforms.{name}.{k}": v.replace("«t»", label) for k, v in options.items()})
            if predicate:
                alias = f"p_{label}" if predicate == MINE else "p_" + re.sub(r"\W", lambda m: f"{ord(m[0]):x}", predicate)
                predicates[alias] = (predicate, label)
                out[f"transforms.{name}.predicate"] = alias
                if negated:
                    out[f"transforms.{name}.negate"] = "true"
    for alias, (predicate, label) in predicates.items():
        kind, _, rest = predicate.partition(" ")
        pattern = {MINE: rf".*(^|[._-]){label}_.*", OTHERS: FENCES}.get(predicate, rest)
        class_, option = {"tombstone": ("RecordIsTombstone", None), "header": ("HasHeaderKey", ("name", rest))}.get(kind, ("TopicNameMatches", ("pattern", pattern)))
        out[f"predicates.{alias}.type"] = f"{KAFKA}predicates.{class_}"
        if option:
            out[f"predicates.{alias}.{option[0]}"] = option[1]
    if names:
        out |= {"transforms": ",".join(names), "errors.tolerance": "all"}
        if predicates:
            out["predicates"] = ",".join(predicates)
    return out


def shorter(steps):
    """Smaller versions of a chain."""
    out = [steps[:i] + steps[i + 1:] for i in range(len(steps))]
    for i, (type_, options, predicate, negated) in enumerate(steps):
        for k in options:
            less = {o: v for o, v in options.items() if o != k}
            out.append(steps[:i] + [(type_, less, predicate, negated)] + steps[i + 1:])
    return out


def payload(r):
    """JSON that EventRouter can expand into a struct: arrays hold values of one kind."""
    def value(depth):
        k = r.random()
        if depth < 2 and k < 0.25:
            return {f"k{i}": value(depth + 1) for i in range(r.randint(0, 3))}
        if depth < 2 and k < 0.4:
            return r.choice([[], [1, 2], ["a", "b"], [None], [1.5], [True], [{"a": 1}, {"a": 2}]])
        return r.choice([None, True, 0, -1, 1.5, 12345678901, "", "é", "x"])
    return json.dumps({f"f{i}": value(0) for i in range(r.randint(1, 4))}, ensure_ascii=False)
