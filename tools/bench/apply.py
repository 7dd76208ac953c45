#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""apply at full size: the prefixes of a routing table over four tunnels.

usage: apply.py BUILD [PREFIXES [RUNS]]

$PENSTOCK_MATERIAL is a directory with ipv4-prefixes.gz, one prefix a line and what follows it
ignored; without it there is nothing to measure. Two configurations: (a) each prefix by one of the
four tunnels, in turn; (b) each prefix by all four, weighted. For each: the first apply into an empty
instance, the second one of the same file, one that changes every hundredth prefix, and a rollback.
Prints the time on the wall, the peak of the resident memory and how much of that is the program's own
(the rest is the instance's maps, mapped), and the transactions, of which the second apply adds none.
"""

import gzip
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TUNNELS = ["ams", "fra", "lon", "par"]
WEIGHTS = [1, 2, 3, 4]


def read_prefixes(path, most):
    with gzip.open(path, "rt") as f:
        return list(dict.fromkeys(line.split()[0] for line, _ in zip(f, range(most))))


def write_config(path, prefixes, every, shift=0):
    """The authorised prefixes are the /8s; the tunnels end in 10.0.0.0/8, which nobody announces."""
    slash8 = sorted({int(p.split(".")[0]) for p in prefixes} - {10})
    with open(path, "w") as f:
        f.write("prefixes:\n")
        f.writelines(f"  - {{prefix: {a}.0.0.0/8}}\n" for a in slash8)
        f.write("tunnels:\n")
        f.writelines(f"  - {{name: {t}, local: 10.0.0.1, remote: 10.0.0.{i + 2}}}\n"
                     for i, t in enumerate(TUNNELS))
        f.write("routes:\n")
        for n, p in enumerate(prefixes):
            moved = shift if n % 100 == 0 else 0
            if every:
                f.writelines(f"  - {{prefix: {p}, via: {t}, priority: 100, weight: {w + moved}}}\n"
                             for t, w in zip(TUNNELS, WEIGHTS))
            else:
                f.write(f"  - {{prefix: {p}, via: {TUNNELS[(n + moved) % 4]}, priority: 100}}\n")


def own_memory(pid):
    """MiB now that are the program's own; what else is resident are mapped maps and files."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(s.split()[1]) / 1024 for s in lines if s.startswith("RssAnon:")), 0)


class Bench:
    def __init__(self, build, where):
        self.name = f"t{os.getpid()}n1"
        self.ns = f"penstock-test-{os.getpid()}-bench"
        self.penstock = str(Path(build, "penstock").resolve())
        self.env = dict(os.environ, PENSTOCK_STATE_DIR=f"{where}/state",
                        PENSTOCK_RUN_DIR=f"{where}/run")
        subprocess.run(["ip", "netns", "add", self.ns], check=True)

    def argv(self, *words):
        return [self.penstock, "-n", self.ns, "-I", self.name, *map(str, words)]

    def must(self, *words):
        return subprocess.run(self.argv(*words), env=self.env, check=True, text=True,
                              stdout=subprocess.PIPE).stdout

    def transactions(self):
        return int(next(line.split()[1] for line in self.must("status").splitlines()
                        if line.startswith("transactions")))

    def measure(self, label, *words):
        before, own, start = self.transactions(), 0, time.monotonic()
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            p = subprocess.Popen(self.argv(*words), env=self.env, stdout=out, stderr=err)
            while not (ended := os.wait4(p.pid, os.WNOHANG))[0]:
                own = max(own, own_memory(p.pid))
                time.sleep(0.005)
            seconds = time.monotonic() - start
            out.seek(0)
            err.seek(0)
            said = out.readline().strip()
            assert ended[1] == 0, f"{words}: {err.read()}"
        print(f"{label:28} {seconds:7.2f} s {ended[2].ru_maxrss / 1024:6.0f} MiB {own:6.0f} MiB "
              f"{self.transactions() - before:5}   {said}", flush=True)
        return self.transactions() - before

    def close(self):
        subprocess.run(self.argv("unload"), env=self.env, check=False, stderr=subprocess.DEVNULL)
        subprocess.run(["ip", "netns", "del", self.ns], check=False)


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else "build"
    most = int(sys.argv[2]) if len(sys.argv) > 2 else 10**9
    runs = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    material = Path(os.environ.get("PENSTOCK_MATERIAL", "/nonexistent"), "ipv4-prefixes.gz")
    if not material.exists():
        print("skipped: $PENSTOCK_MATERIAL has no ipv4-prefixes.gz")
        return
    prefixes = read_prefixes(material, most)
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as where:
        bench = Bench(build, where)
        try:
            print(f"{len(prefixes)} prefixes over {len(TUNNELS)} tunnels\n"
                  f"{'':28} {'wall':>9} {'peak RSS':>10} {'own':>10} trans.")
            for every, name in ((False, "(a) one route each"), (True, "(b) all four, weighted")):
                one, two = f"{where}/one.yaml", f"{where}/two.yaml"
                write_config(one, prefixes, every)
                write_config(two, prefixes, every, 1)
                for _ in range(runs):
                    bench.must("load", "max-prefixes", len(prefixes) + 1000)
                    bench.measure(name + ": first", "apply", one)
                    assert bench.measure("  again", "apply", one) == 0
                    bench.measure("  1 % changed", "apply", two)
                    bench.measure("  rollback", "rollback")
                    bench.measure("  export", "export")
                    bench.must("unload")
        finally:
            bench.close()


main()
