"""The two programs: the real Debezium in one long-lived JVM, and pgcdc; and the server that both read."""
import json
import os
import pathlib
import queue
import re
import signal
import subprocess
import threading
import time

DEV = pathlib.Path(__file__).resolve().parent.parent
FENCE = "zzfence"
PATIENCE_SECONDS = 120


class Died(Exception):
    """An engine ended or stood still; the text says which and why."""


class Postgres:
    """A server of dev/postgres, reached with psql."""

    def __init__(self, port, version, debian):
        self.port, self.version = str(port), version
        self.env = dict(os.environ, PGHOST="127.0.0.1", PGPORT=self.port, PGUSER="postgres", PGPASSWORD="postgres", PGTZ="UTC", PGOPTIONS="-c client_min_messages=error")
        up = [DEV / "postgres", "up", "--port", self.port, "--no-fsync", *(["--debian"] if debian else ["--version", str(version)])]
        subprocess.run(up, check=True, stdout=subprocess.DEVNULL)

    def down(self):
        subprocess.run([DEV / "postgres", "down", "--port", self.port], check=False)

    def run(self, database, script, strict=True):
        """Runs statements, each by itself; returns the output and the errors."""
        cmd = ["psql", "-X", "-qAt", "-v", f"ON_ERROR_STOP={int(strict)}", "-v", "VERBOSITY=terse", "-d", database, "-f", "-"]
        p = subprocess.run(cmd, env=self.env, input=script, capture_output=True, text=True)
        if strict and p.returncode:
            raise RuntimeError(f"{script[:300]}\n{p.stderr.strip()}")
        return p.stdout.strip(), [line for line in p.stderr.splitlines() if "ERROR" in line]

    def extensions(self):
        """What this server can install, and whether it knows XML."""
        wanted = ["hstore", "citext", "ltree", "isn", "postgis"]
        have = set(self.run("postgres", f"select name from pg_available_extensions where name = any('{{{','.join(wanted)}}}')")[0].split())
        if not self.run("postgres", "select '<a/>'::xml", strict=False)[1]:
            have.add("xml")
        return have

    def fresh(self, database):
        self.drop(database)
        self.run("postgres", f"create database {database} encoding 'UTF8' lc_collate 'C' lc_ctype 'C' template template0")

    def drop(self, database):
        slots = f"from pg_replication_slots where database = '{database}'"
        for _ in range(100):
            if self.run("postgres", f"select count(pg_terminate_backend(active_pid)) {slots} and active")[0] == "0":
                break
            time.sleep(0.05)
        self.run("postgres", f"select pg_drop_replication_slot(slot_name) {slots}")
        self.run("postgres", f"drop database if exists {database} with (force)")

    def streams(self, slot):
        return self.run("postgres", f"""select count(*) from pg_replication_slots join pg_stat_replication on pid = active_pid
                                        where slot_name = '{slot}' and state in ('streaming', 'catchup') and write_lsn is not null""")[0] == "1"


class Follower:
    """Reads a growing file of records and counts the fences in it."""

    def __init__(self, path):
        self.path, self.at, self.fences = path, 0, 0
        path.write_text("")

    def poll(self):
        with open(self.path, "rb") as f:
            f.seek(self.at)
            data = f.read()
        end = data.rfind(b"\n") + 1
        for line in data[:end].split(b"\n"):
            if FENCE.encode() in line[:200]:
                self.fences += 1
        self.at += end
        return self.fences


def write_properties(path, props):
    def escaped(text):
        return "".join(c if 32 <= ord(c) < 127 else "".join(f"\\u{int.from_bytes(u, 'big'):04x}" for u in units(c)) for c in text.replace("\\", "\\\\"))

    def units(c):
        b = c.encode("utf-16-be")
        return [b[i:i + 2] for i in range(0, len(b), 2)]
    path.write_text("".join(f"{k}={escaped(v)}\n" for k, v in props.items()))


def common(server, database, slot, work):
    return {
        "name": slot, "connector.class": "io.debezium.connector.postgresql.PostgresConnector", "database.hostname": "127.0.0.1", "database.port": server.port,
        "database.user": "postgres", "database.password": "postgres", "database.dbname": database, "topic.prefix": "srv", "plugin.name": "pgoutput", "slot.name": slot,
        "publication.name": f"pub_{slot}", "poll.interval.ms": "10", "status.update.interval.ms": "200",
        "offset.storage": "org.apache.kafka.connect.storage.FileOffsetBackingStore", "offset.storage.file.filename": str(work / f"{slot}.offsets"), "offset.flush.interval.ms": "0",
    }


class Debezium:
    """The oracle. One JVM serves all runs."""

    name = "debezium"

    def __init__(self, log):
        cmd = subprocess.run([DEV / "oracle" / "fetch"], check=True, capture_output=True, text=True).stdout.split()
        self.process = subprocess.Popen(cmd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=open(log, "ab"), text=True)
        self.answers = queue.Queue()
        threading.Thread(target=self.listen, daemon=True).start()
        self.runs = False

    def running(self):
        return self.runs

    def listen(self):
        for line in self.process.stdout:
            self.answers.put(line.strip())
        self.answers.put("ended ok=false the JVM has ended")

    def start(self, server, database, settings, work, out):
        props = {**common(server, database, "dbz", work), **settings, "errors.max.retries": "0"}
        path = work / "debezium.properties"
        write_properties(path, props)
        self.tell(f"run {path} {out}")
        self.runs = True

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def check(self):
        while not self.answers.empty():
            answer = self.answers.get()
            if answer.startswith("ended"):
                self.runs = False
                self.tell("stop")
                raise Died(f"Debezium {answer}")

    def stop(self):
        if self.runs:
            self.tell("stop")
            while not (answer := self.answers.get(timeout=60)).startswith("ended"):
                pass
            self.runs = False
            if "ok=true" not in answer:
                raise Died(f"Debezium {answer}")

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


class Pgcdc:
    """The program under test."""

    name = "pgcdc"

    def __init__(self, binary):
        self.binary, self.process = binary, None

    def start(self, server, database, settings, work, out):
        props = {**common(server, database, "pgcdc", work)}
        for k, v in settings.items():
            if k.startswith("converter."):
                for side in ("key", "value", "header"):
                    props[f"{side}.{k}"] = v
            else:
                props[k] = v
        for side in ("key", "value", "header"):
            props.setdefault(f"{side}.converter", "org.apache.kafka.connect.json.JsonConverter")
        props["pgcdc.output.type"], props["pgcdc.output.path"] = "ndjson", str(out)
        path, self.log = work / "pgcdc.properties", work / "pgcdc.log"
        write_properties(path, props)
        self.process = subprocess.Popen([self.binary, "run", str(path)], stdin=subprocess.DEVNULL, stdout=open(self.log, "ab"), stderr=subprocess.STDOUT)

    def running(self):
        return self.process is not None

    def tail(self):
        lines = self.log.read_text(errors="replace").splitlines()
        bad = [line for line in lines if re.search(r"error|panic", line, re.I)]
        return " | ".join((bad or lines)[-3:])[:1500]

    def check(self):
        if self.process and self.process.poll() is not None:
            code, self.process = self.process.returncode, None
            raise Died(f"pgcdc ended with status {code}: {self.tail()}")

    def stop(self):
        if self.process is None:
            return
        self.check()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.process = None
        if code:
            raise Died(f"pgcdc stopped with status {code}: {self.tail()}")


class Pair:
    """Both engines on one database, so that they see the same log."""

    def __init__(self, server, debezium, pgcdc):
        self.server, self.engines = server, (debezium, pgcdc)
        self.sent = 0

    def execute(self, setup, phases, settings, work, restart=False):
        """Runs the setup, starts both, runs each phase's scripts with a fence behind each. Returns (records by engine, SQL errors)."""
        database, errors, self.sent = "fuzz", [], 0
        self.server.fresh(database)
        self.server.run(database, f"create table public.{FENCE} (id integer primary key);\n")
        errors += self.server.run(database, setup, strict=False)[1]
        outs = [work / f"{e.name}.ndjson" for e in self.engines]
        for old in work.glob("*.offsets*"):
            old.unlink()
        self.followers = [Follower(o) for o in outs]
        try:
            self.follow(database, phases, settings, work, outs, restart, errors)
        except Died as e:
            # a chain that fails ends both at the same record, unless it may leave records out
            if "transforms" not in settings or settings.get("errors.tolerance") == "all":
                raise
            self.both_end(e)
        finally:
            for e in self.engines:
                try:
                    e.stop()
                except Died:
                    pass
            self.server.drop(database)
        return [records(o) for o in outs], errors

    def both_end(self, first):
        """Waits until no engine runs; raises what ended the first if another goes on."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        for e in self.engines:
            try:
                while e.running():
                    e.check()
                    if time.monotonic() > deadline:
                        raise first
                    time.sleep(0.03)
            except Died as other:
                if other is first:
                    raise

    def follow(self, database, phases, settings, work, outs, restart, errors):
        """Starts both and runs each phase's scripts, with a fence behind each."""
        self.start(database, settings, work, outs)
        for n, scripts in enumerate(phases):
            if restart and n == len(phases) - 1:
                for e in self.engines:
                    e.stop()
                errors += self.server.run(database, scripts[-1], strict=False)[1]
                self.start(database, settings, work, outs)
                self.fence(database)
                continue
            for script in scripts:
                if script:
                    errors += self.server.run(database, script, strict=False)[1]
                    self.fence(database)
        for e in self.engines:
            e.stop()

    def start(self, database, settings, work, outs):
        for e, o in zip(self.engines, outs):
            e.start(self.server, database, settings, work, o)
        for e, slot in zip(self.engines, ("dbz", "pgcdc")):
            self.wait(e, lambda: self.server.streams(slot), "does not stream")

    def wait(self, engine, condition, what):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            engine.check()
            if time.monotonic() > deadline:
                raise Died(f"{engine.name} {what} after {PATIENCE_SECONDS} s")
            time.sleep(0.03)

    def fence(self, database):
        """Waits until both have written what was committed so far."""
        self.sent += 1
        self.server.run(database, f"insert into public.{FENCE} values ({self.sent});")
        for e, f in zip(self.engines, self.followers):
            self.wait(e, lambda: f.poll() >= self.sent, f"does not deliver change {self.sent} of {FENCE}")


DECODER = json.JSONDecoder()


def failures(path):
    """Which records of a file Debezium's transforms refused: topic and reason."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf8").split("\n") if '"failed":' in line[:400]]
    return [(r["topic"], r["failed"]) for r in lines if "failed" in r]


def records(path):
    """The records of a file: topic, headers, key and value, both as text on the wire, and partition."""
    out = []
    for line in path.read_text(encoding="utf8", errors="surrogateescape").split("\n"):
        if not line:
            continue
        if '"source_offset"' in line:
            r = json.loads(line)
            if "failed" not in r:
                out.append((r["topic"], [(h["key"], h["value"]) for h in r["headers"]], r["key"], r["value"], r.get("partition")))
            continue
        # pgcdc puts keys and values in as they are: cut them out, for parsing would lose how they were written
        at = line.index('],"key":') + len('],"key":')
        head = json.loads(line[:at - len(',"key":')] + "}")
        end = DECODER.raw_decode(line, at)[1]
        key, value = line[at:end], line[end + len(',"value":'):-1]
        headers = [(h["key"], h["value"]) for h in head["headers"]]
        out.append((head["topic"], headers, None if key == "null" else key, None if value == "null" else value, head.get("partition")))
    return out
