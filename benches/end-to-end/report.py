"""Writes docs/performance.md from benches/results.tsv."""
import collections
import statistics

HEAD = """# Performance

Written by `benches/run`; do not edit. Each part runs pgcdc, the real Debezium 3.6.3 on Kafka Connect 4.3 and, where it says something,
`pg_recvlogical` side by side on one machine: PostgreSQL 15 (fsync off), one Kafka broker and the load share its cores with the
engine. Figures are medians; in brackets the runs' lowest and highest. Debezium's JVM is warm: a run beforehand does not count.

- pgcdc `lz4`: schemas off, lz4, else defaults. `schemas`: schemas on, no compression, as a Debezium file without producer settings gives it. `connect`: the same with 16 kB batches and one request in flight, Connect's own defaults. `lowlat`: schemas off, defaults
- Debezium `default`: its and Connect's defaults, schemas on. `tuned`: `max.batch.size=20480`, `max.queue.size=81290`, `poll.interval.ms=50`, producer `linger.ms=50`,
  `batch.size=512k`, `lz4`, schemas off. `lowlat`: `poll.interval.ms=10`, producer `linger.ms=0`, schemas off
- Every engine's producer is idempotent and waits for all acknowledgements
"""

# part: (title, text, columns as (metric, heading, digits))
PARTS = {
    "encode": ("A row to a record", "Ten columns of nine types, 150 bytes of text, by criterion on one core, and the instructions that one row takes. `unwrapped`: through ExtractNewRecordState "
               "with two added fields.", [("ns", "ns a row", 0), ("instructions", "instructions a row", 0)]),
    "stream": ("Stream", "A backlog of transactions of 1000 rows, about 190 bytes a row, all engines on the same WAL. To nowhere: rows by the wall clock, process start "
               "included. To Kafka: from the first record's timestamp to the last one's.",
               [("rows_per_s", "rows/s", 0), ("us_per_event", "CPU µs an event", 1), ("first_record_s", "first record after s", 2), ("peak_mb", "peak MB", 0)]),
    "snapshot": ("Snapshot", "One table to Kafka, first record's timestamp to the last one's.",
                 [("rows_per_s", "rows/s", 0), ("us_per_event", "CPU µs an event", 1), ("first_record_s", "first record after s", 2), ("peak_mb", "peak MB", 0)]),
    "latency": ("Latency", "500 transactions of one row a second for 40 s, the first 10 s left out: the database's clock at the insert to the consumer's wall clock, ms.",
                [("p50", "p50", 1), ("p95", "p95", 1), ("p99", "p99", 1), ("max", "max", 1), ("cpu_percent", "CPU, % of a core", 1)]),
    "memory": ("One transaction of 1.6 million rows", "Peak resident memory while it is streamed to Kafka.", [("peak_mb", "peak MB", 0), ("rows_per_s", "rows/s", 0)]),
    "start": ("Start", "Process start to the first event of a waiting row, as the producer stamped it, and as a consumer could see it; ms.",
              [("first_record_ms", "first record", 0), ("first_seen_ms", "seen", 0), ("resident_mb", "resident MB", 0)]),
    "index": ("Into an index", "One OpenSearch node without replicas. Raw loader: the same documents as ready bodies from memory, with the documents a request and requests in flight that were best "
              "of twelve pairs. `sink`: the sink as it comes, from envelopes in memory. `Kafka to index`: a process that indexes a full topic, start included, refreshed every second.",
              [("docs_per_s", "documents/s", 0), ("us_per_event", "CPU µs a document", 1), ("peak_mb", "peak MB", 0)]),
    "searchable": ("Commit to searchable", "500 transactions of one row a second for 150 s, the first 90 s, in which the node warms up, left out, `refresh_interval` 1 s: the database's clock at the insert to a search that finds the row, ms. "
                   "`kafka`: two processes with the broker between; CPU and memory are those of the second.",
                   [("p50", "p50", 0), ("p95", "p95", 0), ("p99", "p99", 0), ("max", "max", 0), ("cpu_percent", "CPU, % of a core", 1), ("peak_mb", "peak MB", 0)]),
}

# title, part, (engine, setting) over (engine, setting), metric
RATIOS = [
    ("pgcdc to nowhere / pg_recvlogical", "stream", ("pgcdc", "null"), ("pg_recvlogical", "null"), "rows_per_s"),
    ("pgcdc to Kafka / pg_recvlogical", "stream", ("pgcdc", "lz4"), ("pg_recvlogical", "null"), "rows_per_s"),
    ("pgcdc to Kafka / Debezium tuned", "stream", ("pgcdc", "lz4"), ("debezium", "tuned"), "rows_per_s"),
    ("pgcdc with schemas / Debezium default", "stream", ("pgcdc", "schemas"), ("debezium", "default"), "rows_per_s"),
    ("Debezium tuned / pgcdc: CPU an event", "stream", ("debezium", "tuned"), ("pgcdc", "lz4"), "us_per_event"),
    ("pgcdc / Debezium tuned: snapshot", "snapshot", ("pgcdc", "lz4"), ("debezium", "tuned"), "rows_per_s"),
    ("Debezium lowlat / pgcdc: p50", "latency", ("debezium", "lowlat"), ("pgcdc", "lowlat"), "p50"),
    ("Debezium tuned / pgcdc: peak memory, large transaction", "memory", ("debezium", "tuned"), ("pgcdc", "lz4"), "peak_mb"),
    ("pgcdc's index sink / raw bulk loader", "index", ("pgcdc", "sink"), ("raw loader", None), "docs_per_s"),
]


def read(path):
    """{part: {(engine, setting): {metric: [values]}}} and {part: where}."""
    got, where = collections.defaultdict(lambda: collections.defaultdict(lambda: collections.defaultdict(list))), {}
    for line in path.read_text().splitlines():
        part, engine, setting, _, metric, value = line.split("\t")
        if part == "machine":
            where[engine] = value
        elif metric != "record_bytes":
            got[part][(engine, setting)][metric].append(float(value))
    return got, where


def figure(values, digits):
    if not values:
        return ""
    text = [f"{v:,.{digits}f}" for v in (statistics.median(values), min(values), max(values))]
    return text[0] if len(values) == 1 else f"{text[0]} ({text[1]} to {text[2]})"


def write(results, page):
    got, where = read(results)
    out = [HEAD]
    ratios = []
    for title, part, a, b, metric in RATIOS:
        x, y = (next((m[metric] for e, m in got[part].items() if e[0] == who[0] and who[1] in (e[1], None)), []) for who in (a, b))
        if x and y and statistics.median(y):
            ratios.append(f"| {title} | {statistics.median(x) / statistics.median(y):.2f} |")
    if ratios:
        out.append("## Ratios\n| what | ratio of the medians |\n|---|---|\n" + "\n".join(ratios) + "\n")
    for part, (title, text, columns) in PARTS.items():
        if part not in where:
            continue
        out.append(f"## {title}\n{text} Measured {where[part]}.\n")
        out.append("| engine | setting | " + " | ".join(h for _, h, _ in columns) + " |\n|---|---|" + "---|" * len(columns))
        for (engine, setting), metrics in got[part].items():
            out.append(f"| {engine} | {setting} | " + " | ".join(figure(metrics[m], d) for m, _, d in columns) + " |")
        out.append("")
    page.parent.mkdir(exist_ok=True)
    page.write_text("\n".join(out).rstrip() + "\n", encoding="utf8")
