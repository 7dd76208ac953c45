#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Runs layers of tests and adds up.

A test program speaks TAP; what it does not say counts against it: a crash, a time-out, a plan that
was not kept, an exit status without a failed test. The last line is "N passed, M failed, K skipped".
Exits with 1 if a test failed or none ran.

Environment:
  PENSTOCK_CI=1        a skipped test of unit, fuzz, prog or net counts as failed
  PENSTOCK_TALLY=FILE  append "N M K" to FILE instead of printing the last line (.ci/run adds up)
The tests get PENSTOCK_BUILD (the build directory) and, with --long, PENSTOCK_LONG=1.
"""

import argparse
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = "/usr/bin/python3"     # the one that has the distribution's pytest and scapy
TIMEOUT = 600                   # of one program; three times that with --long
NET_TIMEOUT = 3600              # all of tests/net is one program
FUZZ_SECONDS = 20               # of all targets together
FUZZ_LONG = 1200
TAIL = 200                      # lines of a failed program's output that are shown

PLAN = re.compile(r"1\.\.(\d+)\s*(?:# SKIP\b\s*(.*))?$", re.I)
RESULT = re.compile(r"(not )?ok\b\s*\d*(.*)$")
SKIP = re.compile(r"# SKIP\b\s*(.*)$", re.I)


@dataclass
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    notes: list = field(default_factory=list)   # why skipped; why failed, if no test says it

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def fail(self, why):
        self.failed += 1
        self.notes.append(f"FAILED: {why}")

    def skip(self, why):
        self.skipped += 1
        self.notes.append(f"SKIP: {why}")

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def run(argv, env, timeout):
    """Runs argv in a process group of its own. Returns (output, what was wrong with the end)."""
    with tempfile.TemporaryFile() as out:
        p = subprocess.Popen(argv, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=out,
                             stderr=subprocess.STDOUT, start_new_session=True)
        end = os.pidfd_open(p.pid)
        try:
            in_time = select.select([end], [], [], timeout)[0]
            if not in_time:
                os.killpg(p.pid, signal.SIGINT)         # lets it clean up
                select.select([end], [], [], 10)
        finally:
            # Before wait(): until then the group's number is ours. Ends what it left behind, too.
            os.killpg(p.pid, signal.SIGKILL)
            os.close(end)
            status = p.wait()
        out.seek(0)
        output = out.read().decode(errors="replace")
    if not in_time:
        return output, f"still running after {timeout} s"
    if status < 0:
        return output, f"killed by {signal.Signals(-status).name}"
    return output, f"exit status {status}" if status else None


def read_tap(output, wrong):
    counts, planned, seen, plans = Counts(), 0, 0, 0
    for line in output.splitlines():
        if m := PLAN.match(line):
            plans += 1
            planned += int(m[1])
            if m[2] is not None:
                counts.skip(m[2])
        elif m := RESULT.match(line):
            seen += 1
            if skip := SKIP.search(m[2]):
                counts.skip(skip[1])
            elif m[1]:
                counts.failed += 1
            else:
                counts.passed += 1
    if not plans:
        counts.fail(f"no test plan; {wrong or 'exit status 0'}")
    elif planned != seen:
        counts.fail(f"{planned} tests planned, {seen} reported; {wrong or 'exit status 0'}")
    elif wrong and not counts.failed:
        counts.fail(wrong)
    return counts


def report(name, counts, seconds, output):
    parts = [f"{n} {word}" for n, word in ((counts.passed, "passed"), (counts.failed, "FAILED"),
                                           (counts.skipped, "skipped")) if n]
    print(f"  {name:<28} {', '.join(parts) or 'nothing'}  ({seconds:.2f} s)")
    if counts.failed:
        lines = output.splitlines()
        if len(lines) > TAIL:
            print(f"    ... {len(lines) - TAIL} lines")
        for line in lines[-TAIL:]:
            print(f"    {line}")
    for note in counts.notes:
        print(f"    {note}")


def run_tap(name, argv, args):
    start = time.monotonic()
    output, wrong = run(argv, args.env, args.timeout or TIMEOUT * (3 if args.long else 1))
    counts = read_tap(output, wrong)
    report(name, counts, time.monotonic() - start, output)
    return counts


# --- the layers ------------------------------------------------------------------------------
def static(args):
    tools = ROOT / "tools"
    yield run_tap("check-includes", [tools / "check-includes"], args)
    yield run_tap("check-includes --self-test", [tools / "check-includes", "--self-test"], args)
    yield run_tap("check-style", [tools / "check-style"], args)


def programs(layer):
    def run_layer(args):
        built = {p.name for p in (args.build / "tests" / layer).glob("test_*")
                 if not p.suffix and p.is_file() and os.access(p, os.X_OK)}
        wanted = {p.stem for p in (ROOT / "tests" / layer).glob("test_*.c")}
        if not built | wanted:
            print("  no tests yet")
        for name in sorted(built | wanted):
            if name in built:
                yield run_tap(name, [args.build / "tests" / layer / name], args)
            else:
                missing = Counts()
                missing.fail("not built")
                report(name, missing, 0, "")
                yield missing
    return run_layer


def fuzz(args):
    """Each target for its share of the time, from the seeds of tests/fuzz/corpus and from what runs
    before have found. A crash shows its input."""
    targets = sorted(p.stem for p in (ROOT / "tests/fuzz").glob("fuzz_*.c"))
    seconds = (FUZZ_LONG if args.long else FUZZ_SECONDS) // max(len(targets), 1)
    for name in targets:
        program, counts = args.build / "tests/fuzz" / name, Counts()
        found = args.build / "fuzz/corpus" / name
        crashes = args.build / "fuzz/crash" / name
        for d in found, crashes:
            d.mkdir(parents=True, exist_ok=True)
        for old in crashes.iterdir():
            old.unlink()
        start = time.monotonic()
        output, wrong = run([program, f"-max_total_time={seconds}", "-max_len=4096", "-timeout=10",
                             "-rss_limit_mb=1024", f"-artifact_prefix={crashes}/", found,
                             ROOT / "tests/fuzz/corpus" / name.removeprefix("fuzz_")],
                            args.env, seconds + 120) if program.exists() else ("", "not built")
        runs = re.search(r"^Done (\d+) runs", output, re.M)
        if wrong or not runs:
            counts.fail(wrong or "it did not say how many inputs it ran")
            counts.notes += [f"input {p.name}: {p.read_bytes()!r}" for p in crashes.iterdir()]
        else:
            counts.passed = 1
        report(f"{name}{f': {runs[1]} inputs' if runs else ''}", counts, time.monotonic() - start,
               output)
        yield counts


def net(args):
    if not any((ROOT / "tests/net").rglob("test_*.py")):
        print("  no tests yet")
        return
    junit = args.build / "tests" / "net.xml"
    junit.parent.mkdir(parents=True, exist_ok=True)
    junit.unlink(missing_ok=True)
    start = time.monotonic()
    output, wrong = run([PYTHON, "-m", "pytest", "-q", "tests/net", "-p", "no:cacheprovider",
                         f"--junitxml={junit}"], args.env, args.timeout or NET_TIMEOUT)
    counts = Counts()
    if junit.exists():
        for case in ElementTree.parse(junit).iter("testcase"):
            skip = case.find("skipped")
            if case.find("failure") is not None or case.find("error") is not None:
                counts.failed += 1
            elif skip is not None:
                counts.skip(f"{case.get('name')}: {skip.get('message')}")
            else:
                counts.passed += 1
    if wrong and not counts.failed:
        counts.fail(f"pytest: {wrong}")
    report("pytest tests/net", counts, time.monotonic() - start, output)
    yield counts


@dataclass
class Layer:
    run: object
    root: bool = False      # needs root
    strict: bool = True     # a skip is a failure in CI


LAYERS = {
    "static": Layer(static, strict=False),
    "unit": Layer(programs("unit")),
    "fuzz": Layer(fuzz),
    "prog": Layer(programs("prog"), root=True),
    "net": Layer(net, root=True),
}


def run_layer(name, args):
    layer, total = LAYERS[name], Counts()
    print(f"{name}", flush=True)
    if layer.root and os.geteuid() != 0:
        print("  SKIP: needs root")
        total.skip("needs root")
    else:
        for counts in layer.run(args):
            total.add(counts)
            sys.stdout.flush()
    if layer.strict and total.skipped and os.environ.get("PENSTOCK_CI") == "1":
        print(f"  {total.skipped} skipped: counted as failed, since PENSTOCK_CI=1")
        total.failed, total.skipped = total.failed + total.skipped, 0
    print(f"{name}: {total}", flush=True)
    return total


def main():
    parser = argparse.ArgumentParser(description="Run layers of tests and add up.")
    parser.add_argument("--build", type=Path, required=True, help="the build directory")
    parser.add_argument("--long", action="store_true", help="the long versions of the slow tests")
    parser.add_argument("--timeout", type=float, metavar="S",
                        help=f"seconds a test program may take ({TIMEOUT}; net: {NET_TIMEOUT})")
    parser.add_argument("layers", nargs="+", choices=LAYERS, metavar="LAYER",
                        help=", ".join(LAYERS))
    args = parser.parse_args()
    args.build = args.build.resolve()
    args.env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP", PENSTOCK_BUILD=str(args.build),
                    PYTHONDONTWRITEBYTECODE="1", **({"PENSTOCK_LONG": "1"} if args.long else {}))
    args.env.pop("CMOCKA_XML_FILE", None)

    total = Counts()
    for name in dict.fromkeys(args.layers):
        total.add(run_layer(name, args))
    nothing = not total.passed + total.failed
    if nothing:
        print("Error: no test ran", file=sys.stderr, flush=True)
    if tally := os.environ.get("PENSTOCK_TALLY"):
        with open(tally, "a", encoding="ascii") as f:
            print(total.passed, total.failed, total.skipped, file=f)
    else:
        print(total, flush=True)
    return 1 if total.failed or nothing else 0


if __name__ == "__main__":
    sys.exit(main())
