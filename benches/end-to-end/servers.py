"""The servers that the end-to-end benches run on, and what can be read off the machine while they do."""
import json
import os
import pathlib
import re
import subprocess
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEV = ROOT / "dev"
PG_PORT, KAFKA_PORT, CONNECT_PORT = "15721", "15730", "15783"
TICK = os.sysconf("SC_CLK_TCK")

# id bigserial and a row of about 190 bytes; filled by transactions of 1000 single rows
SCHEMA = """
create table orders (id bigserial primary key, customer text, amount numeric(10,2), status text, note text, created_at timestamptz default now());
create table snap (like orders including all);
create table lat (like orders including all, sent_us bigint default (extract(epoch from clock_timestamp()) * 1000000)::bigint);
create publication pub for table orders;
create publication pub_snap for table snap;
create publication pub_lat for table lat;
create procedure fill(t text, n int, per int default 1000) language plpgsql as $$
begin
  for i in 0 .. n / per - 1 loop
    execute format($f$insert into %I (customer, amount, status, note)
      select 'customer-' || g, (g %% 1000000) / 100.0, (array['new', 'paid', 'shipped', 'cancelled'])[g %% 4 + 1],
             md5(g::text) || ' ' || md5((g + 1)::text) || ' ' || md5((g + 2)::text)
      from generate_series($1, $2) g$f$, t) using i * per + 1, (i + 1) * per;
    commit;
  end loop;
end $$;
"""


def run(*cmd, **more):
    return subprocess.run([str(c) for c in cmd], check=True, stdout=subprocess.PIPE, text=True, **more).stdout.strip()


class Servers:
    """PostgreSQL 15, one broker and, when asked for, a Connect worker with Debezium."""

    def __init__(self):
        self.bootstrap = f"localhost:{KAFKA_PORT}"
        self.rest = f"http://localhost:{CONNECT_PORT}"

    def up(self):
        self.down()
        run(DEV / "postgres", "up", "--port", PG_PORT, "--no-fsync", "-c", "shared_buffers=512MB", "-c", "max_wal_size=8GB")
        run(DEV / "kafka", "up", "--port", KAFKA_PORT, "--heap", "1g")
        self.sql("create database bench", database="postgres")
        self.sql(SCHEMA)

    def down(self):
        self.connect_down()
        run(DEV / "kafka", "down", "--port", KAFKA_PORT)
        run(DEV / "postgres", "down", "--port", PG_PORT)

    def sql(self, sql, database="bench"):
        return run("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", PG_PORT, "-U", "postgres", "-d", database, "-c", sql)

    def lsn(self):
        return self.sql("select pg_current_wal_flush_lsn()")

    def confirmed(self, slot, lsn):
        return self.sql(f"select confirmed_flush_lsn >= '{lsn}' from pg_replication_slots where slot_name = '{slot}'") == "t"

    def active(self, slot):
        return self.sql(f"select active from pg_replication_slots where slot_name = '{slot}'") == "t"

    def drop_slot(self, slot):
        wait(lambda: not self.active(slot), 30, f"slot {slot} to be free")
        self.sql(f"select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = '{slot}'")

    # --- Kafka ---
    def end(self, topic):
        p = subprocess.run(["kcat", "-Q", "-b", self.bootstrap, "-t", f"{topic}:0:-1"], capture_output=True, text=True)
        m = re.search(r"offset (\d+)", p.stdout)
        return int(m.group(1)) if m else 0

    def stamp(self, topic, offset):
        """The timestamp of one record, in seconds."""
        return int(run("kcat", "-C", "-q", "-b", self.bootstrap, "-t", topic, "-p", "0", "-o", offset, "-c", "1", "-e", "-f", "%T\\n")) / 1000

    def size(self, topic, offset):
        """Bytes of key and value of one record."""
        return run("kcat", "-C", "-q", "-b", self.bootstrap, "-t", topic, "-p", "0", "-o", offset, "-c", "1", "-e", "-f", "%K+%S")

    def delete_topic(self, topic):
        run(DEV / "kafka", "run", "org.apache.kafka.tools.TopicCommand", "--bootstrap-server", self.bootstrap, "--delete", "--if-exists", "--topic", topic, stderr=subprocess.DEVNULL)

    # --- Connect ---
    def connect_up(self):
        run(DEV / "connect", "up", "--port", CONNECT_PORT, "--kafka", self.bootstrap, "--heap", "1g")
        return int(run(DEV / "connect", "pid", "--port", CONNECT_PORT))

    def connect_down(self):
        run(DEV / "connect", "down", "--port", CONNECT_PORT)

    def connector(self, name, settings):
        run(DEV / "connect", "put", name, "-", "--port", CONNECT_PORT, input=json.dumps(settings))

    def rest_call(self, method, path):
        request = urllib.request.Request(self.rest + path, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()


def wait(until, seconds, what, pause=0.05):
    deadline = time.monotonic() + seconds
    while not until():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {seconds} s in vain for {what}")
        time.sleep(pause)


def cpu(pid):
    """CPU seconds of a process and its threads so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def peak_mb(pid):
    return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)) / 1024


def reset_peak(pid):
    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")


def busy():
    """CPU seconds that the whole machine has worked so far."""
    f = [int(x) for x in pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:]]
    return (sum(f[:3]) + f[5] + f[6]) / TICK


def quiet(seconds=90):
    """Waits until the machine is nearly idle for three seconds, at most as long as given."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        before = busy()
        time.sleep(3)
        if busy() - before < 0.3 * os.cpu_count():
            return
