"""The index sink: beside a raw bulk loader, from commit to searchable, and its memory."""
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

from engines import BINARY, publication
from servers import DEV, PG_PORT, cpu, peak_mb, run, wait

INDEX_PORT = "9291"
URL = f"http://127.0.0.1:{INDEX_PORT}"
# what the loader is tried with: documents a request, requests in flight
GRID = [(docs, in_flight) for docs in (1000, 2500, 5000, 10000) for in_flight in (1, 2, 4)]


class Node:
    """One OpenSearch node."""

    def __init__(self, version):
        self.version = version

    def __enter__(self):
        run(DEV / "opensearch", "up", "--version", self.version, "--port", INDEX_PORT)
        return self

    def __exit__(self, *_):
        run(DEV / "opensearch", "down", "--port", INDEX_PORT)

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{URL}/{path}", data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def count(self, index):
        """Documents that a search finds."""
        try:
            return self.call("GET", f"{index}/_count")["count"]
        except urllib.error.HTTPError as e:
            if e.code in (404, 503):  # not made, or not there, yet
                return 0
            raise


def bulk(bench, engine, documents, docs=None, in_flight=None):
    """`index_bulk` for one engine: what it measured, by name."""
    options = [] if docs is None else [f"docs={docs}", f"in_flight={in_flight}"]
    out = run(pathlib.Path(BINARY).parent / "index_bulk", URL, documents, f"engine={engine}", *options)
    return {k: float(v) for k, v in re.findall(r"(\w+)=([\d.]+)", out)}


def throughput(bench):
    """The sink as it comes against a loader with what is best for it on this node, by turns."""
    rows = bench.args.rows // 4
    bulk(bench, "raw", rows)  # warms the node's JVM
    bulk(bench, "sink", rows)
    tried = {(d, f): bulk(bench, "raw", rows, d, f)["docs_per_s"] for d, f in GRID}
    best = max(tried, key=tried.get)
    for n in bench.runs():
        bench.quiet()
        bench.emit("index", "raw loader", f"{best[0]} x {best[1]}", n, bulk(bench, "raw", rows, *best))
        bench.quiet()
        bench.emit("index", "pgcdc", "sink", n, bulk(bench, "sink", rows))


class Pipeline:
    """pgcdc from a table to an index: in one process, or through Kafka in two."""

    def __init__(self, servers, name, table, route):
        self.servers, self.name, self.index = servers, name, f"{name}.public.{table}"
        self.work = pathlib.Path(tempfile.mkdtemp(prefix=f"pgcdc-bench-{name}-"))
        source = {"source": {"url": f"postgres://postgres@127.0.0.1:{PG_PORT}/bench", "slot": {"name": name},
                             "publication": {"name": publication(table), "autocreate": "disabled"},
                             "tables": {"include": [f"public.{table}"]}, "snapshot": {"mode": "no_data"}},
                  "offsets": {"type": "file", "path": str(self.work / "offsets")}, "format": {"topic_prefix": name}}
        index = {"index": {"urls": [URL], "create": True}}
        kafka = {"kafka": {"bootstrap_servers": servers.bootstrap}}
        consume = {"consume": {"topics": [self.index]}}
        stages = [source | index] if route == "direct" else [source | kafka, kafka | index | consume]
        self.configs = []
        for i, stage in enumerate(stages):
            self.configs.append(self.work / f"{i}.yaml")
            self.configs[-1].write_text(json.dumps({"name": name, "log": {"format": "text"}} | stage))
        self.processes = []

    def start(self, *which):
        for i in which or range(len(self.configs)):
            log = open(self.work / "log", "ab")
            self.processes.append(subprocess.Popen([BINARY, "run", str(self.configs[i])], stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    def check(self):
        for p in self.processes:
            if p.poll() is not None:
                raise SystemExit(f"{self.name} ended: {(self.work / 'log').read_text()[-2000:]}")

    @property
    def sink(self):
        """The process that writes to the index."""
        return self.processes[-1].pid

    def stop(self):
        for p in self.processes:
            p.send_signal(signal.SIGTERM)
        for p in self.processes:
            if p.wait(60):
                raise SystemExit(f"{self.name} ended badly: {(self.work / 'log').read_text()[-2000:]}")
        self.processes = []


def searchable(bench, node, route, seconds=150):
    """500 commits a second; a search every 20 ms counts how many of them it finds."""
    s = bench.servers
    for n in bench.runs():
        pipe = Pipeline(s, f"bi_{route}_{n}", "lat", route)
        s.sql("truncate lat restart identity")
        pipe.start()
        wait(lambda: pipe.check() or s.active(pipe.name), 60, f"{pipe.name} to stream")
        s.sql("insert into lat (customer) values ('x')")
        wait(lambda: pipe.check() or node.count(pipe.index) == 1, 60, f"{pipe.index} to hold the first row")
        bench.quiet()
        seen, done = [], threading.Event()

        def search():
            while not done.wait(0.02):
                count = node.count(pipe.index)
                seen.append((time.time() * 1e6, count))

        watcher = threading.Thread(target=search)
        watcher.start()
        script = pathlib.Path(os.environ.get("TMPDIR", "/tmp")) / "pgcdc-bench-insert.sql"
        script.write_text("insert into lat (customer, amount, status, note) values ('customer-1', 12.34, 'paid', repeat('0123456789', 10));\n")
        before = cpu(pipe.sink)
        run("/usr/lib/postgresql/15/bin/pgbench", "-n", "-R", "500", "-T", seconds, "-c", "1", "-j", "1", "-M", "prepared", "-h", "127.0.0.1", "-p", PG_PORT,
            "-U", "postgres", "-f", script, "bench", stderr=subprocess.DEVNULL)
        used = cpu(pipe.sink) - before
        committed = [int(x) for x in s.sql("select sent_us from lat order by 1").split()]
        wait(lambda: pipe.check() or node.count(pipe.index) == len(committed), 60, "the last row to be found")
        time.sleep(0.1)
        done.set()
        watcher.join()
        # the k-th commit is found once a search counts k; the first ninety seconds warm the node
        took, at = [], 0
        for k, sent in enumerate(committed, 1):
            while seen[at][1] < k:
                at += 1
            if sent > committed[0] + 90e6:
                took.append((seen[at][0] - sent) / 1000)
        cuts = statistics.quantiles(took, n=100)
        bench.emit("searchable", "pgcdc", route, n, {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98], "max": max(took),
                                                    "cpu_percent": used / seconds * 100, "peak_mb": peak_mb(pipe.sink)})
        pipe.stop()
        s.drop_slot(pipe.name)
        if route == "kafka":
            s.delete_topic(pipe.index)
        node.call("DELETE", pipe.index)


def drain(bench, node):
    """A topic that is full to the index: rows a second, CPU and memory of the process that only does that."""
    s, rows = bench.servers, bench.args.rows // 4
    pipe = Pipeline(s, "bi_drain", "orders", "kafka")
    pipe.start(0)
    wait(lambda: pipe.check() or s.active(pipe.name), 60, f"{pipe.name} to stream")
    s.sql(f"call fill('orders', {rows})")
    wait(lambda: pipe.check() or s.end(pipe.index) == rows, 120, f"{rows} records in {pipe.index}", 0.2)
    pipe.stop()
    for n in bench.runs():
        bench.quiet()
        config = json.loads(pipe.configs[1].read_text())
        config["name"] = f"bi_drain_{n}"
        config["index"]["name"] = f"bi_drain_{n}"
        pipe.configs[1].write_text(json.dumps(config))
        began = time.monotonic()
        pipe.start(1)
        wait(lambda: pipe.check() or node.count(f"bi_drain_{n}") == rows, 300, f"{rows} documents", 0.2)
        wall, used = time.monotonic() - began, cpu(pipe.sink)
        bench.emit("index", "pgcdc", "Kafka to index", n, {"docs_per_s": rows / wall, "us_per_event": used / rows * 1e6, "peak_mb": peak_mb(pipe.sink)})
        pipe.stop()
        node.call("DELETE", f"bi_drain_{n}")
    s.drop_slot(pipe.name)
    s.delete_topic(pipe.index)
