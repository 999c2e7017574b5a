"""The engines that are compared: pgcdc, Debezium on Kafka Connect, and pg_recvlogical as the sender's limit."""
import os
import pathlib
import signal
import subprocess
import tempfile
import time

from servers import PG_PORT, ROOT, busy, cpu, peak_mb, reset_peak, wait

BINARY = os.environ.get("PGCDC_BIN") or str(pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target") / "release" / "pgcdc")

# what the producer of Kafka Connect has by default: one request in flight, no compression, 16 kB batches
CONNECT_PRODUCER = {"linger.ms": 0, "batch.size": 16384, "compression.type": "none", "max.in.flight": 1}
# what a connector file without producer settings becomes here: what its consumers can tell (no compression), own batches
PLAIN = {"compression.type": "none"}

# setting: (schemas, producer)
PGCDC_SETTINGS = {"lz4": (False, {"compression.type": "lz4"}), "schemas": (True, PLAIN), "connect": (True, CONNECT_PRODUCER), "lowlat": (False, {}), "null": (False, None)}

TUNED = {"max.batch.size": "20480", "max.queue.size": "81290", "poll.interval.ms": "50", "producer.override.linger.ms": "50",
         "producer.override.batch.size": "524288", "producer.override.compression.type": "lz4"}
NO_SCHEMAS = {f"{kind}.converter{more}": value for kind in ("key", "value")
              for more, value in (("", "org.apache.kafka.connect.json.JsonConverter"), (".schemas.enable", "false"))}
DEBEZIUM_SETTINGS = {"default": {}, "tuned": TUNED | NO_SCHEMAS, "lowlat": {"poll.interval.ms": "10", "producer.override.linger.ms": "0"} | NO_SCHEMAS}


def publication(table):
    return "pub" if table == "orders" else f"pub_{table}"


class Pgcdc:
    """One pipeline; started and stopped as often as one likes on the same offsets."""

    def __init__(self, servers, name, table, setting, snapshot):
        self.servers, self.name, self.topic, self.process = servers, name, f"{name}.public.{table}", None
        self.work = pathlib.Path(tempfile.mkdtemp(prefix=f"pgcdc-bench-{name}-"))
        schemas, producer = PGCDC_SETTINGS[setting]
        schemas = str(schemas).lower()
        lines = [f"name: {name}", "source:", f"  url: postgres://postgres@127.0.0.1:{PG_PORT}/bench", f"  slot: {{name: {name}}}",
                 f"  publication: {{name: {publication(table)}, autocreate: disabled}}", f"  tables: {{include: ['public.{table}']}}",
                 f"  snapshot: {{mode: {snapshot}}}", "format:", f"  topic_prefix: {name}", f"  key_schemas: {schemas}", f"  value_schemas: {schemas}",
                 f"offsets: {{type: file, path: {self.work / 'offsets'}}}", "log: {format: text}"]
        if producer is None:
            lines += ["output: {type: 'null'}"]
        else:
            lines += ["kafka:", f"  bootstrap_servers: {servers.bootstrap}", "  properties:" if producer else "  properties: {}"]
            lines += [f"    {k}: {v}" for k, v in producer.items()]
        self.config = self.work / "pgcdc.yaml"
        self.config.write_text("\n".join(lines) + "\n")

    def start(self):
        self.process = subprocess.Popen([BINARY, "run", str(self.config)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(self.work / "log", "ab"))
        self.pid = self.process.pid

    def streaming(self):
        wait(self.runs, 60, f"{self.name} to stream", 0.01)

    def runs(self):
        if self.process.poll() is not None:
            raise SystemExit(f"{self.name} ended: {(self.work / 'log').read_text()[-2000:]}")
        return self.servers.active(self.name)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(60):
            raise SystemExit(f"{self.name} ended badly: {(self.work / 'log').read_text()[-2000:]}")

    def prepare(self):
        """Makes slot and offset, so that what comes after is a backlog."""
        self.start()
        self.streaming()
        self.stop()

    def resume(self):
        """Starts the measured run; CPU and peak memory count from here."""
        self.start()
        return 0.0

    def remove(self):
        self.servers.drop_slot(self.name)
        self.servers.delete_topic(self.topic)


class Debezium:
    """One connector on a shared worker."""

    def __init__(self, servers, worker, name, table, setting, snapshot):
        self.servers, self.pid, self.name, self.topic = servers, worker, name, f"{name}.public.{table}"
        self.settings = {
            "connector.class": "io.debezium.connector.postgresql.PostgresConnector", "database.hostname": "127.0.0.1", "database.port": PG_PORT,
            "database.user": "postgres", "database.password": "x", "database.dbname": "bench", "topic.prefix": name, "plugin.name": "pgoutput",
            "slot.name": name, "publication.name": publication(table), "publication.autocreate.mode": "disabled",
            "table.include.list": f"public.{table}", "snapshot.mode": snapshot, **DEBEZIUM_SETTINGS[setting]}

    def start(self):
        self.servers.connector(self.name, self.settings)

    def prepare(self):
        """Starts it and sends rows until one has arrived: it stores no offset without one."""
        self.start()
        table = self.topic.rpartition(".")[2]

        def arrived():
            self.servers.sql(f"insert into {table} (customer) values ('x')")
            time.sleep(0.5)
            return self.servers.end(self.topic) > 0
        wait(arrived, 90, f"{self.name} to stream")
        self.pause()

    def pause(self):
        self.servers.rest_call("PUT", f"/connectors/{self.name}/stop")
        wait(lambda: not self.servers.active(self.name), 60, f"{self.name} to stop")

    def resume(self):
        reset_peak(self.pid)
        before = cpu(self.pid)
        self.servers.rest_call("PUT", f"/connectors/{self.name}/resume")
        return before

    def stop(self):
        self.pause()

    def remove(self):
        self.servers.rest_call("DELETE", f"/connectors/{self.name}")
        time.sleep(1)
        self.servers.drop_slot(self.name)
        self.servers.delete_topic(self.topic)


def recvlogical(servers, slot, end_lsn):
    """Drains the slot to nowhere; returns (seconds, CPU seconds of the machine)."""
    began, worked = time.monotonic(), busy()
    subprocess.run(["pg_recvlogical", "-h", "127.0.0.1", "-p", PG_PORT, "-U", "postgres", "-d", "bench", "-S", slot, "--start", "-o", "proto_version=1",
                    "-o", "publication_names=pub", "--endpos", end_lsn, "-f", "/dev/null"], check=True, stderr=subprocess.DEVNULL)
    return time.monotonic() - began, busy() - worked


def drain(engine, rows):
    """Lets a stopped engine send a backlog to its topic; what was measured, by name."""
    servers, first = engine.servers, engine.servers.end(engine.topic)
    t0, wall0, worked = time.time(), time.monotonic(), busy()
    before = engine.resume()
    wait(lambda: servers.end(engine.topic) >= first + rows, 600, f"{rows} records in {engine.topic}", 0.1)
    wall, used, worked = time.monotonic() - wall0, cpu(engine.pid) - before, busy() - worked
    a, b = servers.stamp(engine.topic, first), servers.stamp(engine.topic, first + rows - 1)
    got = {"rows_per_s": rows / max(b - a, 0.001), "first_record_s": a - t0, "wall_s": wall, "cpu_s": used, "us_per_event": used / rows * 1e6,
           "other_cpu_s": worked - used, "peak_mb": peak_mb(engine.pid), "record_bytes": servers.size(engine.topic, first + 5)}
    engine.stop()
    return got


def drain_null(engine, rows, end_lsn):
    """The same for an engine without a topic: until it has confirmed the end of the backlog."""
    began = time.monotonic()
    engine.start()
    wait(lambda: engine.runs() or True, 5, "start")
    wait(lambda: engine.servers.confirmed(engine.name, end_lsn), 300, f"{engine.name} to confirm {end_lsn}", 0.02)
    wall, used, peak = time.monotonic() - began, cpu(engine.pid), peak_mb(engine.pid)
    engine.stop()
    return {"rows_per_s": rows / wall, "wall_s": wall, "cpu_s": used, "us_per_event": used / rows * 1e6, "peak_mb": peak}
