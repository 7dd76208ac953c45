# SPDX-License-Identifier: GPL-2.0-only
"""route get on known nodes: its words and its JSON, every reason it can give, regions, verification
by the loaded program, damaged maps. That it agrees with the programs in general is shown by
tests/prog/test_decide.c.
"""

import json
import re
import socket
import struct

import pytest
from conftest import PENSTOCK, PINS, furnish, must, run

HOST = "203.0.113.9"
SITE = "192.0.2.7"              # in the /25: t1 and t2 share it by 1 to 3
UDP = f"route get {HOST} {SITE} proto udp sport 1234 dport 53"


@pytest.fixture(scope="module")
def transit(module_lab):
    """The furnished node, and routes for each way to lose."""
    node = furnish(module_lab, module_lab.node())
    for command in [
            "node set region ENAM",
            "prefix add 10.9.0.0/16 account acme",
            "route add 10.9.0.0/17 via t1 priority 100",
            "route add 10.9.0.0/17 via t2 priority 300",
            "route add 10.9.1.0/24 via drop priority 5",
            "route add 10.9.2.0/24 via underlay priority 5",
            "tunnel add far gre local 198.51.100.1 remote 203.0.113.77",
            "tunnel add sick gre local 198.51.100.1 remote 203.0.113.3",
            "tunnel health sick degraded",
            "route add 10.9.0.0/17 via sick priority 50",
            "route add 10.9.3.0/24 via far priority 5",
            "route add 203.0.113.200/32 via underlay priority 5 table isp"]:
        node.ok(command)
    # One whose next hop is not there any more.
    node.ns.ip("route add 203.0.113.77 via 198.51.100.66")
    node.ok("tunnel refresh far")
    return node


def text(node, command):
    """Heading -> the rest of its line."""
    out = node.ok(command)
    return {m[1]: m[2] for m in re.finditer(r"^([a-z]+) +(.*)$", out, re.M)}, out


def columns(out):
    """Tunnel -> the cells of its row."""
    return {w[0]: w[1:] for w in (line.split() for line in out.splitlines())
            if len(w) > 8 and w[1] in ("static", "bgp", "interface")}


def test_text(transit):
    lines, out = text(transit, UDP)
    assert lines["packet"] == (f"{HOST} > {SITE} udp 1234 > 53, 28 bytes, in by a wan port of a "
                               "transit node in ENAM")
    assert lines["owner"] == "account acme, 192.0.2.0/24"
    assert lines["prefix"] == "192.0.2.0/25 in main (longest match)"
    assert re.fullmatch(r"\d+ of 64, flow hash 0x[0-9a-f]{8}", lines["bucket"])
    assert re.fullmatch(r"(t1: gre 198.51.100.1 > 203.0.113.1|"
                        r"t2: gre 198.51.100.1 > 203.0.113.2 key 7), next hop ready \(w0\)",
                        lines["tunnel"])
    assert lines["verdict"] == "encapsulated and sent by the fast path"
    assert not {"skipped", "policy", "maps", "verify", "then", "assumed"} & set(lines)
    # One line a stage, in the order of the decision.
    order = [w for w in re.findall(r"^[a-z]+(?=  )", out, re.M)]
    assert order == ["packet", "owner", "prefix", "bucket", "tunnel", "verdict"]


def test_candidates(transit):
    lines, out = text(transit, f"route get {HOST} 10.9.0.5")
    assert lines["tunnel"].startswith("t1: ")
    assert columns(out) == {
        "t1": ["static", "-", "100", "0", "0", "100", "1", "*", "-"],
        "t2": ["static", "-", "300", "0", "0", "300", "1", *"rule 6: higher effective priority"
               .split()],
        "sick": ["static", "-", "50", "0", "500000", "500050", "1",
                 *"rule 6: higher effective priority".split()]}


def test_json_has_it_all(transit):
    o = transit.show(UDP)
    assert list(o) == [
        "packet", "protocol_name", "in", "mode", "region", "hypothetical", "policy", "owner",
        "table", "prefix", "skipped", "candidates", "bucket", "tunnel", "verdict", "reason",
        "meaning", "slow_path", "maps_agree", "maps_difference", "verify"]
    assert o["packet"] == {"source": HOST, "destination": SITE, "protocol": 17,
                           "source_port": 1234, "destination_port": 53, "length_bytes": 28}
    assert (o["in"], o["mode"], o["region"], o["hypothetical"]) == ("wan", "transit", "ENAM", False)
    assert o["owner"] == {"prefix": "192.0.2.0/24", "account": "acme"}
    assert (o["table"], o["prefix"], o["skipped"], o["policy"]) == \
        ("main", "192.0.2.0/25", [], None)
    assert [(c["tunnel"], c["weight"], c["active"], c["rule"]) for c in o["candidates"]] == \
        [("t1", 1, True, None), ("t2", 3, True, None)]
    assert o["tunnel"]["name"] in ("t1", "t2") and o["tunnel"]["device"] == "w0"
    assert (o["verdict"], o["reason"], o["maps_agree"], o["verify"]) == ("send", None, True, None)
    pretty = json.loads(transit.ok(f"-j -p {UDP}"))
    assert pretty == o


def test_flows_spread_and_stay(transit):
    def tunnel(protocol, port):
        return transit.show(f"route get {HOST} {SITE} proto {protocol} sport {port} "
                            "dport 443")["tunnel"]["name"]

    names = [tunnel("tcp", port) for port in range(40)]
    assert 0 < names.count("t1") < 25 and set(names) == {"t1", "t2"}
    assert [tunnel(6, port) for port in range(40)] == names
    # Without ports the addresses alone decide.
    bare = {transit.show(f"route get {HOST} {SITE} proto {p}")["bucket"]["flow_hash"]
            for p in ("icmp", "gre", "50")}
    assert len(bare) == 1


# (command, verdict, reason, further words of the text)
REASONS = [
    (f"{HOST} 8.8.8.8", "kernel", "to_kernel", "none in main"),
    (f"{HOST} 10.9.200.1", "drop", "no_route", "10.9.0.0/16"),
    (f"{HOST} 10.9.1.1", "drop", "route_drop", "10.9.1.0/24"),
    (f"{HOST} 10.9.2.1", "kernel", "underlay", "10.9.2.0/24"),
    (f"{HOST} 10.9.3.1", "kernel", "slow_neighbour", "next hop no neighbour"),
    (f"{HOST} {SITE} proto udp length 1477", "kernel", "slow_mtu", "1477 bytes"),
    (f"{HOST} {SITE} proto udp length 3506", "kernel", "slow_mtu", "3506 bytes"),
    (f"{HOST} {SITE} proto udp length 1472", "send", None, "fast path"),
    (f"{HOST} 198.51.100.1 proto gre", "decapsulate", None, "what is inside decides"),
    (f"{HOST} 198.51.100.1 proto gre in lan", "kernel", "to_kernel", "lan port"),
    ("10.1.2.3 8.8.8.8 in lan", "send", None, "10.1.0.0/16: table isp"),
    ("10.1.2.3 203.0.113.200 in lan", "kernel", "underlay", "203.0.113.200/32 in isp"),
    ("10.1.2.3 192.0.2.1 in lan", "kernel", "own_destination", "account acme"),
    ("10.2.2.3 192.0.2.1 in lan", "kernel", "to_kernel", "lan port"),
    (f"{HOST} {SITE} in penstock0", "send", None, "sent by penstock0"),
    (f"{HOST} {SITE} in penstock0 length 1477", "drop", "too_big", "to penstock0"),
    (f"{HOST} 8.8.8.8 in penstock0", "drop", "not_ours", "penstock0"),
    (f"{HOST} 10.9.200.1 in penstock0", "drop", "no_route", "penstock0"),
    (f"{HOST} 10.9.1.1 in penstock0", "drop", "route_drop", "penstock0"),
    ("10.1.2.3 203.0.113.200 in penstock0", "underlay", None, "main table"),
]


@pytest.mark.parametrize("words,verdict,reason,say", REASONS)
def test_reasons(transit, words, verdict, reason, say):
    o = transit.show(f"route get {words} verify")
    assert (o["verdict"], o["reason"]) == (verdict, reason)
    assert o["verify"] == {"agrees": True, "difference": None} and o["maps_agree"] is True
    assert (o["meaning"] is None) == (reason is None)
    lines, out = text(transit, f"route get {words} --verify")
    assert say in out and lines["verify"] == "agrees"
    assert reason is None or f"({reason}: " in lines["verdict"]


def test_what_the_slow_path_does(transit):
    """A tunnel that waits for its next hop: the fast path hands over, penstock0 sends."""
    o = transit.show(f"route get {HOST} 10.9.3.1")
    assert o["slow_path"] == {"verdict": "send", "reason": None, "meaning": None}
    lines, _ = text(transit, f"route get {HOST} 10.9.3.1")
    assert lines["then"] == "encapsulated and sent by penstock0"
    transit.ns.ip("route replace unreachable 203.0.113.77")
    try:
        o = transit.show(f"route get {HOST} 10.9.3.1 verify")
        assert o["slow_path"]["reason"] == "no_underlay" and o["verify"]["agrees"]
        o = transit.show(f"route get {HOST} 10.9.3.1 in penstock0 verify")
        assert (o["verdict"], o["reason"]) == ("drop", "no_underlay") and o["verify"]["agrees"]
    finally:
        transit.ns.ip("route replace 203.0.113.77 via 198.51.100.66")


def test_loop(lab):
    node = furnish(lab, lab.node())
    node.ns.ip("route add 203.0.113.2 dev penstock0")
    o = node.show("route get 10.1.2.3 8.8.8.8 in penstock0 verify")
    assert (o["verdict"], o["reason"], o["verify"]["agrees"]) == ("drop", "tunnel_loop", True)


def test_edge(lab):
    """Where owned destinations are the LAN's, and packets come in by a lan port."""
    node = furnish(lab, lab.node())
    node.ok("node set mode edge")
    o = node.show("route get 10.1.2.3 8.8.8.8 verify")
    assert (o["in"], o["mode"], o["verdict"], o["verify"]["agrees"]) == \
        ("lan", "edge", "send", True)
    node.ok("prefix add 10.9.0.0/16")
    o = node.show(f"route get {HOST} 10.9.0.1 in wan verify")
    assert (o["reason"], o["verify"]["agrees"]) == ("to_kernel", True)
    assert "of an edge node without region" in node.ok("route get 10.1.2.3 8.8.8.8")


# --- hands in the maps ---------------------------------------------------------------------------

def pin_key(node, name, key):
    return ["pinned", str(PINS / node.instance / name), "key", "hex", *(f"{b:02x}" for b in key)]


def look(node, name, key):
    r = json.loads(must(["bpftool", "-j", "map", "lookup", *pin_key(node, name, key)]))
    return bytes(int(b, 16) for b in r["value"])


def poke(node, name, index, edit):
    """Changes one element of a pinned array."""
    key = struct.pack("<I", index)
    must(["bpftool", "map", "update", *pin_key(node, name, key), "value", "hex",
          *(f"{b:02x}" for b in edit(look(node, name, key)))])


def group_of(node, address, length):
    """Group id of a route in main."""
    key = socket.inet_aton(address) + struct.pack("<HBB", 0, length, 0)
    return struct.unpack("<I", look(node, "ps_route", key))[0]


# --- regions ------------------------------------------------------------------------------------

def test_region(transit):
    o = transit.show(f"{UDP} region WEUR")
    assert o["hypothetical"] is True and o["region"] == "WEUR" and o["maps_agree"] is None
    lines, _ = text(transit, f"{UDP} region none")
    assert "transit node without region" in lines["packet"] and "by the rules" in lines["assumed"]


def test_skipped(lab):
    node = furnish(lab, lab.node())
    node.ok("route add 192.0.2.0/26 via t2 priority 10")
    weur = 1 << 7       # core/region.h
    poke(node, "ps_candidate", group_of(node, "192.0.2.0", 26),
         lambda v: v[:8] + struct.pack("<H", weur) + v[10:])
    node.ok("node set region ENAM")     # makes rows and leaves anew
    lines, _ = text(node, UDP)
    assert lines["prefix"].startswith("192.0.2.0/25 ")
    assert lines["skipped"] == "192.0.2.0/26: no route visible in ENAM (rule 2)"
    assert node.show(UDP)["skipped"] == ["192.0.2.0/26"]
    there = node.show(f"{UDP} region WEUR")
    assert there["prefix"] == "192.0.2.0/26" and there["tunnel"]["name"] == "t2"
    node.ok("node set region WEUR")
    here = node.show(UDP)
    assert (here["prefix"], here["tunnel"], here["hypothetical"]) == \
        (there["prefix"], there["tunnel"], False)


# --- verification -------------------------------------------------------------------------------

def counter(node, reason):
    return {r["reason"]: r["packets"] for r in node.show("-s stats drops")}[reason]


def arrived(node):
    """Frames that came out of the far end of w0."""
    return json.loads(node.ns.ip("-j -s link show w1"))[0]["stats64"]["rx"]["packets"]


def test_verify_counts_and_sends_nothing(lab):
    node = lab.node()
    node.ns.sysctl("net.ipv6.conf.all.disable_ipv6", 1)     # which talks of itself
    node.ns.sysctl("net.ipv6.conf.default.disable_ipv6", 1)
    furnish(lab, node)
    before = counter(node, "to_kernel")
    received = arrived(node)
    for _ in range(3):
        node.ok(f"route get {HOST} 8.8.8.8 verify")
    assert counter(node, "to_kernel") == before + 3
    t = {t["name"]: t["tx_packets"] for t in node.show("stats tunnels")}
    node.ok(f"route get {HOST} 192.0.2.200 verify")
    assert {t["name"]: t["tx_packets"] for t in node.show("stats tunnels")} == {**t, "t1":
                                                                               t["t1"] + 1}
    assert arrived(node) == received
    # Without --verify nothing is counted.
    node.ok(f"route get {HOST} 8.8.8.8")
    assert counter(node, "to_kernel") == before + 3


def test_verify_elsewhere(lab, transit):
    """From another namespace there is an answer, but no test run."""
    other = lab.netns()
    argv = [PENSTOCK, "-n", other.name, "-I", transit.instance, *UDP.split()]
    assert must(argv).splitlines()[-1].startswith("verdict")
    r = run([*argv, "verify"])
    assert r.returncode == 2 and '"verify"' in r.stderr and r.stdout == ""


# --- damage -------------------------------------------------------------------------------------

def test_damaged_row(lab):
    node = furnish(lab, lab.node())
    good = node.show(UDP)
    for block in range(8):
        poke(node, "ps_row", block, lambda v: bytes(len(v)))
    for verify in "", " verify":
        r = node.run(UDP + verify)
        assert r.returncode == 1
        assert "the maps disagree" in r.stderr and "penstock doctor" in r.stderr
        assert re.search(rf"^maps +disagree: bucket {good['bucket']['index']} holds drop ",
                         r.stdout, re.M)
        assert re.search(r"^verdict +dropped \(route_drop", r.stdout, re.M)
    # The program does what the derived maps say, so the run agrees with that.
    r = node.run(f"-j {UDP} verify")
    o = json.loads(r.stdout)        # one object, with the error in it
    assert r.returncode == 1 and o["maps_agree"] is False and o["verify"]["agrees"] is True
    assert "drop" in o["maps_difference"] and o["maps_difference"] in o["error"]
    for block in range(8):      # slots that there are not
        poke(node, "ps_row", block, lambda v: b"\xff" * len(v))
    r = node.run(f"-j {UDP} verify")
    o = json.loads(r.stdout)
    assert (r.returncode, o["tunnel"], o["reason"], o["bucket"]["slot"]) == \
        (1, None, "no_tunnel", 65535) and o["verify"]["agrees"] is True
    assert "holds no tunnel (slot 65535)" in node.run(UDP).stderr
    # By the rules alone nothing is wrong.
    there = node.show(f"{UDP} region none")
    assert (there["tunnel"], there["maps_agree"]) == (good["tunnel"], None)


def test_damaged_header(lab):
    node = furnish(lab, lab.node())
    slot = node.show(UDP)["bucket"]["slot"]
    poke(node, "ps_slot", slot, lambda v: v[:35] + bytes([v[35] ^ 1]) + v[36:])
    r = node.fails(1, "the maps disagree: the header of t", f"{UDP} verify")
    assert re.search(r"^verify +agrees$", r.stdout, re.M)


# --- bad words ----------------------------------------------------------------------------------

@pytest.mark.parametrize("words,bad", [
    ("", "source address"),
    (HOST, "destination address"),
    ("203.0.113 8.8.8.8", '"203.0.113"'),
    (f"{HOST} 8.8.8.0/24", '"8.8.8.0/24"'),
    (f"{HOST} {SITE} proto", "tcp, udp"),
    (f"{HOST} {SITE} proto ud", 'proto "ud": expected tcp, udp, icmp, gre, sctp, udplite or'),
    (f"{HOST} {SITE} proto 256", '"256": expected a number from 0 to 255'),
    (f"{HOST} {SITE} proto udp sport 65536", 'sport "65536"'),
    (f"{HOST} {SITE} sport 53", '"sport": expected it with proto tcp'),
    (f"{HOST} {SITE} proto icmp dport 53", '"dport": expected it with proto tcp'),
    (f"{HOST} {SITE} proto udp length 27", 'length "27": expected at least 28'),
    (f"{HOST} {SITE} length 65536", 'length "65536"'),
    (f"{HOST} {SITE} region MARS", '"MARS": expected one of AFR'),
    (f"{HOST} {SITE} in dmz", '"dmz": expected one of wan, lan, penstock0'),
    (f"{HOST} {SITE} in wan in lan", '"in" given twice'),
    (f"{HOST} {SITE} verify verify", '"verify" given twice'),
    (f"{HOST} {SITE} verify region AFR", '"verify": expected it without region'),
    (f"{HOST} {SITE} verify length 3507", '"verify": expected a length of at most 3506'),
    (f"{HOST} {SITE} loudly", '"loudly"'),
])
def test_bad_words(transit, words, bad):
    r = transit.fails(2, bad, f"route get {words}")
    assert r.stdout == ""
