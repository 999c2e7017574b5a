"""What encoding a row costs: criterion's times, and instructions counted by valgrind."""
import json
import os
import pathlib
import re
import subprocess
import tempfile

from servers import ROOT

TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
CARGO = os.environ.get("CARGO", "cargo")


def instructions(case, rows):
    """Instructions of a run over so many rows."""
    with tempfile.TemporaryDirectory() as tmp:
        out = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={tmp}/out", TARGET / "release" / "encode_rows", case, str(rows)],
                             check=True, capture_output=True, text=True).stderr
    return int(re.search(r"Collected : (\d+)", out).group(1))


def measure(bench):
    subprocess.run([CARGO, "build", "--release", "-q", "-p", "pgcdc-benches", "--bin", "encode_rows"], cwd=ROOT, check=True)
    cases = subprocess.run([TARGET / "release" / "encode_rows"], check=True, capture_output=True, text=True).stdout.splitlines()
    counted = {case: (instructions(case, 12_000) - instructions(case, 2_000)) / 10_000 for case in cases}
    subprocess.run([CARGO, "bench", "-q", "-p", "pgcdc-benches", "--bench", "envelope", "--no-run"], cwd=ROOT, check=True)
    for n in bench.runs():
        bench.quiet()
        subprocess.run([CARGO, "bench", "-q", "-p", "pgcdc-benches", "--bench", "envelope", "--", "--noplot"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        for case in cases:
            # criterion's folder of a case: what a path cannot hold becomes an underscore, which no case has
            found = json.loads((TARGET / "criterion" / "envelope" / case / "new" / "estimates.json").read_text())
            bench.emit("encode", "pgcdc", case, n, {"ns": found["median"]["point_estimate"], "instructions": counted[case]})
