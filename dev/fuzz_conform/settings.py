"""Random connector properties, one set for each batch of tables."""

MODES = {
    "decimal.handling.mode": ["precise", "precise", "double", "string"],
    "time.precision.mode": ["adaptive", "adaptive", "adaptive_time_microseconds", "connect", "isostring", "microseconds", "nanoseconds"],
    "interval.handling.mode": ["numeric", "string"],
    "hstore.handling.mode": ["json", "map"],
    "binary.handling.mode": ["bytes", "bytes", "base64", "base64-url-safe", "hex"],
    "include.unknown.datatypes": ["false", "true"],
    "converter.schemas.enable": ["true", "true", "false"],
}
RARE = {
    "converter.decimal.format": ["NUMERIC"],
    "converter.replace.null.with.default": ["false"],
    "tombstones.on.delete": ["false"],
    "skipped.operations": ["none", "u", "d", "u,d", "r", "t,d"],
    "provide.transaction.metadata": ["true"],
    "unavailable.value.placeholder": ["__gone", "é😀"],
    "schema.name.adjustment.mode": ["avro", "avro_unicode"],
    "field.name.adjustment.mode": ["avro", "avro_unicode"],
    "column.propagate.source.type": [".*", r".*\.id,.*\.a.*"],
    "datatype.propagate.source.type": [r".*\.NUMERIC,.*\.VARCHAR,.*\.TEXT"],
    "include.schema.comments": ["true"],
    "column.truncate.to.3.chars": [r".*\.a,.*\.name", r".*"],
    "column.mask.with.5.chars": [r".*\.note", r".*\.b.*"],
    "column.mask.hash.SHA-256.with.salt.CzQMA0cB5K": [r".*\.val,.*\.x"],
    "column.mask.hash.v2.MD5.with.salt.s": [r".*\.data,.*\.qty"],
    "column.exclude.list": [r".*\.amount,.*\.flag.*"],
    "column.include.list": [r".*\.id,.*\.[a-m].*"],
    "message.key.columns": [r".*\.t\d*[02468]_.*:id", r"public\..*:id"],
    "table.exclude.list": [r".*\.t\d*7_.*"],
    "schema.exclude.list": ["inv"],
    "topic.delimiter": ["_", "-"],
    "skip.messages.without.change": ["true"],
    "snapshot.mode": ["no_data"],
    "money.fraction.digits": ["0", "4"],
    "extended.headers.enabled": ["false"],
    "publish.via.partition.root": ["true"],
    "publication.autocreate.mode": ["filtered"],
    "topic.naming.strategy": ["io.debezium.schema.DefaultTopicNamingStrategy", "io.debezium.schema.SchemaUnicodeTopicNamingStrategy"],
}


def choose(r):
    """The properties of a batch."""
    props = {k: v for k, choices in MODES.items() if (v := r.choice(choices)) != choices[0] or r.random() < 0.3}
    for key in r.sample(sorted(RARE), r.choice([0, 1, 2, 3, 5])):
        props[key] = r.choice(RARE[key])
    if "column.include.list" in props:
        props.pop("column.exclude.list", None)
    return props
