# SPDX-License-Identifier: GPL-2.0-only
"""The command line: each command's good path, output, dry runs, the lock, full maps, and that the
documents know the commands. What it refuses is in test_cli_input.py; packets are the business of
other files.
"""

import fcntl
import json
import os
import pty
import re
import select
import subprocess
import threading
import time

import pytest
from conftest import PENSTOCK, PINS, ROOT, dump, run, verb_table, words

# --- what is not loaded ------------------------------------------------------------------------

def test_not_loaded(lab):
    node = lab.node(load=False)
    for command in ["status", "unload", "node show", "prefix show", "tunnel show", "route show",
                    "policy show", "stats", "prefix add 192.0.2.0/24", "attach lo role wan"]:
        node.fails(1, node.instance, command)


def test_other_namespace(lab, fixed):
    """Writing from outside the instance's namespace is refused; looking is not."""
    other = lab.netns()
    index = json.loads(fixed.ns.ip("-j link show w0"))[0]["ifindex"]
    other.ip(f"link add x0 index {index} type veth peer name x1")
    argv = [PENSTOCK, "-n", other.name, "-I", fixed.instance]
    r = run([*argv, "prefix", "add", "10.5.0.0/16"])
    assert r.returncode == 2 and "-n" in r.stderr
    status = json.loads(run([*argv, "-j", "status"]).stdout)
    assert status["netns_ok"] is False and status["warnings"]
    tunnels = json.loads(run([*argv, "-j", "tunnel", "show"]).stdout)
    assert [t["name"] for t in tunnels] == ["t1", "t2"]
    assert tunnels[0]["next_hop"]["device"] is None     # its number is another's here


def test_netns_by_path(fixed):
    r = run([PENSTOCK, "-n", fixed.ns.path, "-I", fixed.instance, "-j", "status"])
    assert r.returncode == 0 and json.loads(r.stdout)["netns_ok"] is True


# --- good paths ---------------------------------------------------------------------------------

def test_load_status_unload(lab):
    node = lab.node(load=False)
    assert node.ok("load max-prefixes 100 max-tunnels 4 max-groups 8 max-tables 2") == ""
    s = node.show("status")
    assert s["instance"] == node.instance and s["netns_ok"] is True and s["mode"] == "transit"
    assert s["version"] == (ROOT / "VERSION").read_text().strip()
    assert s["kernel"] == os.uname().release
    assert s["penstock0"]["mtu_bytes"] == 1476 and s["penstock0"]["ifindex"] > 1
    assert s["transactions"] == 0 and s["unresolved_tunnels"] == 0 and s["ports"] == []
    limits = {k: v["max"] for k, v in s["limits"].items()}
    assert (limits["prefixes"], limits["tunnels"], limits["groups"], limits["tables"]) == \
        (100, 4, 8, 2)
    assert s["ip_forward"] is False and "ip_forward" in s["warnings"][0]
    node.ns.sysctl("net.ipv4.ip_forward", 1)
    assert node.show("status")["warnings"] == []
    node.ok("load")     # again: the programs are replaced
    assert node.show("status")["limits"] == s["limits"]
    text = node.ok("status")
    assert re.search(rf"instance +{node.instance}\n", text) and "prefixes" in text
    assert node.ok("unload") == ""
    node.fails(1, node.instance, "status")


def test_empty(lab):
    node = lab.node()
    for command in ["prefix show", "tunnel show", "route show", "policy show", "stats tunnels"]:
        assert node.ok(command) == ""
        assert node.ok(f"-j {command}") == "[]\n"
        assert node.ok(f"-j -p {command}") == "[]\n"


def test_ports(node):
    port, = node.show("status")["ports"]
    assert (port["device"], port["role"], port["state"]) == ("w0", "wan", "attached")
    assert port["mode"] in ("native", "generic")
    node.ok("attach w1 role lan mode generic")
    ports = {p["device"]: p for p in node.show("status")["ports"]}
    assert ports["w1"]["role"] == "lan" and ports["w1"]["mode"] == "generic"
    node.ok("detach w1")
    assert [p["device"] for p in node.show("status")["ports"]] == ["w0"]
    node.ns.ip("link del w0")
    s = node.show("status")
    assert s["ports"][0]["state"] == "gone" and any("w0" in w for w in s["warnings"])
    node.ok("detach w0")
    assert node.show("status")["ports"] == []


def test_node(node):
    assert node.show("node show") == [{"mode": "transit", "region": None, "asn": 13335,
                                       "hash_mode": "rendezvous", "prepend_count": "additional"}]
    node.ok("node set mode edge region WNAM asn 0xfde8 hash-mode modulo prepend-count all")
    assert node.show("node") == [{"mode": "edge", "region": "WNAM", "asn": 65000,
                                  "hash_mode": "modulo", "prepend_count": "all"}]
    node.ok("node set region none")
    assert node.show("node show")[0]["region"] is None


def test_prefix(node):
    node.ok("prefix add 10.2.0.0/16")
    assert node.show("prefix show") == [{"prefix": "10.2.0.0/16", "account": "default"},
                                        {"prefix": "192.0.2.0/24", "account": "acme"}]
    node.ok("prefix del 10.2.0.0/16")
    assert len(node.show("prefix show")) == 1


def test_tunnel(node):
    t1, t2 = node.show("tunnel show")
    assert t1 == {
        "name": "t1", "kind": "gre", "local": "198.51.100.1", "remote": "203.0.113.1",
        "key": None, "ttl": 64, "mtu_bytes": 1476, "address": None, "account": "acme",
        "mss_clamp": "on", "health": "healthy",
        "next_hop": {"state": "ready", "gateway": "198.51.100.2", "device": "w0",
                     "mac": "02:00:00:00:00:02"},
        "tx_packets": 0, "tx_bytes": 0, "rx_packets": 0, "rx_bytes": 0}
    assert (t2["key"], t2["mtu_bytes"], t2["address"]) == (7, 1472, "10.255.0.0/31")
    node.ok("tunnel set t1 ttl 9 mtu 1400 key 0 address 10.255.1.1/30 account other mss-clamp off")
    t1, = node.show("tunnel show t1")
    assert (t1["ttl"], t1["mtu_bytes"], t1["key"], t1["address"], t1["account"],
            t1["mss_clamp"]) == (9, 1400, 0, "10.255.1.1/30", "other", "off")
    assert t1["next_hop"]["state"] == "ready"
    node.ok("tunnel set t1 key none address none mss-clamp on")
    t1, = node.show("tunnel show t1")
    assert (t1["key"], t1["address"], t1["mss_clamp"], t1["mtu_bytes"]) == (None, None, "on", 1400)
    node.ok("tunnel set t2 key none")   # its MTU was the default one, and stays so
    assert node.show("tunnel show t2")[0]["mtu_bytes"] == 1476
    node.ok("tunnel health t1 degraded")
    assert node.show("tunnel show t1")[0]["health"] == "degraded"
    node.ok("tunnel health t1 healthy")
    node.ok("route del 0.0.0.0/0 table isp")
    node.ok("route del 192.0.2.0/25 via t2")
    node.ok("tunnel del t2")
    assert [t["name"] for t in node.show("tunnel show")] == ["t1"]
    text = node.ok("-s tunnel show t1")
    assert text.splitlines()[0].split()[:2] == ["NAME", "KIND"] and "TX-PACKETS" in text


def test_next_hops(lab, node):
    """What is missing is said; refresh finds what has come."""
    r = node.run("tunnel add far gre local 198.51.100.1 remote 192.88.99.1")
    assert r.returncode == 0 and r.stderr.startswith('Warning: tunnel "far"')
    assert "no route to 192.88.99.1" in r.stderr and "slow path" in r.stderr
    r = node.run("tunnel add dumb gre local 198.51.100.1 remote 198.51.100.77")
    assert r.returncode == 0 and 'tunnel "dumb": 198.51.100.77' in r.stderr
    lab.link(node.ns, "d0", node.ns, "d1")
    node.ns.ip("addr add 172.31.0.1/24 dev d0")
    node.ns.ip("neigh add 172.31.0.9 lladdr 02:00:00:00:00:09 dev d0 nud permanent")
    r = node.run("tunnel add off gre local 198.51.100.1 remote 172.31.0.9")
    assert r.returncode == 0 and '"d0"' in r.stderr
    assert node.show("status")["unresolved_tunnels"] == 3
    node.ns.ip("neigh replace 198.51.100.77 lladdr 02:00:00:00:00:77 dev w0 nud permanent")
    node.ns.ip("route add 192.88.99.0/24 via 198.51.100.2")
    before = node.show("status")["transactions"]
    r = node.run("tunnel refresh dumb")
    assert (r.returncode, r.stderr) == (0, "")
    assert node.show("tunnel show dumb")[0]["next_hop"]["mac"] == "02:00:00:00:00:77"
    r = node.run("tunnel refresh")
    assert r.returncode == 0 and "far" not in r.stderr and '"off"' in r.stderr
    node.ok("tunnel refresh t1")
    assert node.show("status")["transactions"] == before + 2     # nothing changed: none


def test_neighbour_that_answers(lab, node):
    """A next hop not yet known is waited for, by itself and in a batch."""
    far = lab.netns()
    lab.link(node.ns, "p0", far, "f0")
    node.ns.ip("addr add 172.31.0.1/24 dev p0")
    for i in (2, 3, 4):
        far.ip(f"addr add 172.31.0.{i}/24 dev f0")
    node.ok("attach p0 role wan")
    r = node.run("tunnel add one gre local 172.31.0.1 remote 172.31.0.2")
    assert (r.returncode, r.stderr) == (0, "")
    r = node.run("-batch -", input="tunnel add two gre local 172.31.0.1 remote 172.31.0.3\n"
                                   "tunnel add three gre local 172.31.0.1 remote 172.31.0.4\n")
    assert (r.returncode, r.stderr) == (0, "")
    for name in ("one", "two", "three"):
        hop = node.show(f"tunnel show {name}")[0]["next_hop"]
        assert (hop["state"], hop["mac"]) == ("ready", far.mac("f0")), name


def test_refresh_in_a_batch(node):
    node.ns.ip("neigh replace 198.51.100.2 lladdr 02:00:00:00:00:22 dev w0 nud permanent")
    node.ok("-batch -", input="tunnel refresh t1")
    assert [t["next_hop"]["mac"] for t in node.show("tunnel show")] == \
        ["02:00:00:00:00:22", "02:00:00:00:00:02"]
    assert node.ok("--dry-run tunnel refresh") == "would refresh all tunnels: nothing written\n"
    node.ok("-batch -", input="tunnel refresh")
    assert node.show("tunnel show t2")[0]["next_hop"]["mac"] == "02:00:00:00:00:22"


def test_loop(node):
    """An endpoint that is reached through a tunnel is refused by name."""
    before = dump(node)
    node.ns.ip("route add 172.30.0.0/16 dev penstock0")
    node.fails(2, '"172.30.0.1"', "tunnel add lo1 gre local 198.51.100.1 remote 172.30.0.1")
    node.fails(2, '"172.30.0.1"', "tunnel set t1 remote 172.30.0.1")
    assert dump(node) == before


def test_route(node):
    rows = node.show("route show 192.0.2.0/25")
    assert [(r["tunnel"], r["priority"], r["penalty"], r["effective_priority"], r["weight"],
             r["origin"], r["active"]) for r in rows] == \
        [("t1", 100, 0, 100, 1, "static", True), ("t2", 100, 0, 100, 3, "static", True)]
    assert [r["share_percent"] for r in rows] == [25, 75]
    node.ok("tunnel health t2 down")
    rows = node.show("route show 192.0.2.0/25")
    assert [(r["penalty"], r["effective_priority"], r["active"], r["share_percent"])
            for r in rows] == [(0, 100, True, 100), (1000000, 1000100, False, 0)]
    node.ok("tunnel health t2 healthy")
    node.ok("route replace 192.0.2.0/25 via t2 priority 50")
    rows = node.show("route show 192.0.2.0/25")
    assert [(r["tunnel"], r["share_percent"]) for r in rows] == [("t2", 100), ("t1", 0)]
    node.ok("route replace 192.0.2.128/25 via drop priority 1")
    node.ok("route add 192.0.2.128/26 via underlay priority 0xffffffff table isp")
    assert node.show("route show table isp")[-1] == {
        "table": "isp", "prefix": "192.0.2.128/26", "tunnel": "underlay", "region": None,
        "priority": 4294967295, "prepends": 0, "penalty": 0, "effective_priority": 4294967295,
        "weight": 1, "origin": "static", "visible": True, "active": True, "state": "active",
        "share_percent": 100}
    assert {r["table"] for r in node.show("route show")} == {"main", "isp"}
    node.ok("route del 192.0.2.0/25 via t2")
    assert [r["tunnel"] for r in node.show("route show 192.0.2.0/25")] == ["t1"]
    node.ok("route add 192.0.2.0/25 via t2 priority 7")
    node.ok("route del 192.0.2.0/25")
    assert node.show("route show 192.0.2.0/25") == []
    lines = node.ok("route show").splitlines()
    assert lines[0].split()[:3] == ["TABLE", "PREFIX", "TUNNEL"]
    assert len(lines) == 1 + len(node.show("route show"))


@pytest.mark.parametrize("priority,warned", [(499999, False), (500000, True)])
def test_priority_warning(node, priority, warned):
    r = node.run(f"route add 192.0.2.128/25 via t1 priority {priority}")
    assert r.returncode == 0
    assert r.stderr.startswith("Warning: ") == warned and (str(priority) in r.stderr) == warned


def routes(node, prefix, *keys):
    """These keys of a prefix's routes, in no order."""
    return sorted(tuple(r[k] for k in keys) for r in node.show(f"route show {prefix}"))


def test_route_regions(node):
    """The set of regions is a part of a route's identity."""
    p = "192.0.2.128/25"
    node.ok(f"route add {p} via t1 priority 100")
    node.ok(f"route add {p} via t1 priority 50 region ME,ENAM weight 3")
    node.ok(f"route add {p} via t1 priority 60 region ENAM,ME,SAM")
    node.fails(2, "in region ENAM,ME", f"route add {p} via t1 priority 70 region ENAM,ME")
    node.ok(f"route replace {p} via t1 priority 70 region ENAM,ME")
    node.ok(f"route replace {p} via t1 priority 80 region none")
    keys = "priority", "weight", "visible", "state"
    assert [(r["region"], *(r[k] for k in keys)) for r in node.show(f"route show {p}")] == [
        ("ENAM,ME,SAM", 60, 1, False, "invisible"), ("ENAM,ME", 70, 1, False, "invisible"),
        (None, 80, 1, True, "active")]
    node.ok("node set region ME")
    assert [(r["region"], *(r[k] for k in keys)) for r in node.show(f"route show {p}")] == [
        ("ENAM,ME,SAM", 60, 1, True, "active"), ("ENAM,ME", 70, 1, True, "standby"),
        (None, 80, 1, True, "standby")]
    assert [line.split()[3] for line in node.ok(f"route show {p}").splitlines()] == [
        "REGION", "ENAM,ME,SAM", "ENAM,ME", "-"]
    node.ok(f"route del {p} via t1 region none")
    assert len(node.show(f"route show {p}")) == 2
    node.ok(f"route del {p} region ENAM,ME,SAM")
    assert routes(node, p, "region") == [("ENAM,ME",)]
    node.ok(f"route del {p}")
    assert node.show(f"route show {p}") == []


def test_route_of_one_tunnel_twice(node):
    """Two routes in force that name one tunnel have its share between them."""
    p = "192.0.2.128/25"
    node.ok("node set region ME")
    node.ok(f"route add {p} via t1 priority 100 weight 1")
    node.ok(f"route add {p} via t1 priority 100 weight 2 region ME")
    node.ok(f"route add {p} via t2 priority 100 weight 1")
    assert routes(node, p, "tunnel", "weight", "share_percent") == [
        ("t1", 1, 25), ("t1", 2, 50), ("t2", 1, 25)]


def test_bgp_route(node):
    """Attributes become priority and prepends; the static route beside it is another one."""
    p = "192.0.2.128/25"
    node.ok(f"route add {p} via t1 origin bgp peer-asn 65000 as-path '65000 65000 {{65200,65000}}' "
            "community '65535:1 13335:60150'")
    node.ok(f"route add {p} via t1 priority 200")
    keys = "origin", "priority", "prepends", "penalty", "effective_priority", "weight", "state"
    assert routes(node, p, *keys) == [("bgp", 150, 2, 0, 170, 1, "active"),
                                      ("static", 200, 0, 0, 200, 1, "standby")]
    node.ok("tunnel health t1 degraded")
    assert routes(node, p, "penalty", "effective_priority") == [(500000, 500170), (500000, 500200)]
    node.ok(f"route replace {p} via t1 origin bgp")
    assert routes(node, p, *keys[:4])[0] == ("bgp", 100, 0, 500000)
    node.ok(f"route del {p} origin static")
    assert routes(node, p, "origin") == [("bgp",)]
    node.ok(f"route add {p} via t2 origin bgp peer-asn 1.10 as-path '65546 1.10' region SAM")
    assert routes(node, p, "tunnel", "region", "prepends")[1] == ("t2", "SAM", 1)


def test_bgp_settings(node):
    """asn and prepend-count hold for what comes after."""
    p, attributes = "192.0.2.128/25", "origin bgp peer-asn 7 as-path 7 community 64512:60010"
    assert node.run("node set prepend-count all").stderr == ""
    node.ok(f"route add {p} via t1 {attributes}")
    assert routes(node, p, "priority", "prepends") == [(100, 1)]
    for change in ["asn 64512", "prepend-count additional"]:
        r = node.run(f"node set {change}")
        assert r.returncode == 0 and r.stderr.startswith("Warning: 1 BGP route keeps"), r.stderr
    assert node.run("node set asn 64512 prepend-count additional mode transit").stderr == ""
    assert routes(node, p, "priority", "prepends") == [(100, 1)]
    node.ok(f"route replace {p} via t1 {attributes}")
    assert routes(node, p, "priority", "prepends") == [(10, 0)]
    r = node.run("node set asn 65536")
    assert r.returncode == 0 and "asn 65536: no community can carry it" in r.stderr
    # In one batch the later line knows of the earlier.
    node.ok("-batch -", input="node set asn 64512\n" + f"route replace {p} via t2 {attributes}\n"
            "node set asn 13335\n")
    assert routes(node, p, "tunnel", "priority") == [("t1", 10), ("t2", 10)]


def test_bgp_counters(node):
    """Several base communities are counted when the route is written, and only then."""
    def counters():
        return node.show("status")["bgp"]

    route = "route replace 192.0.2.128/25 via t1 origin bgp community "
    assert counters() == {"rejected": 0, "misconfigured": 0}
    r = node.run(route + "13335:60150,13335:60010")
    assert r.returncode == 0 and "several communities" in r.stderr and "rule 3" in r.stderr
    assert routes(node, "192.0.2.128/25", "priority") == [(10,)]
    assert counters() == {"rejected": 0, "misconfigured": 1}
    assert node.run(route + "13335:60010,13335:60010").stderr == ""
    node.ok("-dry-run " + route + "13335:60150,13335:60010")
    node.fails(2, "rule 10", "route add 10.9.0.0/16 via t1 origin bgp community "
               "'13335:60150 13335:60010'")
    assert counters() == {"rejected": 0, "misconfigured": 1}
    assert re.search(r"BGP routes misconfigured +1\n", node.ok("status"))


ACCOUNTS = [("192.0.2.128/25 via t1 priority 9", None), ("192.0.2.128/25 via t2 priority 9", "acme"),
            ("192.0.2.0/23 via t2 priority 9", "acme"), ("192.0.2.0/23 via t1 priority 9", "other"),
            ("192.0.3.0/25 via t1 priority 9", "other"), ("192.0.2.128/25 via drop priority 9", None),
            ("192.0.2.128/25 via t2 priority 9 table isp", None)]


@pytest.mark.parametrize("batch", [False, True])
def test_route_of_another_account(node, batch):
    """What comes back through a tunnel of another account would not pass the source check."""
    prefix = "prefix add 192.0.3.0/24 account other"
    if not batch:
        node.ok(prefix)
    for route, owner in ACCOUNTS:
        if batch:   # where the prefix is only staged
            r = node.run("-dry-run -batch -", input=f"{prefix}\nroute add {route}\n")
        else:
            r = node.run(f"-dry-run route add {route}")
        assert r.returncode == 0, r.stderr
        assert r.stderr.count("Warning: ") == (owner is not None), (route, r.stderr)
        assert not owner or f'"{owner}"' in r.stderr and "spoofed_source" in r.stderr
    node.ok("node set mode edge")
    assert node.run("-dry-run route add 192.0.2.128/25 via t2 priority 9").stderr == ""


def test_interface_route(node):
    rows = [r for r in node.show("route show") if r["origin"] == "interface"]
    assert [(r["prefix"], r["tunnel"]) for r in rows] == [("10.255.0.1/32", "t2")]
    # The same tunnel twice in one list: its share is that of the route in force.
    node.ok("prefix add 10.255.0.0/24")
    node.ok("route add 10.255.0.1/32 via t2 priority 5")
    rows = node.show("route show 10.255.0.1/32")
    assert sorted((r["origin"], r["active"], r["share_percent"]) for r in rows) == \
        [("interface", True, 100), ("static", False, 0)]


def test_policy(node):
    node.ok("policy add from 10.2.0.0/16 table isp")
    node.ok("policy add table other from 10.3.0.0/16")
    assert node.show("policy show") == [{"from": "10.1.0.0/16", "table": "isp"},
                                        {"from": "10.2.0.0/16", "table": "isp"},
                                        {"from": "10.3.0.0/16", "table": "other"}]
    node.ok("policy del from 10.3.0.0/16")
    assert len(node.show("policy show")) == 2


def test_stats(fixed):
    everything = fixed.show("stats")
    assert list(everything) == ["tunnels", "drops", "maps"]
    assert [t["name"] for t in everything["tunnels"]] == ["t1", "t2"]
    assert everything["maps"] == fixed.show("stats maps")
    maps = {m["name"]: m for m in everything["maps"]}
    assert maps["ps_prefix"]["used"] == 1 and maps["ps_policy"]["used"] == 1
    assert all(0 <= m["used"] <= m["max"] and 0 <= m["percent"] <= 100 for m in maps.values())
    reasons = json.loads(fixed.ok("-j -s stats drops"))
    assert {r["kind"] for r in reasons} == {"drop", "handed"}
    assert [r["reason"] for r in reasons] == reason_labels()
    assert len(fixed.ok("-s stats drops").splitlines()) == 1 + len(reasons)
    assert all(r["packets"] for r in fixed.show("stats drops"))
    assert "ps_fib" in fixed.ok("stats")


def test_abbreviations(fixed):
    assert fixed.show("t sh") == fixed.before["tunnel show"]
    assert fixed.show("tunnel") == fixed.before["tunnel show"]
    assert json.loads(fixed.ok("-json -pretty rou sh 192.0.2.0/24 ta main")) == \
        fixed.show("route show 192.0.2.0/24")
    assert fixed.show("stats m") == fixed.before["stats maps"]
    assert fixed.ok("--dry-run n set m edge reg AFR h mod").startswith("would ")


def test_help():
    r = run([PENSTOCK, "help"])
    assert r.returncode == 0
    assert run([PENSTOCK, "-h"]).stdout == r.stdout
    for name, verb in verb_table():
        assert re.search(rf"^  {name}{' ' + verb if verb else ''}( |$)", r.stdout, re.M)
        if name == "help":
            continue
        one = run([PENSTOCK, name, "help"])
        assert one.returncode == 0 and f"  {name}" in one.stdout
    nothing = run([PENSTOCK])
    assert nothing.returncode == 2 and nothing.stdout == ""
    version = run([PENSTOCK, "-V"]).stdout
    assert version.startswith("penstock " + (ROOT / "VERSION").read_text().strip())


# --- output -------------------------------------------------------------------------------------

def on_terminal(argv, env):
    """What a command writes to a terminal."""
    pid, fd = pty.fork()
    if not pid:
        os.execve(argv[0], argv, env)
    out = b""
    while select.select([fd], [], [], 10)[0]:
        try:
            part = os.read(fd, 4096)
        except OSError:
            break
        if not part:
            break
        out += part
    os.close(fd)
    os.waitpid(pid, 0)
    return out.decode()


def test_colour(node):
    node.ok("tunnel health t1 down")
    env = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"TERM": "xterm"}
    for command in ["tunnel show", "tunnel show nosuch"]:
        argv = node.argv(command)
        assert "\x1b[" in on_terminal(argv, env)
        assert "\x1b[" not in on_terminal(argv, env | {"NO_COLOR": "1"})
    assert "\x1b[" not in node.ok("tunnel show")


@pytest.mark.parametrize("command", ["-p -j status", "status", "route show", "-j route show",
                                     "stats", "tunnel show", "help"])
def test_closed_stdout(fixed, command):
    r = fixed.run(command, stdout=None, preexec_fn=lambda: os.close(1))
    assert r.returncode == 0, "its files were mixed up with the closed one"
    with open("/dev/full", "w") as full:
        r = fixed.run(command, stdout=full)
        assert r.returncode == 1 and "cannot write" in r.stderr
    reader, writer = os.pipe()
    os.close(reader)
    r = fixed.run(command, stdout=writer)
    os.close(writer)
    assert r.returncode == 1 and r.stderr == ""
    assert dump(fixed) == fixed.before


def test_many_rows(lab):
    """More rows than a table has room for at once, and more groups than are remembered: one
    heading, even columns, right shares, JSON that parses."""
    node = lab.node("max-groups 2048")
    lines = ["prefix add 10.0.0.0/8"]
    lines += [f"route add 10.{100 + i // 256}.{i % 256}.0/24 via underlay priority 4000000000"
              for i in range(2 * 4096)]     # wide ones fill two tables, narrow ones the third
    for i in range(1500):
        prefix = f"10.{200 + i // 256}.{i % 256}.0/25"
        lines.append(f"route add {prefix} via drop priority {i}")
        if i >= 1024:
            lines.append(f"route add {prefix} via underlay priority {i}")
    assert node.run("-batch -", input="\n".join(lines)).returncode == 0
    rows = node.show("route show")
    assert len(rows) == 8192 + 1024 + 2 * 476
    assert json.loads(node.ok("-j -p route show")) == rows
    for r in rows:
        assert r["share_percent"] == (50 if 1024 <= r["priority"] < 1500 else 100), r
    text = node.ok("route show").splitlines()
    assert len(text) == 1 + len(rows) and sum("PREFIX" in t for t in text) == 1
    assert [t.split()[1] for t in text[1:]] == [r["prefix"] for r in rows]
    assert len({len(t) for t in text}) == 1


# --- dry run ------------------------------------------------------------------------------------

DRY = ["load", "unload", "attach w1 role lan", "detach w0", "node set mode edge",
       "prefix add 10.2.0.0/16 account fresh", "prefix del 10.4.0.0/16",
       "tunnel add t9 gre local 198.51.100.1 remote 203.0.113.9",
       "tunnel set t1 ttl 3 account fresh", "tunnel del t3", "tunnel health t1 down",
       "tunnel refresh", "tunnel refresh t1",
       "route add 192.0.2.128/25 via t1 priority 100 table fresh",
       "route replace 192.0.2.0/24 via t2 priority 1", "route del 192.0.2.0/25",
       "policy add from 10.2.0.0/16 table fresh", "policy del from 10.1.0.0/16"]


def test_dry_run(node):
    node.ok("prefix add 10.4.0.0/16")
    node.ok("tunnel add t3 gre local 198.51.100.1 remote 203.0.113.3")
    before = dump(node)
    seen = set()
    for command in DRY:
        r = node.run(f"--dry-run {command}")
        assert r.returncode == 0, f"{command}: {r.stderr}"
        assert re.fullmatch(r"would .+: nothing written\n", r.stdout), r.stdout
        answer = json.loads(node.ok(f"-j --dry-run {command}"))
        assert answer["written"] is False and answer["would"]
        assert dump(node) == before, command
        seen.add(tuple(words(command)[:2]))
        seen.add((words(command)[0], None))
    for name, verb in verb_table():
        # What only reads; and what test_apply.py is about.
        if verb not in ("show", "get") and name not in ("help", "status", "doctor", "stats", "check", "export", "diff",
                                           "history", "apply", "confirm", "rollback"):
            assert (name, verb) in seen, f"no dry run of {name} {verb}"
    other = node.instance + "x"
    r = run([PENSTOCK, "-n", node.ns.name, "-I", other, "-dry-run", "load"])
    assert r.returncode == 0 and r.stdout.startswith("would load")
    assert not (PINS / other).exists()


@pytest.mark.parametrize("command,word", [
    ("prefix add 192.0.2.0/24", "exists"), ("tunnel del t1", '"t1"'),
    ("route add 10.77.0.0/16 via t1 priority 1", "10.77.0.0/16"),
    ("attach nosuchdev role wan", '"nosuchdev"'), ("detach w1", '"w1"'),
    ("load max-groups 77", "max-groups 77")])
def test_dry_run_checks(fixed, command, word):
    r = fixed.fails(2, word, f"--dry-run {command}")
    assert "would" not in r.stdout


# --- a second writer ------------------------------------------------------------------------------

def lock(node):
    fd = os.open(PINS / node.instance, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    return fd


def test_second_writer(node):
    before = dump(node)
    fd = lock(node)
    try:
        start = time.monotonic()
        r = node.fails(1, f"process {os.getpid()}", "prefix add 10.2.0.0/16")
        took = time.monotonic() - start
        assert 4 < took < 8, f"gave up after {took:.1f} s"
        assert node.instance in r.stderr
        node.fails(2, '"ill"', "tunnel health t1 ill")     # a typing error does not wait
        assert dump(node) == before                         # nor does a reader
    finally:
        os.close(fd)
    node.ok("prefix add 10.2.0.0/16")


def test_waits_for_the_lock(node):
    fd = lock(node)
    threading.Timer(0.5, os.close, [fd]).start()
    node.ok("prefix add 10.2.0.0/16")


def test_writers_take_turns(node):
    """Many at once: all succeed, none is lost."""
    writers = [subprocess.Popen(node.argv(f"prefix add 10.{i}.0.0/16")) for i in range(100, 140)]
    assert [w.wait() for w in writers] == [0] * len(writers)
    assert len(node.show("prefix show")) == 41


# --- full maps ------------------------------------------------------------------------------------

FULL = [
    ("max-prefixes 2 max-chunks 100", "max-prefixes",
     ["prefix add 192.0.2.0/24", "prefix add 10.0.0.0/8"], "prefix add 172.16.0.0/12"),
    ("max-prefixes 2 max-chunks 100", "max-prefixes",
     ["prefix add 10.0.0.0/8", "route add 10.0.0.0/16 via drop priority 1",
      "route add 10.1.0.0/16 via drop priority 1"], "route add 10.2.0.0/16 via drop priority 1"),
    ("max-tunnels 1", "max-tunnels",
     ["tunnel add t1 gre local 198.51.100.1 remote 203.0.113.1"],
     "tunnel add t2 gre local 198.51.100.1 remote 203.0.113.2"),
    ("max-groups 2", "max-groups",
     ["prefix add 10.0.0.0/8", "route add 10.0.0.0/16 via drop priority 1",
      "route add 10.1.0.0/16 via drop priority 2"], "route add 10.2.0.0/16 via drop priority 3"),
    ("max-tables 1", "max-tables",
     ["policy add from 10.0.0.0/8 table a"], "policy add from 11.0.0.0/8 table b"),
    ("max-chunks 1", "max-chunks",
     ["prefix add 10.0.0.0/24"], "prefix add 11.0.0.0/24"),
]


@pytest.mark.parametrize("limits,name,fill,drop", FULL, ids=[f[1] + " " + f[3] for f in FULL])
def test_full(lab, limits, name, fill, drop):
    node = lab.node(limits)
    for command in fill:
        node.ok(command)
    before = dump(node)
    node.fails(2, name, drop)
    assert dump(node) == before
    node.fails(2, name, "-batch -", input=f"node set mode edge\n{drop}\n")
    assert dump(node) == before
    undo = re.split(" via | gre | table ", fill[-1].replace(" add ", " del "))[0]
    node.ok(undo)       # and there is room again
    node.ok(drop)


# --- the manual -----------------------------------------------------------------------------------

MAN = ROOT / "docs/man/penstock.8.scd"


def reason_labels():
    text = (ROOT / "include/penstock/reasons.h").read_text()
    return [m[1] for m in re.finditer(r"X\(\w+,\s*\d+,\s*\"(\w+)\"", text) if "UNUSED" not in m[0]]


def plain(scd):
    """scdoc without its marks."""
    return re.sub(r"\\(.)", r"\1", re.sub(r"(?<!\\)[*]|(?<![\\\w])_|(?<!\\)_(?!\w)", "", scd))


def test_manual_is_complete():
    text = plain(MAN.read_text())
    for (name, verb), keywords in verb_table().items():
        command = f"{name} {verb}" if verb else name
        assert re.search(rf"^penstock {command}\b", text, re.M), command
        for k in keywords:
            assert re.search(rf"\b{k}\b", text), f"{command}: {k}"
    for label in reason_labels():
        assert label in text, label


def examples(file):
    """Commands of penstock in a document: lines of code blocks, and the manual's headings."""
    code = False
    for n, line in enumerate(file.read_text().splitlines(), 1):
        if line.strip().startswith("```"):
            code = not code
        m = re.match(r"\s*(?:[#$] )?(?:sudo )?penstock +(.*)", line) if code else \
            re.match(r"\*penstock (.*)", line)
        if m:
            yield n, m[1].replace("*", "").split(" #")[0].split()


@pytest.mark.parametrize("name", ["docs/man/penstock.8.scd", "README.md"])
def test_documents_name_real_commands(name):
    file = ROOT / name
    if not file.exists():
        pytest.skip(f"no {name}")
    table = verb_table()
    found = 0
    for n, command in examples(file):
        while command and command[0].startswith("-"):
            command = command[2:] if command[0] in ("-I", "-n", "-batch", "-b") else command[1:]
        if not command or command[0].upper() == command[0]:
            continue        # only options; OBJECT VERB
        object_verb = (command[0], (command[1:] or [None])[0])
        assert object_verb in table or (command[0], None) in table, \
            f"{name}:{n}: {' '.join(command)}"
        found += 1
    assert found, f"{name} shows no command"


def test_completion_knows_the_words():
    """The shell function offers objects, verbs and keywords."""
    script = ROOT / "tools/completion/penstock.bash"
    probe = (f"penstock() {{ {PENSTOCK} \"$@\"; }}; source {script}; "
             "COMP_WORDS=($1); COMP_CWORD=$2; _penstock; echo ${COMPREPLY[@]}")

    def complete(line, at):
        return run(["bash", "-c", probe, "x", line, str(at)]).stdout.split()

    assert complete("penstock tu", 1) == ["tunnel"]
    assert complete("penstock -j tunnel re", 3) == ["refresh"]
    assert complete("penstock route get 1.2.3.4 5.6.7.8 in ", 6) == ["wan", "lan", "penstock0"]
    assert "udplite" in complete("penstock route get 1.2.3.4 5.6.7.8 proto ", 6)
    assert set(complete("penstock route add 192.0.2.0/24 ", 4)) >= {"via", "priority", "weight"}


def test_interface_address_in_the_same_subnet(node):
    """The kernel removes the second address of a subnet with the first, so order counts."""
    for address in ("10.255.0.1/31", "10.255.0.0/31"):
        node.ok(f"tunnel set t2 address {address}")
        have = json.loads(node.ns.ip("-j -4 addr show dev penstock0"))[0]["addr_info"]
        assert [f"{a['local']}/{a['prefixlen']}" for a in have] == [address]
        assert node.show("doctor") == []


def test_doctor(node):
    assert node.ok("doctor") == "" and node.show("doctor") == []
    node.ns.ip("route del 192.0.2.0/24 dev penstock0")
    r = node.fails(1, "doctor --repair", "doctor")
    assert "kernel" in r.stdout and node.run("-j doctor").returncode == 1
    finding, = json.loads(node.run("-j doctor").stdout)
    assert finding["where"] == "kernel" and finding["mended"] is False
    assert node.run("-dry-run doctor --repair").returncode == 1     # looks only
    assert "yes" in node.ok("doctor --repair")
    assert node.show("doctor") == []
    assert "penstock0" in node.ns.ip("route show 192.0.2.0/24")
