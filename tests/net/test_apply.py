# SPDX-License-Identifier: GPL-2.0-only
"""export, diff, apply, confirm, rollback: what they change, that a failure changes nothing, and what
becomes of the states on disk. What a file may say is the business of test_config_file.py.
"""

import fcntl
import gzip
import json
import os
import re
import signal
import time
from pathlib import Path

import pytest
from conftest import PINS, dump, must, run
from lab import INET, LAN, PacketLab, background, ping_loss, poll

# The node of `node`, as a file says it; {} stands for what a test changes.
NODE = "node: {mode: transit, region: none, asn: 13335, hash-mode: rendezvous}\n"
PREFIXES = "prefixes:\n  - {prefix: 192.0.2.0/24, account: acme}\n"
T1 = "  - {name: t1, local: 198.51.100.1, remote: 203.0.113.1, account: acme}\n"
T2 = "  - {name: t2, local: 198.51.100.1, remote: 203.0.113.2, key: 7, address: 10.255.0.0/31}\n"
TUNNELS = "tunnels:\n" + T1 + T2
R24 = "  - {prefix: 192.0.2.0/24, via: t1, priority: 100}\n"
R25 = ("  - {prefix: 192.0.2.0/25, via: t1, priority: 100}\n"
       "  - {prefix: 192.0.2.0/25, via: t2, priority: 100, weight: 3}\n")
RISP = "  - {prefix: 0.0.0.0/0, via: t2, priority: 10, table: isp}\n"
ROUTES = "routes:\n" + R24 + R25 + RISP
POLICIES = "policies:\n  - {from: 10.1.0.0/16, table: isp}\n"
WHOLE = NODE + PREFIXES + TUNNELS + ROUTES + POLICIES


def apply(node, text, words="", **kw):
    return node.ok(f"apply - {words}", input=text, **kw)


def diff(node, text):
    return node.ok("diff -", input=text).splitlines()


def transactions(node):
    return node.show("status")["transactions"]


def states(node):
    return sorted(Path(os.environ["PENSTOCK_STATE_DIR"], node.instance).glob("*"))


def pending(node):
    return Path(os.environ["PENSTOCK_RUN_DIR"], node.instance + ".confirm")


def routes(node, prefix=""):
    return {(r["table"], r["prefix"], r["tunnel"], r["priority"], r["weight"], r["origin"])
            for r in node.show(f"route show {prefix}")}


# --- there and back -----------------------------------------------------------------------------

def test_round_trip(node):
    """What is exported is what is there: applying it writes nothing, in either form."""
    before, count = dump(node), transactions(node)
    for form in ("", "-j ", "-j -p "):
        text = node.ok(form + "export")
        assert diff(node, text) == [] and node.ok("-j diff -", input=text) == "[]\n"
        assert apply(node, text) == "nothing to do\n"
    assert diff(node, WHOLE) == []
    assert transactions(node) == count and dump(node) == before and states(node) == []


def test_from_empty(lab):
    node = lab.node()
    out = node.run("apply -", input=WHOLE)
    assert out.returncode == 0 and out.stdout == "8 added, 0 changed, 0 removed\n"
    assert 'Warning: tunnel "t1"' in out.stderr     # no route to its remote address
    assert transactions(node) == 1
    assert apply(node, WHOLE) == "nothing to do\n" and transactions(node) == 1
    assert {t["name"] for t in node.show("tunnel show")} == {"t1", "t2"}
    assert apply(node, "{}\n") == "0 added, 0 changed, 8 removed\n"
    assert node.show("route show") == node.show("tunnel show") == node.show("prefix show") == []
    assert node.show("policy show") == []
    assert node.show("status")["limits"]["tables"]["used"] == 0


def test_next_hops(node):
    """A new tunnel's is found, one that moves gets another; one that stays keeps its own, its health
    and its counters.
    """
    node.ok("tunnel health t2 down")
    node.ns.ip("neigh add 198.51.100.3 lladdr 02:00:00:00:00:03 dev w0 nud permanent")
    node.ns.ip("route add 203.0.113.77/32 via 198.51.100.3")
    node.ns.ip("neigh replace 198.51.100.2 lladdr 02:00:00:00:00:99 dev w0 nud permanent")
    new = "  - {name: t3, local: 198.51.100.1, remote: 203.0.113.77}\n"
    apply(node, WHOLE.replace(T1, T1.replace("203.0.113.1,", "203.0.113.9,") + new)
          .replace("key: 7", "key: 7, ttl: 9"))
    hop = {t["name"]: t["next_hop"]["mac"] for t in node.show("tunnel show")}
    assert hop == {"t1": "02:00:00:00:00:99", "t2": "02:00:00:00:00:02", "t3": "02:00:00:00:00:03"}
    t2, = node.show("tunnel show t2")
    assert t2["health"] == "down" and t2["ttl"] == 9
    assert node.show("tunnel show t3")[0]["health"] == "healthy"


def test_only_what_differs(node):
    """Changing one route touches no other object's map entry."""
    def raw():
        pins = PINS / node.instance
        return {m: must(["bpftool", "-j", "map", "dump", "pinned", pins / m])
                for m in ("ps_prefix", "ps_policy", "ps_tunnel", "ps_slot")}
    before = raw()
    assert apply(node, WHOLE.replace("weight: 3", "weight: 5")) == "0 added, 1 changed, 0 removed\n"
    assert raw() == before


# --- every kind of object -----------------------------------------------------------------------
MORE = "  - {prefix: 10.8.0.0/23, account: acme}\n"
HALVES = "  - {prefix: 10.8.0.0/24, account: acme}\n  - {prefix: 10.8.1.0/24, account: acme}\n"
R23 = "  - {prefix: 10.8.0.0/23, via: t1, priority: 5}\n"
SWAPPED = WHOLE.replace("203.0.113.1,", "X").replace("203.0.113.2,", "203.0.113.1,") \
    .replace("X", "203.0.113.2,").replace(", key: 7", "")
NO_KEY = WHOLE.replace(", key: 7", "")
CHANGES = {
    "node": (WHOLE, WHOLE.replace("transit", "edge").replace("none", "WNAM")
             .replace("13335", "65000").replace("rendezvous", "modulo"), "0 1 0"),
    "account": (WHOLE, WHOLE.replace("prefix: 192.0.2.0/24, account: acme",
                                     "prefix: 192.0.2.0/24, account: other"), "0 1 0"),
    "tunnel": (WHOLE, WHOLE.replace("key: 7, address: 10.255.0.0/31",
                                    "ttl: 9, mtu: 1400, address: 10.254.0.1/30, mss-clamp: off"),
               "0 1 0"),
    "swap": (NO_KEY, SWAPPED, "0 2 0"),
    "swapped addresses": (WHOLE.replace("key: 7", "key: 7").replace(
        "203.0.113.1, ", "203.0.113.1, address: 10.255.0.2/31, "),
        WHOLE.replace("10.255.0.0/31", "10.255.0.2/31").replace(
            "203.0.113.1, ", "203.0.113.1, address: 10.255.0.0/31, "), "0 2 0"),
    "tunnel renamed": (WHOLE, WHOLE.replace("t1,", "t9,"), "3 0 3"),
    "halves": (WHOLE.replace(PREFIXES, PREFIXES + MORE).replace(ROUTES, ROUTES + R23),
               WHOLE.replace(PREFIXES, PREFIXES + HALVES).replace(ROUTES, ROUTES + R23), "2 0 1"),
    "prefix": (WHOLE, WHOLE.replace(PREFIXES, PREFIXES + MORE), "1 0 0"),
    "endpoint": (WHOLE.replace(PREFIXES, PREFIXES + MORE),      # where the prefix was
                 WHOLE.replace("203.0.113.1,", "10.8.0.9,"), "0 1 1"),
    "priority": (WHOLE, WHOLE.replace("t1, priority: 100", "t1, priority: 7"), "0 2 0"),
    "region": (WHOLE, WHOLE.replace("weight: 3", "weight: 3, region: [AFR, WEUR]"), "1 0 1"),
    "via": (WHOLE, WHOLE.replace(R24, R24.replace("t1", "drop")), "1 0 1"),
    "table": (WHOLE, WHOLE.replace("isp", "nsp"), "1 1 1"),
    "policy": (WHOLE, WHOLE.replace("10.1.0.0/16", "10.2.0.0/16"), "1 0 1"),
    "longer": (WHOLE, WHOLE.replace("192.0.2.0/25", "192.0.2.128/25"), "2 0 2"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_change(node, name):
    """There and back; in between, what is exported is the file, in one transaction each."""
    one, two, counts = CHANGES[name]
    apply(node, one)
    before = dump(node)
    count = transactions(node)
    added, changed, removed = counts.split()
    signs = "".join(line[0] for line in diff(node, two))
    assert (signs.count("+"), signs.count("~"), signs.count("-")) == \
        (int(added), int(changed), int(removed))
    assert apply(node, two) == f"{added} added, {changed} changed, {removed} removed\n"
    # A remote address that lay in a prefix until now is looked for once more afterwards.
    assert transactions(node) == count + (2 if name == "endpoint" else 1) and diff(node, two) == []
    assert apply(node, two) == "nothing to do\n"
    assert apply(node, one) == f"{removed} added, {changed} changed, {added} removed\n"
    after = dump(node)
    for d in (before, after):
        d["status"].pop("transactions")
        # Chunks and groups that were cut off are given back when they are needed.
        d["status"].pop("limits")
        d.pop("stats maps")
        d["tunnel show"].sort(key=lambda t: t["name"])      # by id, and a renamed one has another
        d["route show"].sort(key=json.dumps)
    assert after == before


def test_like_single_commands(lab, node):
    """A file leaves what the commands leave that say the same."""
    other = lab.node()
    apply(other, WHOLE)
    assert routes(other) == routes(node)
    assert other.show("prefix show") == node.show("prefix show")
    assert other.show("policy show") == node.show("policy show")
    assert other.ok("export") == node.ok("export")


# --- what is said -------------------------------------------------------------------------------

def test_diff_text(node):
    two = NODE.replace("none", "WEUR") + "prefixes:\n  - {prefix: 192.0.2.0/24}\n" + \
        "tunnels:\n" + T1.replace("account: acme", "key: 0, mss-clamp: off") + T2 + \
        "  - {name: t3, local: 198.51.100.1, remote: 203.0.113.3, ttl: 9, mtu: 1400}\n" + \
        "routes:\n" + R24.replace("100", "90") + R25.replace("weight: 3", "weight: 4") + \
        "  - {prefix: 192.0.2.0/26, via: t3, priority: 1, weight: 2, region: [AFR, ME]}\n"
    assert diff(node, two) == [
        "~ node region WEUR (was none)",
        "~ prefix 192.0.2.0/24 account default (was acme)",
        "~ tunnel t1 key 0 (was none) mtu 1472 (was 1476) account default (was acme) "
        "mss-clamp off (was on)",
        "+ tunnel t3 local 198.51.100.1 remote 203.0.113.3 ttl 9 mtu 1400",
        "~ route 192.0.2.0/24 via t1 priority 90 (was 100)",
        "~ route 192.0.2.0/25 via t2 weight 4 (was 3)",
        "+ route 192.0.2.0/26 via t3 priority 1 weight 2 region AFR,ME",
        "- route 0.0.0.0/0 via t2 priority 10 table isp",
        "- policy from 10.1.0.0/16 table isp",
    ]
    changes = json.loads(node.ok("-j diff -", input=two))
    assert len(changes) == 9
    assert changes[0] == {"change": "changed", "object": "node", "old": {"region": "none"},
                          "new": {"region": "WEUR"}}
    assert changes[6] == {"change": "added", "object": "route", "old": None,
                          "new": {"prefix": "192.0.2.0/26", "via": "t3", "priority": 1,
                                  "weight": 2, "region": ["AFR", "ME"]}}
    assert changes[8]["change"] == "removed" and changes[8]["new"] is None


def test_dry_run(node):
    before = dump(node)
    two = WHOLE.replace("weight: 3", "weight: 5").replace(T1, T1 + T1.replace("t1", "t3").replace(
        "203.0.113.1,", "203.0.113.8,"))
    for command in ("apply - --dry-run", "apply - dry-run", "--dry-run apply -",
                    "--dry-run apply - confirm 9"):
        assert node.ok(command, input=two) == \
            "would apply -: 1 added, 1 changed, 0 removed: nothing written\n"
    assert json.loads(node.ok("-j --dry-run apply -", input=two))["written"] is False
    assert dump(node) == before and states(node) == [] and not pending(node).exists()
    node.fails(2, "192.0.2.9", "--dry-run apply -",
               input=WHOLE.replace("203.0.113.1,", "192.0.2.9,"))
    apply(node, two)
    assert node.ok("rollback --dry-run").startswith("would return to state 1: 0 added, 1 changed, 1")
    assert diff(node, two) == [] and len(states(node)) == 1
    node.ok("apply - confirm 60", input=WHOLE)
    assert "confirm" in node.ok("--dry-run confirm") and pending(node).exists()
    node.ok("confirm")


def test_json(node):
    two = WHOLE.replace("weight: 3", "weight: 5")
    r = json.loads(node.ok("-j apply -", input=two))
    assert r == {"added": 0, "changed": 1, "removed": 0, "state_before": 1, "confirm_seconds": None}
    r = json.loads(node.ok("-j apply -", input=two))
    assert r == {"added": 0, "changed": 0, "removed": 0, "state_before": None,
                 "confirm_seconds": None}
    assert json.loads(node.ok("-j rollback"))["state_before"] == 2


# --- all or nothing -----------------------------------------------------------------------------

@pytest.mark.parametrize("text,word", [
    (WHOLE.replace("policies:", "polices:"), '"polices"'),
    ("", "nothing there"),
    (WHOLE + "  - {from: 10.9.0.0/16, table: isp, colour: red}\n", '"colour"'),
    (WHOLE.replace(ROUTES, ROUTES + "  - {prefix: 10.0.0.0/8, via: t1, priority: 1}\n"),
     "10.0.0.0/8"),
    (WHOLE.replace(ROUTES, ROUTES + "  - {prefix: 192.0.2.0/28, via: t7, priority: 1}\n"), '"t7"'),
])
def test_refused(fixed, text, word):
    fixed.fails(2, word, "apply -", input=text)
    fixed.fails(2, word, "diff -", input=text)
    assert dump(fixed) == fixed.before and states(fixed) == []


@pytest.mark.parametrize("command,word", [
    ("apply", "a file"), ("apply /nonexistent", "/nonexistent"), ("diff", "a file"),
    ("apply - confirm", "seconds"), ("apply - confirm 0", '"0"'), ("apply - confirm 86401", "86401"),
    ("apply - confrm 3", '"confrm"'), ("confirm now", '"now"'), ("rollback 0", '"0"'),
    ("rollback 21", '"21"'), ("rollback 1x", '"1x"'), ("rollback last", '"last"'),
    ("history 1", '"1"'), ("export x", '"x"'), ("rollback", "no state"), ("confirm", "nothing waits"),
])
def test_wrong_words(fixed, command, word):
    fixed.fails(2, word, command, input=WHOLE)
    assert dump(fixed) == fixed.before


# Limit, and a file that meets it with its last line only.
FULL = [
    ("max-prefixes 5", PREFIXES + "tunnels:\n" + T1 + "routes:\n" + "".join(
        f"  - {{prefix: 192.0.2.{i}/32, via: t1, priority: 1}}\n" for i in range(6)),
     "max-prefixes"),
    ("max-tunnels 2", "tunnels:\n" + "".join(
        f"  - {{name: n{i}, local: 198.51.100.1, remote: 203.0.113.{i}}}\n" for i in range(3)),
     "max-tunnels"),
    ("max-tables 2", "tunnels:\n" + T1 + "routes:\n" + "".join(
        f"  - {{prefix: 0.0.0.0/0, via: t1, priority: 1, table: x{i}}}\n" for i in range(3)),
     "max-tables"),
    ("max-groups 4", PREFIXES + "tunnels:\n" + T1 + "routes:\n" + "".join(
        f"  - {{prefix: 192.0.2.{i}/32, via: t1, priority: {i}}}\n" for i in range(5)),
     "max-groups"),
]


@pytest.mark.parametrize("limits,text,word", FULL, ids=[f[2] for f in FULL])
def test_limits(lab, limits, text, word):
    """A limit met in the last line leaves nothing of the lines before; one less fits."""
    node = lab.node(limits)
    before = dump(node)
    node.fails(2, word, "apply -", input=text)
    assert dump(node) == before and states(node) == []
    fits = text.rstrip("\n").rsplit("\n", 1)[0] + "\n"
    apply(node, fits)
    before = dump(node)
    node.fails(2, word, "apply -", input=text)
    assert dump(node) == before and len(states(node)) == 1


def test_full_map_replaced(lab):
    """What comes is written before what goes: a full map can be changed, not swapped for another."""
    def text(first, n=5, priority=1):
        return PREFIXES + "tunnels:\n" + T1 + "routes:\n" + "".join(
            f"  - {{prefix: 192.0.2.{first + i}/32, via: t1, priority: {priority}}}\n"
            for i in range(n))
    node = lab.node("max-prefixes 5")
    apply(node, text(0))
    apply(node, text(0, priority=2))
    before = dump(node)
    node.fails(2, "max-prefixes", "apply -", input=text(100))
    assert dump(node) == before
    apply(node, text(0, 2))
    apply(node, text(100, 3))
    apply(node, text(100, 5))
    assert len(node.show("route show")) == 5


def test_locked(node):
    before = dump(node)
    fd = os.open(PINS / node.instance, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        node.fails(1, f"process {os.getpid()}", "apply - confirm 30", input="{}\n")
        assert diff(node, WHOLE) == []      # a reader does not wait
    finally:
        os.close(fd)
    assert dump(node) == before and states(node) == [] and not pending(node).exists()


def test_loop(node):
    """A remote address that is reached through a tunnel; and one that was, until this apply."""
    node.ns.ip("route add 203.0.113.50/32 dev penstock0")
    before = dump(node)
    node.fails(2, "203.0.113.50", "apply -", input=WHOLE.replace("203.0.113.1,", "203.0.113.50,"))
    assert dump(node) == before
    node.ns.ip("route del 203.0.113.50/32 dev penstock0")
    apply(node, WHOLE.replace(PREFIXES, PREFIXES + "  - {prefix: 203.0.113.48/29}\n"))
    apply(node, WHOLE.replace("203.0.113.1,", "203.0.113.50,"))
    assert node.show("tunnel show t1")[0]["next_hop"]["state"] == "ready"


# --- BGP ----------------------------------------------------------------------------------------

def test_bgp_routes(node):
    """They are no configuration: an apply leaves them, and what they need can't go."""
    node.ok("route add 192.0.2.0/24 via t2 origin bgp")
    node.ok("route add 192.0.2.64/26 via t2 origin bgp")
    node.ok("prefix add 10.6.0.0/16")
    node.ok("route add 10.6.0.0/16 via t1 origin bgp")
    assert "10.6" not in "".join(line for line in node.ok("export").splitlines() if "via" in line)
    bgp = {r for r in routes(node) if r[5] == "bgp"}
    assert len(bgp) == 3
    both = WHOLE.replace(PREFIXES, PREFIXES + "  - {prefix: 10.6.0.0/16}\n")
    assert diff(node, both) == []
    apply(node, both.replace(R24, ""))
    apply(node, both.replace(R24, R24.replace("100", "3")))
    assert {r for r in routes(node) if r[5] == "bgp"} == bgp
    before = dump(node)
    lacks = both.replace(T2, "").replace(RISP, "").replace(POLICIES, "").replace(
        "  - {prefix: 192.0.2.0/25, via: t2, priority: 100, weight: 3}\n", "")
    r = node.fails(2, '"t2"', "apply -", input=lacks)
    assert "BGP route 192.0.2." in r.stderr
    r = node.fails(2, "10.6.0.0/16", "apply -", input=WHOLE)
    assert "BGP route" in r.stderr and "rule 10" in r.stderr
    node.fails(2, "10.6.0.0/16", "apply - --dry-run", input=WHOLE)
    assert dump(node) == before
    # Two halves admit it as well as the whole did.
    apply(node, both.replace("{prefix: 10.6.0.0/16}", "{prefix: 10.6.0.0/17}").replace(
        "tunnels:", "  - {prefix: 10.6.128.0/17}\ntunnels:"))
    assert {r for r in routes(node) if r[5] == "bgp"} == bgp


# --- states -------------------------------------------------------------------------------------

def weight(n):
    return WHOLE.replace("weight: 3", f"weight: {n}")


def test_rollback(node):
    for n in (4, 5, 6):
        apply(node, weight(n))
    assert node.ok("rollback") == "0 added, 1 changed, 0 removed\n"
    assert diff(node, weight(5)) == []
    node.ok("rollback")     # undoes the rollback
    assert diff(node, weight(6)) == []
    history = node.show("history")
    assert [h["n"] for h in history] == [1, 2, 3, 4, 5]
    assert [h["state"] for h in history] == [5, 4, 3, 2, 1]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", history[0]["time"])
    assert node.ok("history").splitlines()[0].split() == ["N", "BEFORE", "BYTES", "STATE"]
    node.ok("rollback 5")   # before the first apply
    assert diff(node, WHOLE) == []
    assert node.ok("rollback 6") == "nothing to do\n"
    node.fails(2, '"9"', "rollback 9")


def test_states_are_kept(node):
    """The newest 20, as files that zcat and apply can read."""
    for n in range(4, 27):
        apply(node, weight(n))
    assert [s.name for s in states(node)] == [f"{n:08}.yaml.gz" for n in range(4, 24)]
    assert len(node.show("history")) == 20
    text = gzip.decompress(states(node)[0].read_bytes()).decode()
    apply(node, text)
    assert diff(node, weight(6)) == []
    assert oct(states(node)[0].stat().st_mode)[-3:] == "600"


@pytest.fixture
def small(tmp_path):
    """A file system of one page to keep states in; yields the environment and a function that mounts
    it anew.
    """
    where = tmp_path / "mounted"
    where.mkdir()
    must(["mount", "-t", "tmpfs", "-o", "size=4k", f"penstock-test-{os.getpid()}", where])
    try:
        yield dict(os.environ, PENSTOCK_STATE_DIR=str(where)), where
    finally:
        must(["umount", where])


def test_disk_full(node, small):
    env, where = small
    apply(node, weight(4), env=env)     # fits
    before = dump(node)
    kept = sorted(where.rglob("*"))
    for command in ("apply -", "apply - confirm 60", "rollback"):
        r = node.fails(1, "No space left", command, input=weight(5), env=env)
        assert str(where) in r.stderr and "nothing was changed" in r.stderr
        assert dump(node) == before and not pending(node).exists()
    assert sorted(where.rglob("*")) == kept
    for f in where.rglob("*.gz"):
        f.unlink()
    apply(node, weight(5), env=env)


def test_read_only(node, small):
    env, where = small
    before = dump(node)
    must(["mount", "-o", "remount,ro", where])
    node.fails(1, "Read-only", "apply -", input=weight(4), env=env)
    must(["mount", "-o", "remount,rw", where])
    apply(node, weight(4), env=env)
    must(["mount", "-o", "remount,ro", where])
    before = dump(node)
    node.fails(1, "Read-only", "apply -", input=weight(5), env=env)
    node.fails(1, "Read-only", "rollback", env=env)
    assert dump(node) == before


def test_run_directory_missing(node, tmp_path):
    """Nobody could be told to wait: then nothing is changed."""
    (tmp_path / "file").touch()
    env = dict(os.environ, PENSTOCK_RUN_DIR=str(tmp_path / "file"))
    before = dump(node)
    node.fails(1, str(tmp_path), "apply - confirm 60", input=weight(4), env=env)
    assert dump(node) == before and states(node) == []


@pytest.mark.parametrize("how", ["empty", "half", "header", "tail", "byte", "early", "plain", "not yaml"])
def test_damaged_state(node, how):
    """A state that is not whole is refused as a whole."""
    for n in (4, 5):
        apply(node, weight(n))
    file = states(node)[-1]
    data = file.read_bytes()
    middle = len(data) // 2
    file.write_bytes({
        "empty": b"", "half": data[:middle], "header": data[:9], "tail": data[:-1],
        "byte": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1:],
        # YAML says no long before the checksum does.
        "early": gzip.compress(gzip.decompress(data) + b"#\n" * 500000, 0).replace(b"via:", b"vja:"),
        "plain": gzip.decompress(data), "not yaml": gzip.compress(b"nodes: 1\n")}[how])
    before = dump(node)
    r = node.run("rollback")
    assert r.returncode == (2 if how == "not yaml" else 1) and str(file) in r.stderr
    assert ("is damaged" in r.stderr) == (how != "not yaml")
    assert dump(node) == before and len(states(node)) == 2
    node.ok("rollback 2")
    assert diff(node, WHOLE) == []


def test_states_of_a_killed_writer(node):
    """What was half written under another name is no state, and goes with the next one."""
    apply(node, weight(4))
    half = states(node)[0].parent / "new.tmp"
    half.write_bytes(b"half")
    assert len(node.show("history")) == 1
    apply(node, weight(5))
    assert not half.exists() and len(node.show("history")) == 2


# --- confirm ------------------------------------------------------------------------------------

def waiter(node):
    return int(re.search(r"^pid (\d+)$", pending(node).read_text(), re.M)[1])


def ended(pid):
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def test_not_confirmed(node):
    out = apply(node, weight(4), "confirm 2")
    assert out.splitlines() == ["0 added, 1 changed, 0 removed",
                                "state 1 comes back in 2 s unless `penstock confirm` is run"]
    pid = waiter(node)
    s = node.show("status")
    assert s["confirm"]["state"] == 1 and s["confirm"]["waiter_alive"] is True
    assert 1 <= s["confirm"]["seconds_left"] <= 2
    assert any("penstock confirm" in w for w in s["warnings"])
    # It holds nothing that others need.
    files = [os.readlink(f) for f in Path(f"/proc/{pid}/fd").iterdir()]
    assert sorted(files) == sorted(["/dev/null"] * 3 + [str(pending(node))])
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    node.ok("tunnel health t1 down")
    poll(lambda: not pending(node).exists(), "the return")
    assert diff(node, WHOLE) == []
    assert node.show("tunnel show t1")[0]["health"] == "down"
    poll(lambda: ended(pid), "the waiter's end")
    s = node.show("status")
    assert s["confirm"] is None and not any("confirm" in w for w in s["warnings"])
    node.ok("rollback")     # what was not confirmed is not lost
    assert diff(node, weight(4)) == []


def test_confirmed(node):
    apply(node, weight(4), "--confirm 2")
    pid = waiter(node)
    assert node.ok("confirm") == ""
    assert not pending(node).exists()
    poll(lambda: ended(pid), "the waiter's end")
    time.sleep(1.5)     # past the deadline
    assert diff(node, weight(4)) == []
    node.fails(2, "nothing waits", "confirm")


def test_one_waits_at_a_time(node):
    apply(node, weight(4), "confirm 60")
    before = dump(node)
    for words in ("", "confirm 60", "--dry-run"):
        r = node.fails(2, "waits to be confirmed", f"apply - {words}", input=weight(5))
        assert re.search(r"\b(60|5\d) s are left", r.stderr)
        assert "penstock confirm" in r.stderr and "penstock rollback" in r.stderr
    for d in (before, now := dump(node)):
        d.pop("status")     # seconds go by
    assert now == before and len(states(node)) == 1
    pid = waiter(node)
    node.ok("rollback")
    assert diff(node, WHOLE) == [] and not pending(node).exists()
    poll(lambda: ended(pid), "the waiter's end")
    apply(node, weight(5))
    assert diff(node, weight(5)) == []


def test_rollback_to_what_is_there(node):
    """Ends the waiting, too."""
    apply(node, weight(4), "confirm 60")
    node.ok("route replace 192.0.2.0/25 via t2 priority 100 weight 3")
    assert node.ok("rollback") == "nothing to do\n"
    assert not pending(node).exists()


def test_nothing_to_confirm(node):
    assert apply(node, WHOLE, "confirm 60") == "nothing to do\n"
    assert not pending(node).exists()


def test_waiter_killed(node):
    apply(node, weight(4), "confirm 1")
    os.kill(waiter(node), signal.SIGKILL)
    poll(lambda: node.show("status")["confirm"]["seconds_left"] == 0, "the deadline")
    s = node.show("status")
    assert s["confirm"]["waiter_alive"] is False
    assert any("is dead" in w and "penstock rollback" in w for w in s["warnings"])
    node.fails(2, "is dead", "apply -", input=weight(5))
    assert diff(node, weight(4)) == []
    node.ok("rollback")
    assert diff(node, WHOLE) == [] and node.show("status")["confirm"] is None
    apply(node, weight(4), "confirm 60")
    os.kill(waiter(node), signal.SIGKILL)
    node.ok("confirm")
    assert diff(node, weight(4)) == [] and node.show("status")["confirm"] is None


def test_state_of_before_gone(node):
    apply(node, weight(4), "confirm 1")
    pid = waiter(node)
    states(node)[0].unlink()
    poll(lambda: ended(pid), "the waiter's end")
    assert diff(node, weight(4)) == []
    assert any("is dead" in w for w in node.show("status")["warnings"])
    node.ok("confirm")


def test_waiter_waits_for_the_lock(node):
    apply(node, weight(4), "confirm 1")
    fd = os.open(PINS / node.instance, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    time.sleep(6.5)     # longer than one try takes
    os.close(fd)
    poll(lambda: not pending(node).exists(), "the return")
    assert diff(node, WHOLE) == []


@pytest.mark.parametrize("again", [False, True])
def test_instance_gone(node, again):
    """Unloaded, or loaded anew: what was to be undone is no more, and another instance is let be."""
    apply(node, weight(4), "confirm 2")
    pid = waiter(node)
    node.ok("unload")
    if again:
        node.ok("load")
        assert node.show("status")["confirm"] is None
        node.fails(2, "nothing waits", "confirm")
        apply(node, PREFIXES)
    poll(lambda: ended(pid), "the waiter's end")
    assert not pending(node).exists()
    if again:
        assert len(node.show("prefix show")) == 1
    else:
        node.ok("load")


def test_refused_with_confirm(node):
    """The process that was to wait, and all that it was to wait for, are gone again."""
    before = len(states(node))
    node.fails(2, "192.0.2.9", "apply - confirm 60",
               input=WHOLE.replace("203.0.113.1,", "192.0.2.9,"))
    assert len(states(node)) == before and not pending(node).exists()


# --- traffic and size ---------------------------------------------------------------------------

def test_traffic_goes_on():
    """A series of applies, each of which changes what carries the packets, loses none."""
    lab, pinged = PacketLab(), []
    try:
        lab.up()
        one = lab.transit.ok("export")
        via = re.search(r"  - \{prefix: [0-9./]+, via: (t\d), .*\}\n", one)
        halves = one.replace(via[0], via[0] + via[0].replace("198.51.100.0/24", "198.51.100.0/25"))
        files = [one, re.sub(r"weight: 2", "weight: 200", one), halves,
                 one.replace("routes:", "routes:\n  - {prefix: 198.51.100.10/32, via: t3, "
                             "priority: 1}")]
        assert len(set(files)) == 4
        lab.inet.must(f"ping -n -c 2 -I {INET} {LAN}")
        with background(lambda: pinged.append(lab.inet.run(
                f"ping -n -i 0.002 -c 1500 -W 2 -I {INET} {LAN}").stdout)):
            for _ in range(4):
                for text in files:
                    apply(lab.transit, text)
        sent, received = ping_loss(pinged[0])
        assert sent == received == 1500
    finally:
        lab.down()


def test_many(lab):
    """The shape of the full-size bench, smaller: counts, not times."""
    node = lab.node("max-prefixes 70000")
    names = ["ams", "fra", "lon", "par"]
    head = "prefixes:\n  - {prefix: 172.16.0.0/12}\ntunnels:\n" + "".join(
        f"  - {{name: {t}, local: 10.0.0.1, remote: 10.0.0.{i + 2}}}\n"
        for i, t in enumerate(names)) + "routes:\n"
    prefixes = [f"172.{16 + i // 2048}.{i // 8 % 256}.{i % 8 * 32}/27" for i in range(20000)]
    one = head + "".join(f"  - {{prefix: {p}, via: {names[i % 4]}, priority: 100}}\n"
                         for i, p in enumerate(prefixes))
    four = head + "".join(f"  - {{prefix: {p}, via: {t}, priority: 100, weight: {w}}}\n"
                          for p in prefixes for w, t in enumerate(names, 1))
    assert apply(node, one) == "20005 added, 0 changed, 0 removed\n"
    assert node.show("status")["limits"]["groups"]["used"] == 4
    assert apply(node, one) == "nothing to do\n" and transactions(node) == 1
    # A quarter each of the tunnels had another weight or none before.
    assert apply(node, four) == "60000 added, 15000 changed, 0 removed\n"
    assert apply(node, four) == "nothing to do\n" and transactions(node) == 2
    assert node.ok("rollback") == "0 added, 15000 changed, 60000 removed\n"
    assert apply(node, node.ok("export")) == "nothing to do\n" and transactions(node) == 3
