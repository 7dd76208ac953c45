# SPDX-License-Identifier: GPL-2.0-only
"""The service's examples with real packets, each by its table or scenario: priorities, weights,
regions, communities, prepends, failover, accounts (docs/steering-rules.md names them by rule).

The lab is that of tools/lab/lab.sh with a fourth tunnel; t1 and t2 lead to the service's IAD, t3 and
t4 to its ATL. Many UDP flows go to the LAN, and both ends say by which tunnel: the transit node what
it sent, the edge node what it took. What share each tunnel has by its weight, to 3 % over 100,000
flows, is in tests/prog/test_shares.c too.
"""

import socket
import struct
import tempfile
import time

import pytest
from lab import (ENDPOINT, ENDPOINTS, INET, LAN, LAN2, PREFIX, Capture, PacketLab, inner, poll,
                 send_gre)

T4 = "192.0.2.133"
TUNNELS = {**ENDPOINTS, "t4": T4}
PORT = 9
FLOWS = range(20000, 20300)
PATHS = ["native", "generic", "slow"]


@pytest.fixture(scope="module")
def module_net():
    net = PacketLab()
    try:
        net.up()
        net.edge.ns.ip(f"addr add {T4}/25 dev core0")
        net.transit.ok(f"tunnel add t4 gre local {ENDPOINT} remote {T4} address 10.255.4.0/31")
        net.edge.ok(f"tunnel add t4 gre local {T4} remote {ENDPOINT} address 10.255.4.1/31")
        for port in FLOWS[:3]:      # neighbours
            send(net, [port])
        yield net
    finally:
        net.down()


@pytest.fixture
def net(module_net):
    """Nothing routed, all healthy, no region."""
    reset(module_net)
    module_net.set_path("native")
    return module_net


def reset(net):
    node = net.transit
    lines = [f"tunnel health {t} healthy" for t in TUNNELS] + ["node set region none"]
    lines += [f"route del {p}" for p in sorted({r["prefix"] for r in node.show("route show")
                                                if r["origin"] != "interface"})]
    node.ok("-batch -", input="\n".join(lines))


def configure(net, *routes):
    """These routes of the transit node and no others, as one transaction."""
    old = {r["prefix"] for r in net.transit.show("route show") if r["origin"] != "interface"}
    net.transit.ok("-batch -", input="\n".join(
        [f"route del {p}" for p in sorted(old)] +
        [f"route add {r if r[0].isdigit() else f'{PREFIX} {r}'}" for r in routes]))


def send(net, ports, to=LAN):
    """One packet for each source port, from the Internet."""
    with net.inet.socket(socket.SOCK_RAW, proto=socket.IPPROTO_RAW) as s:
        for i, port in enumerate(ports):
            ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 64, 17, 0, socket.inet_aton(INET),
                             socket.inet_aton(to))
            s.sendto(ip + struct.pack("!HHHH", port, PORT, 9, 0) + b"x", (to, 0))
            if i % 64 == 63:
                time.sleep(0.001)   # no queue on the way may overflow


def carried(net, ports=FLOWS, to=LAN):
    """Sends; how many packets went by each tunnel, as both ends count them."""
    def counts(node, key):
        return {t: v[key] for t, v in net.tunnels(node).items()}

    def since(node, key, before):
        now = counts(node, key)
        return {t: n for t in now if (n := now[t] - before[t])}

    sent, taken = counts(net.transit, "tx_packets"), counts(net.edge, "rx_packets")
    with net.lan.socket(socket.SOCK_DGRAM, (to, PORT)):
        send(net, ports, to)
        poll(lambda: sum(since(net.edge, "rx_packets", taken).values()) >= len(ports),
             f"{len(ports)} packets at the edge")
    by = since(net.transit, "tx_packets", sent)
    assert by == since(net.edge, "rx_packets", taken)
    assert sum(by.values()) == len(ports)
    return by


def flows(net, ports=FLOWS):
    """The tunnel of each flow, as it is on the underlay."""
    name = {a: t for t, a in TUNNELS.items()}
    with tempfile.TemporaryDirectory(prefix="penstock-test-") as d:
        capture = Capture(net.core, "transit0", d, f"src {ENDPOINT} and proto 47").ready()
        try:
            carried(net, ports)
        finally:
            capture.stop()
        rows = capture.rows("ip.dst", "udp.srcport", where=f"udp.dstport == {PORT} && !icmp")
    by = {int(port[0]): name[dst[0]] for dst, port in rows}
    assert sorted(by) == sorted(ports)
    return by


def dropped(net, ports=range(20000, 20050), to=LAN):
    """Sends; all must end at the transit node as no_route."""
    with net.counting() as seen:
        before = net.reasons(net.transit)["no_route"]
        send(net, ports, to)
        poll(lambda: net.reasons(net.transit)["no_route"] >= before + len(ports), "no_route")
    assert seen.transit.reason["no_route"] == len(ports)
    assert seen.transit.sum("tx_packets") == 0


# --- priorities and weights --------------------------------------------------------------------
def test_priority_table(net):
    """Rule 6: 100 is preferred to 200, and equal ones share."""
    configure(net, "via t1 priority 200", "via t2 priority 200", "via t3 priority 100",
              "via t4 priority 100")
    by = carried(net)
    assert set(by) == {"t3", "t4"} and min(by.values()) > len(FLOWS) // 3
    configure(net, "via t1 priority 100", "via t2 priority 200")
    assert set(carried(net)) == {"t1"}


def test_weights_table(net):
    """Rule 8: 64, 128, 192 and 255; the second has twice what the first has."""
    weights = {"t1": 64, "t2": 128, "t3": 192, "t4": 255}
    configure(net, *(f"via {t} priority 100 weight {w}" for t, w in weights.items()))
    total, ports = sum(weights.values()), range(10000, 10000 + 10 * sum(weights.values()))
    for r in net.transit.show(f"route show {PREFIX}"):
        want = 100 * weights[r["tunnel"]] / total
        assert abs(r["share_percent"] - want) <= want / 100
    by = carried(net, ports)
    for t, w in weights.items():
        want = len(ports) * w / total
        assert abs(by[t] - want) < 5 * want ** 0.5, (t, by[t], want)   # five standard deviations


# --- regions -----------------------------------------------------------------------------------
REGIONS = [("AFR", {"t1"}), ("EEUR", {"t2"}), ("ENAM", {"t3", "t4"}), ("ME", {"t4"})]


def test_region_table(net):
    """Rule 2: by the node's region one of the tunnels; t4 stands there twice, for ME and ENAM."""
    configure(net, "via t1 priority 100 region AFR", "via t2 priority 100 region EEUR",
              "via t3 priority 100 region ENAM", "via t4 priority 100 region ENAM",
              "via t4 priority 100 region ME")
    for region, tunnels in REGIONS:
        net.transit.ok(f"node set region {region}")
        assert set(carried(net)) == tunnels, region
    # Uncovered regions, and a node that is in none: nowhere to go.
    for region in ("OC", "none"):
        net.transit.ok(f"node set region {region}")
        dropped(net)
        assert not any(r["visible"] for r in net.transit.show(f"route show {PREFIX}"))


def test_regions_beside_global_routes(net):
    """Rule 2: scoped and global routes compete; what is not visible leaves it to a shorter one."""
    configure(net, "via t1 priority 100", "via t2 priority 50 region ME,SAM",
              f"{LAN}/32 via t3 priority 1 region SAM")
    for region, lan, lan2 in [("WEUR", "t1", "t1"), ("ME", "t2", "t2"), ("SAM", "t3", "t2")]:
        net.transit.ok(f"node set region {region}")
        assert (set(carried(net)), set(carried(net, to=LAN2))) == ({lan}, {lan2}), region


# --- BGP ---------------------------------------------------------------------------------------
def beside_static(net, bgp, priority):
    """A BGP route by t1 beside a static one by t2: who carries all?"""
    configure(net, f"via t1 origin bgp {bgp}", f"via t2 priority {priority}")
    tunnel, = carried(net, FLOWS[:60])
    return tunnel


@pytest.mark.parametrize("community,base", [
    ("13335:60010", 10), ("13335:60050", 50), (None, 100), ("13335:60150", 150),
    ("13335:60200", 200), ("13335:60901", 501000), ("13335:60902", 1001000),
    ("13335:60150 13335:60050", 50)], ids=lambda v: str(v).replace("13335:", ""))
def test_community_table(net, community, base):
    """Rule 3: BGP wins over a static priority one above its own, and loses at one below."""
    words = f"community '{community}'" if community else ""
    assert beside_static(net, words, base + 1) == "t1"
    assert beside_static(net, words, base - 1) == "t2"


@pytest.mark.parametrize("path,community,priority", [
    ("65000", "", 100), ("65000 65000", "", 110), ("65000 65000 65000", "", 120),
    ("65200 65000 {65000,65300}", "", 110),
    ("65000 65000 65000", "community 13335:60150", 170)])
def test_prepends_table(net, path, community, priority):
    """Rule 4: one prepend is +10, two are +20; 60150 with two is 170."""
    words = f"peer-asn 65000 as-path '{path}' {community}"
    assert beside_static(net, words, priority + 1) == "t1"
    assert beside_static(net, words, priority - 1) == "t2"


def test_static_before_bgp(net):
    """Rule 7: at a tie static alone, and after the penalty; rule 11: both by one tunnel."""
    configure(net, "via t1 origin bgp", "via t2 priority 100", "via t1 priority 300")
    assert set(carried(net)) == {"t2"}
    net.transit.ok("tunnel health t2 degraded")
    assert set(carried(net)) == {"t1"}
    configure(net, "via t1 origin bgp", "via t2 origin bgp community 13335:60901",
              "via t3 origin bgp", "via t1 priority 300")
    assert set(carried(net)) == {"t1", "t3"}   # rule 8: BGP routes share


# --- prefixes ----------------------------------------------------------------------------------
def test_longest_prefix_although_down(net):
    """Rule 1: the health of a longer prefix's tunnel does not send its traffic to a shorter one."""
    configure(net, "via t1 priority 100", f"{LAN}/32 via t2 priority 4000000000")
    net.transit.ok("tunnel health t2 down")
    assert set(carried(net)) == {"t2"}
    assert set(carried(net, to=LAN2)) == {"t1"}
    net.transit.ok(f"route del {LAN}/32")
    assert set(carried(net)) == {"t1"}


def test_owned_but_unrouted(net):
    """Rule 9: no route, no delivery; the neighbouring /25 of the same prefix is not touched."""
    configure(net, "198.51.100.0/27 via t1 priority 1")
    assert set(carried(net)) == {"t1"}
    dropped(net, to=LAN2)


def test_supernets(net):
    """Rule 10: a /23 over two authorised /24s, and not over one."""
    net.transit.fails(2, "rule 10", "route add 198.51.100.0/23 via t1 priority 1")
    net.transit.ok("prefix add 198.51.101.0/24")
    try:
        configure(net, "198.51.100.0/23 via t1 priority 1")
        assert set(carried(net)) == {"t1"}
        net.transit.fails(2, "198.51.100.0/23", "prefix del 198.51.101.0/24")
    finally:
        reset(net)
        net.transit.ok("prefix del 198.51.101.0/24")


# --- failover ----------------------------------------------------------------------------------
@pytest.fixture(params=PATHS)
def failover(request, net):
    """Tunnels 1 and 2 share, 3 waits; on each path of packets."""
    net.set_path(request.param)
    configure(net, "via t1 priority 100", "via t2 priority 100", "via t3 priority 200")
    yield net
    reset(net)


def test_failover_to_the_other_one(failover):
    """Rule 5: tunnel 2 down, tunnel 1 alone; back, as before."""
    before = flows(failover)
    assert set(before.values()) == {"t1", "t2"}
    failover.transit.ok("tunnel health t2 down")
    assert set(flows(failover).values()) == {"t1"}
    failover.transit.ok("tunnel health t2 healthy")
    assert flows(failover) == before


def test_failover_to_the_next_priority(failover):
    """Rule 5: tunnels 1 and 2 down, tunnel 3; one back, that one alone; both, as before."""
    before = flows(failover)
    for t in ("t1", "t2"):
        failover.transit.ok(f"tunnel health {t} down")
    assert set(flows(failover).values()) == {"t3"}
    failover.transit.ok("tunnel health t1 healthy")
    assert set(flows(failover).values()) == {"t1"}
    failover.transit.ok("tunnel health t2 healthy")
    assert flows(failover) == before


def test_all_down(failover):
    """Rule 5: routes are not withdrawn; the lowest effective priority carries."""
    before = flows(failover)
    for t in TUNNELS:
        failover.transit.ok(f"tunnel health {t} down")
    assert flows(failover) == before
    failover.transit.ok("tunnel health t3 degraded")
    assert set(flows(failover).values()) == {"t3"}


# --- accounts ----------------------------------------------------------------------------------
def test_accounts(net):
    """Out of a tunnel comes its own account's traffic only."""
    node = net.transit
    node.ok("-batch -", input=f"prefix add {LAN}/32 account a\nprefix add {LAN2}/32 account b\n"
            "tunnel set t1 account a\ntunnel set t2 account b\n")
    own = {"t1": LAN, "t2": LAN2}
    sink = net.inet.socket(socket.SOCK_DGRAM, (INET, PORT))
    try:
        for t, source in own.items():
            other = LAN if source == LAN2 else LAN2
            before = net.reasons(node)["spoofed_source"]
            send_gre(net.core, ENDPOINTS[t], ENDPOINT, inner(other, INET, b"the other's"))
            poll(lambda: net.reasons(node)["spoofed_source"] == before + 1, "spoofed_source")
            send_gre(net.core, ENDPOINTS[t], ENDPOINT, inner(source, INET, b"own"))
            assert sink.recvfrom(100) == (b"own", (source, 1234))
            assert net.reasons(node)["spoofed_source"] == before + 1
        # What is routed against it draws a warning.
        r = node.run(f"-dry-run route add {LAN}/32 via t2 priority 1")
        assert r.returncode == 0 and '"a"' in r.stderr and "spoofed_source" in r.stderr
        assert node.run(f"-dry-run route add {LAN}/32 via t1 priority 1").stderr == ""
    finally:
        sink.close()
        node.ok("-batch -", input=f"prefix del {LAN}/32\nprefix del {LAN2}/32\n"
                "tunnel set t1 account default\ntunnel set t2 account default\n")
