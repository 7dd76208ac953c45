# SPDX-License-Identifier: GPL-2.0-only
"""Real packets, end to end through a transit and an edge node, in both directions (the lab is that
of tools/lab/lab.sh). What holds for packets holds on each of three paths:

    native   XDP in the driver on all ports
    generic  XDP in generic mode on all ports
    slow     the kernel and penstock0 encapsulate, the kernel forwards what was decapsulated

With the fixture `wire` everything on the underlay and at the hosts is captured, and tshark judges
each packet when the test ends.
"""

import hashlib
import random
import re
import socket
import struct
from collections import Counter

import pytest
from conftest import run
from lab import (ENDPOINT, ENDPOINTS, GUEST, INET, KEYS, LAN, LAN2, PacketLab, Wire, background,
                 inner, judge, ping_loss, poll, send_gre, text)

PATHS = ["native", "generic", "slow"]
MTU = 1472      # of penstock0: the tunnel with the key has the smallest
SEED = random.SystemRandom().randrange(1 << 32)


@pytest.fixture(scope="module")
def module_net():
    lab = PacketLab()
    try:
        yield lab.up()
    finally:
        lab.down()


@pytest.fixture
def net(module_net):
    """The lab, all well, on the native path."""
    module_net.set_path("native")
    module_net.heal()
    return module_net


@pytest.fixture(params=PATHS)
def path(request, module_net):
    module_net.set_path(request.param)
    module_net.heal()
    return request.param


@pytest.fixture
def wire(module_net):
    with Wire(module_net) as w:
        yield w
    bad, good = w.verdict()
    assert not bad, f"{len(bad)} packets are wrong, such as {list(bad.items())[:5]}"
    assert good, "tshark has seen no packet with a checksum that is right"


def directions(net):
    """(from, its address, to, its address)"""
    return (net.inet, INET, net.lan, LAN), (net.lan, LAN, net.inet, INET)


def ping(ns, source, to, options="-c 3 -i 0.01"):
    sent, received = ping_loss(ns.run(f"ping -n -W 2 -I {source} {options} {to}").stdout)
    return sent - received


def forwarded(node):
    """Packets that the kernel has forwarded."""
    for line in node.ns.must("cat /proc/net/snmp").splitlines():
        if line.startswith("Ip: ") and line[4].isdigit():
            return int(line.split()[6])
    raise AssertionError("no Ip line")


# --- the judge ---------------------------------------------------------------------------------
def spoilt():
    """Packets with one thing wrong each, inside and outside of GRE."""
    from scapy.all import GRE, ICMP, IP, TCP, UDP, Raw
    a, port = dict(src=INET, dst=LAN), dict(sport=1234, dport=9)
    bad = [IP(**a, chksum=1) / UDP(**port) / b"x", IP(**a) / TCP(**port, chksum=1),
           IP(**a) / UDP(**port, chksum=1) / b"x", IP(**a) / ICMP(chksum=1),
           IP(**a) / ICMP(type=3, code=1, chksum=1) / IP(**a) / UDP(**port),
           IP(**a, len=100) / UDP(**port, len=80) / b"x", IP(**a) / UDP(**port) / Raw(bytes(1600))]
    outer = dict(src=ENDPOINT, dst="192.0.2.130")
    return bad + [IP(**outer) / GRE() / p for p in bad] + [
        IP(**outer, chksum=1) / GRE() / IP(**a) / UDP(**port),
        IP(**outer) / GRE(chksum_present=1, chksum=1) / IP(**a) / UDP(**port)]


def test_the_judge_finds(tmp_path):
    """Each of the spoilt packets, and only these."""
    from scapy.all import IP, UDP, Ether, wrpcap
    fine = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src=INET, dst=LAN) / \
        UDP(sport=1234, dport=9) / b"x"
    spoilt_ones = [Ether(src=fine.src, dst=fine.dst) / p for p in spoilt()]
    wrpcap(str(tmp_path / "fine.pcap"), [fine] * 3)
    wrpcap(str(tmp_path / "bad.pcap"), [f for bad in spoilt_ones for f in (fine, bad)])
    bad, good = judge(tmp_path / "fine.pcap", tmp_path / "bad.pcap")
    assert {p: len(w) for p, w in bad.items()} == {
        ("bad.pcap", 2 * i + 2): 1 for i in range(len(spoilt_ones))}, bad
    assert good > 3 + len(spoilt_ones)


# --- on each path ------------------------------------------------------------------------------
def test_ping(module_net, path, wire):
    net = module_net
    for src, a, _, b in directions(net):
        ping(src, a, b, "-c 1")     # neighbours
    before = [forwarded(n) for n in net.nodes]
    with net.counting() as seen:
        for src, a, _, b in directions(net):
            assert ping(src, a, b, "-c 20 -i 0.002") == 0
    handled = [forwarded(n) - b for n, b in zip(net.nodes, before)]
    assert handled == ([80, 80] if path == "slow" else [0, 0]), "not the path that was asked for"
    assert seen.transit.sum("tx_packets") == seen.edge.sum("rx_packets") == 40
    assert seen.edge.sum("tx_packets") == seen.transit.sum("rx_packets") == 40


def test_interface_addresses(module_net, path, wire):
    """Health traffic: the far end of a tunnel's interface subnet answers, through that tunnel."""
    net = module_net
    for number, t in enumerate(ENDPOINTS, 1):
        for node, mine in zip(net.nodes, (0, 1)):
            with net.counting() as seen:
                assert ping(node.ns, f"10.255.{number}.{mine}", f"10.255.{number}.{1 - mine}") == 0
            for side in seen.transit, seen.edge:
                assert side.tunnel[t]["tx_packets"] == side.tunnel[t]["rx_packets"] == 3
                assert side.sum("tx_packets") == 3


def transfer(src, a, dst, b, size):
    """Sends over TCP; the receiver's and the sender's sha256."""
    rng = random.Random(SEED)
    data = text(rng, size)
    listener = dst.socket(socket.SOCK_STREAM, (b, 0))
    listener.listen()
    got = hashlib.sha256()
    count = 0

    def receive():
        nonlocal count
        s, _ = listener.accept()
        s.settimeout(20)
        with s:
            while block := s.recv(1 << 16):
                got.update(block)
                count += len(block)
    with background(receive):
        with src.socket(socket.SOCK_STREAM, (a, 0)) as s:
            s.settimeout(20)
            s.connect((b, listener.getsockname()[1]))
            s.sendall(data)
    listener.close()
    assert count == size
    return got.hexdigest(), hashlib.sha256(data).hexdigest()


def test_tcp(module_net, path, wire):
    for src, a, dst, b in directions(module_net):
        got, sent = transfer(src, a, dst, b, 20_000_000)
        assert got == sent


def datagrams(src, a, dst, b, payloads, dont_fragment=False):
    """Sends from many ports; what arrived, in whatever order."""
    receiver = dst.socket(socket.SOCK_DGRAM, (b, 0))
    receiver.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)                # SO_RCVBUFFORCE
    senders = [src.socket(socket.SOCK_DGRAM, (a, 0)) for _ in range(50)]
    for s in senders:
        s.setsockopt(socket.IPPROTO_IP, 10, 2 if dont_fragment else 0)  # IP_MTU_DISCOVER
    for i, payload in enumerate(payloads):
        senders[i % len(senders)].sendto(payload, receiver.getsockname())
    receiver.settimeout(5)
    got = Counter()
    try:
        while got.total() < len(payloads):
            got[receiver.recv(65536)] += 1
    except TimeoutError:
        pass
    for s in senders + [receiver]:
        s.close()
    return got


def test_udp(module_net, path, wire):
    """Each datagram arrives, once and unchanged; the counters of both nodes add up to them."""
    net = module_net
    rng = random.Random(SEED)
    payloads = [text(rng, rng.randrange(1, MTU - 28 + 1)) for _ in range(1000)]
    for src, a, dst, b in directions(net):
        with net.counting() as seen:
            assert datagrams(src, a, dst, b, payloads, True) == Counter(payloads)
        out, back = ((seen.transit, seen.edge) if src is net.inet else (seen.edge, seen.transit))
        assert out.sum("tx_packets") == back.sum("rx_packets") == len(payloads)
        assert out.sum("tx_bytes") == sum(len(p) + 28 for p in payloads)
        for t in ENDPOINTS:
            assert out.tunnel[t]["tx_packets"] == back.tunnel[t]["rx_packets"] > 0
            assert out.tunnel[t]["tx_bytes"] == back.tunnel[t]["rx_bytes"]
        assert back.sum("tx_packets") == 0


def test_large_datagrams(module_net, path, wire):
    """4000 bytes without DF arrive whole, all fragments of one through one tunnel."""
    rng = random.Random(SEED)
    payloads = [text(rng, 4000) for _ in range(40)]
    for src, a, dst, b in directions(module_net):
        assert datagrams(src, a, dst, b, payloads) == Counter(payloads)
    wire.stop()
    tunnels, pieces = {}, Counter()
    for src, dst, ident in wire["underlay"].rows("ip.src", "ip.dst", "ip.id", where="gre"):
        key = src[1], dst[1], ident[1]
        tunnels.setdefault(key, set()).add((src[0], dst[0]))
        pieces[key] += 1
    assert len(tunnels) == 80 and min(pieces.values()) >= 3
    assert all(len(t) == 1 for t in tunnels.values())
    assert len(set.union(*tunnels.values())) > 1


def test_path_mtu(module_net, path, wire):
    """Too large with DF set: the sender is told the tunnel's MTU and remembers it."""
    for src, a, _, b in directions(module_net):
        answer = src.run(f"ping -n -c 1 -W 2 -M do -s 1472 -I {a} {b}").stdout
        assert f"Frag needed and DF set (mtu = {MTU})" in answer, answer
        assert f"mtu {MTU}" in src.ip(f"route get {b} from {a}")
        assert ping(src, a, b, f"-c 3 -i 0.01 -M do -s {MTU - 28}") == 0


def test_traceroute(module_net, path, wire):
    """A TTL that ends at a node is answered by it."""
    addresses = {"transit": {"203.0.113.1", ENDPOINT} | {f"10.255.{i}.0" for i in (1, 2, 3)},
                 "edge": {"198.51.100.1", *ENDPOINTS.values()}}
    for src, a, _, b in directions(module_net):
        order = ["transit", "edge"] if src is module_net.inet else ["edge", "transit"]
        for kind in "-U -p 33434", "-I":
            out = src.must(f"traceroute -n -q 1 -w 2 -m 5 -s {a} {kind} {b}").splitlines()[1:]
            hops = [line.split()[1] for line in out]
            assert len(hops) == 3 and hops[2] == b, out
            assert hops[0] in addresses[order[0]] and hops[1] in addresses[order[1]], out


def test_options(module_net, path, wire):
    """IPv4 options are obeyed: Record Route shows the nodes."""
    for src, a, _, b in directions(module_net):
        out = src.must(f"ping -n -R -c 1 -W 2 -I {a} {b}")
        assert ping_loss(out) == (1, 1)
        route = re.findall(r"(?:RR:|^)\s+(\d+\.\d+\.\d+\.\d+)\s*$", out, re.M)
        assert len(route) >= 5 and {a, b} <= set(route), out


# --- the paths agree ---------------------------------------------------------------------------
def crafted(smac, dmac, src, dst):
    """Frames of many kinds, the same each time."""
    from scapy.all import ICMP, IP, TCP, UDP, Ether, IPOption_NOP, Raw, SCTP
    ip = dict(src=src, dst=dst, ttl=61)
    packets = [IP(**ip, id=100 + i, tos=tos, flags=flags) / UDP(sport=4000 + i, dport=9) /
               Raw(bytes(range(i))) for i, (tos, flags) in enumerate(
                   (t, f) for t in (0, 0xb8, 0x01, 0x02, 0x03, 0xba) for f in ("DF", 0))]
    packets += [IP(**ip, id=200 + i) / TCP(sport=5000 + i, dport=80, flags=flags,
                                           options=[("MSS", 1400)] if flags == "S" else [])
                for i, flags in enumerate(("S", "A", "PA", "F", "R"))]
    packets += [IP(**ip, id=300) / ICMP() / Raw(b"x" * 56),
                IP(**ip, id=301) / ICMP(type=3, code=1) / IP(src=dst, dst=src) /
                UDP(sport=1, dport=2),
                IP(**ip, id=302) / SCTP(sport=1, dport=2),
                IP(**ip, id=303, proto=99) / Raw(b"payload"),
                IP(**ip, id=304, frag=100) / Raw(b"y" * 200),
                IP(**ip, id=305, flags="MF") / UDP(sport=1, dport=2, len=500, chksum=0) /
                Raw(b"z" * 192),
                IP(**ip, id=306) / UDP(sport=7, dport=8, chksum=0) / Raw(b"no checksum"),
                IP(**ip, id=307, options=[IPOption_NOP()] * 4) / UDP(sport=1, dport=2),
                IP(**ip, id=308, flags="DF") / UDP(sport=5, dport=6) / Raw(bytes(MTU - 28)),
                IP(**ip, id=309, flags="DF") / UDP(sport=5, dport=6) / Raw(bytes(MTU - 29))]
    frames = [bytes(Ether(src=smac, dst=dmac) / p) for p in packets]
    return [f.ljust(60, b"\0") for f in frames]     # as a real Ethernet would pad them


def send_frames(ns, frames):
    with ns.enter():
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with s:
        s.bind(("eth0", 0))
        for f in frames:
            s.send(f)


def trimmed(frame):
    """Without the padding."""
    return frame[:14 + struct.unpack_from("!H", frame, 16)[0]]


def test_paths_agree(module_net):
    """Byte for byte the same on the underlay and at the receiver, whichever path."""
    net = module_net
    sides = [(net.inet, INET, net.transit, "inet0", "underlay2", LAN, "lan"),
             (net.lan, LAN, net.edge, "lan0", "underlay", INET, "inet")]
    seen = {}
    for path in PATHS:
        net.set_path(path)
        net.heal()
        for src, a, node, dev, under, b, far in sides:
            frames = crafted(src.mac("eth0"), node.ns.mac(dev), a, b)
            with Wire(net) as wire:
                send_frames(src, frames)
                wire.stop()
                for place in under, far:
                    ours = [f for f in map(trimmed, filter(is_ipv4, wire[place].frames()))
                            if f[26:34] == packed(a, b) or place == under and is_out(f, far)]
                    assert len(ours) == len(frames), (path, place, len(ours), len(frames))
                    seen[path, place, far] = sorted(ours)
    for (path, place, far), frames in seen.items():
        assert frames == seen["native", place, far], f"{path} differs from native at {place}"


def is_ipv4(frame):
    return frame[12:14] == b"\x08\x00"


def packed(*addresses):
    return b"".join(map(socket.inet_aton, addresses))


def is_out(frame, far):
    """GRE towards the node in front of `far`."""
    end = frame[30:34] if far == "lan" else frame[26:30]
    return frame[23] == 47 and end in map(packed, ENDPOINTS.values())


def test_attach_says_its_mode(net):
    for mode in "generic", "native":
        net.set_path(mode)
        for node in net.nodes:
            assert {p["mode"] for p in node.show("status")["ports"]} == {mode}


# --- tunnels -----------------------------------------------------------------------------------
def test_key(net, wire):
    """The tunnel with a key sends it and wants it."""
    net.transit.ok(f"route add {LAN2}/32 via t3 priority 1")
    try:
        with net.counting() as seen:
            assert ping(net.inet, INET, LAN2, "-c 10 -i 0.01") == 0
        assert seen.transit.tunnel["t3"]["tx_packets"] == seen.transit.sum("tx_packets") == 10
        for key in b"\0\0\0\4", b"":
            with net.counting() as seen:
                send_gre(net.core, "192.0.2.132", ENDPOINT, inner(LAN, INET), key)
                poll(lambda: net.reasons(net.transit)["unknown_tunnel"], "the count")
            assert seen.transit.reason["unknown_tunnel"] == 1
    finally:
        net.transit.ok(f"route del {LAN2}/32")
    wire.stop()
    keys = wire["underlay"].rows("gre.key", where=f"gre && ip.dst == {ENDPOINTS['t3']}")
    assert len(keys) == 10 and {k[0][0] for k in keys} == {f"0x{KEYS['t3']:08x}"}


def test_unresolved_tunnel(net, wire):
    """Next hops that do not answer ARP: said so; the slow path carries; refresh makes it fast."""
    node, core = net.transit, net.core
    # Silent, and with no reason to ask, which would tell the node its address.
    core.ip(f"neigh replace {ENDPOINT} lladdr {node.ns.mac('core0')} dev transit0 nud permanent")
    core.sysctl("net.ipv4.conf.transit0.arp_ignore", 8)
    try:
        node.ns.ip("neigh flush dev core0")
        said = node.run("tunnel refresh")
        assert said.returncode == 0 and "does not answer ARP" in said.stderr, said.stderr
        for t in node.show("tunnel show"):
            assert t["next_hop"]["state"] == "no neighbour"
        assert node.show("status")["unresolved_tunnels"] == 3
    finally:
        core.sysctl("net.ipv4.conf.transit0.arp_ignore", 0)
        core.ip(f"neigh del {ENDPOINT} dev transit0")
    with net.counting() as seen:
        assert ping(net.inet, INET, LAN, "-c 20 -i 0.01") == 0
    assert seen.transit.reason["slow_neighbour"] == seen.transit.sum("tx_packets") == 20
    node.ok("tunnel refresh")
    assert {t["next_hop"]["state"] for t in node.show("tunnel show")} == {"ready"}
    with net.counting() as seen:
        assert ping(net.inet, INET, LAN, "-c 20 -i 0.01") == 0
    assert seen.transit.reason["slow_neighbour"] == 0
    assert seen.transit.sum("tx_packets") == 20


def flows_by_tunnel(net, ports):
    """Which tunnel each UDP flow takes, by source port, as the underlay sees it."""
    with Wire(net) as wire:
        sink = net.lan.socket(socket.SOCK_DGRAM, (LAN, 0))
        for port in ports:
            with net.inet.socket(socket.SOCK_DGRAM, (INET, port)) as s:
                s.sendto(b"x", (LAN, 7777))
        sink.close()
        wire.stop()
        rows = wire["underlay"].rows("ip.dst", "udp.srcport", where="gre && udp.dstport == 7777"
                                     " && !icmp")
    name = {a: t for t, a in ENDPOINTS.items()}
    flows = {}
    for dst, port in rows:
        flows.setdefault(int(port[0]), set()).add(name[dst[0]])
    assert sorted(flows) == sorted(ports)
    return flows


def test_only_its_own_flows_move(net):
    """Down: the flows of that tunnel go elsewhere, the others stay. Up: exactly those come back."""
    ports = range(20000, 20200)
    before = flows_by_tunnel(net, ports)
    net.transit.ok("tunnel health t2 down")
    during = flows_by_tunnel(net, ports)
    net.transit.ok("tunnel health t2 healthy")
    after = flows_by_tunnel(net, ports)
    count = Counter(next(iter(t)) for t in before.values())
    assert set(count) == set(ENDPOINTS)
    for port in ports:
        if before[port] == {"t2"}:
            assert during[port] <= {"t1", "t3"}
        else:
            assert during[port] == before[port]
    assert after == before


def flooding(net, change, count=4000):
    """Pings both ways while `change` is called over and over; (lost, times it was called)."""
    pings = [src.popen(f"ping -n -q -i 0.001 -c {count} -W 1 -I {a} {b}", stdout=-1, stderr=-1)
             for src, a, _, b in directions(net)]
    times = 0
    try:
        while any(p.poll() is None for p in pings):
            change(times)
            times += 1
        results = [ping_loss(p.communicate(timeout=10)[0]) for p in pings]
    finally:
        for p in pings:
            p.kill()
            p.wait()
    assert all(sent == count for sent, _ in results)
    return sum(sent - received for sent, received in results), times


def test_tunnels_go_and_come_without_loss(net, wire):
    def change(i):
        state = ("down", "healthy", "degraded", "healthy")[i % 4]
        for node in net.nodes:
            node.ok(f"tunnel health t{i // 4 % 3 + 1} {state}")
    lost, times = flooding(net, change)
    assert lost == 0 and times >= 12


def test_upgrade_without_loss(net, wire):
    """load again: new programs, no packet lost, nothing changed."""
    before = [(n.show("tunnel show"), n.show("route show")) for n in net.nodes]
    ids = prog_ids(net)

    def change(_):
        for node in net.nodes:
            node.ok("load")
    lost, times = flooding(net, change)
    assert lost == 0 and times >= 2
    assert [(n.show("tunnel show"), n.show("route show")) for n in net.nodes] != []
    for (tunnels, routes), node in zip(before, net.nodes):
        now = node.show("tunnel show")
        for a, b in zip(tunnels, now):
            assert {k: v for k, v in a.items() if "packets" not in k and "bytes" not in k} == \
                {k: v for k, v in b.items() if "packets" not in k and "bytes" not in k}
        assert node.show("route show") == routes
    new = prog_ids(net)
    assert set(new) == set(ids) and not set(new.values()) & set(ids.values())


def prog_ids(net):
    ids = {}
    for node in net.nodes:
        for dev in ("inet0", "core0", "lan0"):
            out = node.ns.run(f"ip -d link show dev {dev}").stdout
            if m := re.search(r"prog/xdp id (\d+)", out):
                ids[node.instance, dev] = m[1]
    return ids


def test_detach_and_attach(net, wire):
    """The kernel carries on while a port is away."""
    for node, dev, role in (net.transit, "inet0", "wan"), (net.edge, "lan0", "lan"):
        node.ok(f"detach {dev}")
        assert (node.instance, dev) not in prog_ids(net)
        for src, a, _, b in directions(net):
            assert ping(src, a, b) == 0
        node.fails(2, dev, f"detach {dev}")
        node.ok(f"attach {dev} role {role}")
        assert (node.instance, dev) in prog_ids(net)
        for src, a, _, b in directions(net):
            assert ping(src, a, b) == 0


def test_detach_the_underlay(net, wire):
    """Its tunnels go to the slow path, none of their packets is lost; attached, they are back."""
    rng = random.Random(SEED)
    payloads = [text(rng, 100 + i) for i in range(100)]
    for (src, a, dst, b), node in zip(directions(net), net.nodes):
        for step, state in ("detach core0", "not on a port"), ("attach core0 role wan", "ready"):
            assert node.run(step).returncode == 0
            assert {t["next_hop"]["state"] for t in node.show("tunnel show")} == {state}
            with net.counting() as seen:
                assert datagrams(src, a, dst, b, payloads) == Counter(payloads)
            side = seen.transit if node is net.transit else seen.edge
            assert side.sum("tx_packets") == 100
            assert side.reason["slow_neighbour"] == (100 if state != "ready" else 0)


# --- what is not let through -------------------------------------------------------------------
def test_foreign_traffic_stays_out(net, wire):
    """LAN hosts outside the prefix use the underlay, and are answered over it."""
    with net.counting() as seen:
        assert ping(net.lan, GUEST, INET, "-c 10 -i 0.01") == 0
    for side in seen.transit, seen.edge:
        assert side.sum("tx_packets") == side.sum("rx_packets") == 0
    wire.stop()
    assert len(wire["underlay"].rows("ip.src", where=f"icmp && ip.addr == {GUEST} && !gre")) == 20


@pytest.mark.parametrize("reason,outer,packet,side", [
    ("spoofed_source", ("192.0.2.130", ENDPOINT), (GUEST, INET), "transit"),
    ("spoofed_source", ("192.0.2.130", ENDPOINT), ("10.255.1.1", INET), "transit"),
    ("foreign_destination", (ENDPOINT, "192.0.2.130"), (INET, GUEST), "edge"),
    ("unknown_tunnel", ("192.0.2.133", ENDPOINT), (LAN, INET), "transit"),
    ("unknown_tunnel", (ENDPOINT, "192.0.2.132"), (INET, LAN), "edge"),     # no key
])
def test_refused(net, wire, reason, outer, packet, side):
    """Made by hand and sent into the tunnel: ends at the node, counted once under its reason."""
    node = getattr(net, side)
    before = net.reasons(node)[reason]
    send_gre(net.core, *outer, inner(*packet))
    poll(lambda: net.reasons(node)[reason] == before + 1, f"{reason} to be counted")
    wire.stop()
    where = f"udp.dstport == 9 && ip.src == {packet[0]}"
    assert wire["underlay" if side == "transit" else "underlay2"].rows("ip.src", where=where)
    assert not wire["inet" if side == "transit" else "lan"].rows("ip.src", where=where)
    # The same with what is allowed does arrive: it is the check that stopped it.
    if reason == "spoofed_source":
        before = len(wire["inet"].rows("ip.src"))
        sink = net.inet.socket(socket.SOCK_DGRAM, (INET, 9))
        send_gre(net.core, *outer, inner(LAN, INET, b"good"))
        assert sink.recv(100) == b"good"
        sink.close()


# --- ports -------------------------------------------------------------------------------------
TRIVIAL = """
__attribute__((section("xdp"), used)) int xdp_trivial(void *ctx) { return 2; }
char _license[] __attribute__((section("license"), used)) = "GPL";
"""


@pytest.fixture(scope="module")
def trivial(tmp_path_factory):
    d = tmp_path_factory.mktemp("xdp")
    (d / "trivial.c").write_text(TRIVIAL)
    r = run(["clang", "-g", "-O2", "-target", "bpf", "-c", d / "trivial.c", "-o", d / "trivial.o"])
    assert r.returncode == 0, r.stderr
    return d / "trivial.o"


@pytest.mark.parametrize("theirs", ["xdpdrv", "xdpgeneric"])
@pytest.mark.parametrize("ours", ["auto", "native", "generic"])
def test_another_program_is_named(lab, trivial, theirs, ours):
    node, far = lab.node(), lab.netns()
    lab.link(node.ns, "w0", far, "f0")
    node.ns.ip(f"link set dev w0 {theirs} obj {trivial} sec xdp")
    r = node.fails(2, "xdp_trivial", f"attach w0 role wan mode {ours}")
    assert '"w0"' in r.stderr
    assert node.show("status")["ports"] == []
    node.ns.ip(f"link set dev w0 {theirs} off")
    node.ok(f"attach w0 role wan mode {ours}")


def tagged(frame, *tags):
    """With VLAN tags, (ethertype, id) from the outermost."""
    return frame[:12] + b"".join(struct.pack("!HH", *t) for t in tags) + frame[12:]


@pytest.mark.parametrize("tags", [((0x8100, 7),), ((0x88a8, 5), (0x8100, 7))], ids=["one", "two"])
def test_tags(net, wire, tags):
    """Packets that come tagged are steered like others; the tags stay behind."""
    for src, a, node, dev, b, under, far in (
            (net.inet, INET, net.transit, "inet0", LAN, "underlay2", "lan"),
            (net.lan, LAN, net.edge, "lan0", INET, "underlay", "inet")):
        from scapy.all import IP, UDP, Ether, Raw
        frames = [bytes(Ether(src=src.mac("eth0"), dst=node.ns.mac(dev)) / IP(src=a, dst=b, id=i) /
                        UDP(sport=3000 + i, dport=9) / Raw(b"tagged")) for i in range(1, 101)]
        with net.counting() as seen:
            send_frames(src, [tagged(f, *tags) for f in frames])
            poll(lambda: len(wire[far].rows("ip.id", where=f"udp.dstport == 9 && ip.src == {a} "
                                            "&& !icmp && !vlan")) == 100, "all of them")
        side = seen.transit if node is net.transit else seen.edge
        assert side.sum("tx_packets") == 100
        assert not wire[under].rows("ip.id", where="vlan")


def test_one_port(net, wire, trivial):
    """In and out by the same port: from the underlay to a prefix."""
    # veth wakes up for what XDP sends back only where XDP receives it.
    net.core.ip(f"link set dev transit0 xdpdrv obj {trivial} sec xdp")
    try:
        with net.counting() as seen:
            assert ping(net.core, "192.0.2.1", LAN, "-c 10 -i 0.01") == 0
    finally:
        net.core.ip("link set dev transit0 xdpdrv off")
        net.core.must("ethtool -K transit0 gro off")
        net.core.must("ethtool -K transit0 gro on")
    assert seen.transit.sum("tx_packets") == seen.edge.sum("rx_packets") == 10


# --- instances ---------------------------------------------------------------------------------
def test_several_instances(net, wire):
    """A second pair of nodes on this host, with the same addresses: neither sees the other."""
    other = PacketLab()
    try:
        other.up()
        with net.counting() as one, other.counting() as two:
            assert ping(net.inet, INET, LAN, "-c 30 -i 0.002") == 0
            assert ping(other.inet, INET, LAN, "-c 20 -i 0.002") == 0
        assert one.transit.sum("tx_packets") == one.edge.sum("rx_packets") == 30
        assert two.transit.sum("tx_packets") == two.edge.sum("rx_packets") == 20
    finally:
        other.down()
    assert ping(net.inet, INET, LAN) == 0


def footprint(node):
    """All that a namespace has of what Penstock may touch, less what differs by chance."""
    ns = node.ns
    text = "\n".join(ns.must(c) for c in (
        "ip -o link", "ip -o -4 addr", "ip rule", "ip route show table all",
        "ip -4 neigh show nud permanent"))
    text = re.sub(r" link-netns \S+|(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", "", text)
    filters = "\n".join(ns.must(f"tc filter show dev {d} {w}") + ns.must(f"tc qdisc show dev {d}")
                        for d in devices(ns) for w in ("ingress", "egress"))
    return text, filters, ns.must("sysctl -a --pattern rp_filter|forwarding")


def devices(ns):
    return [line.split(":")[1].split("@")[0].strip() for line in ns.must("ip -o link").splitlines()]


def test_unload_leaves_nothing():
    """Devices, addresses, rules, routes, filters, sysctls, pins, programs, maps."""
    from conftest import PINS
    lab = PacketLab()
    try:
        lab.up()
        full = [footprint(n) for n in lab.nodes]
        for node in lab.nodes:
            node.ok("unload")
            assert not (PINS / node.instance).exists()
            assert not prog_ids(lab).get((node.instance, "core0"))
        bare = [footprint(n) for n in lab.nodes]
        for a, b in zip(full, bare):
            assert "penstock0" in a[0] and "penstock" not in b[0] and "7470" not in "".join(b)
            assert "bpf" not in b[1]
        assert all(".core0.rp_filter = 1" in b[2] and ".core0.rp_filter = 2" in a[2]
                   for a, b in zip(full, bare))
        # What a node without Penstock has, and nothing else.
        never = PacketLab()
        try:
            assert never.script("network").returncode == 0
            assert [footprint(n) for n in never.nodes] == bare
        finally:
            never.down()
        for verb in "transit", "edge":
            r = lab.script(verb)
            assert r.returncode == 0, r.stderr
        poll(lambda: ping(lab.inet, INET, LAN, "-c 1") == 0, "the second life")
    finally:
        lab.down()
