# SPDX-License-Identifier: GPL-2.0-only
"""The lab of tools/lab/lab.sh for Python: two nodes between an Internet host and a LAN.

    lab = PacketLab(); lab.up()
    lab.inet.must("ping -c 1 198.51.100.10"); lab.transit.ok("tunnel health t2 down"); lab.down()

The topology is described there and only there.
"""

import os
import re
import select
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

from conftest import NAME, PENSTOCK, ROOT, Lab, Netns, Node, must, run

SCRIPT = ROOT / "tools/lab/lab.sh"
WORDS = [line.split() for line in must(["sh", SCRIPT, "vars"]).splitlines()]
INET, LAN, LAN2, GUEST, PREFIX, ENDPOINT = (w[1] for w in WORDS if w[0] != "tunnel")
ENDPOINTS = {w[1]: w[2] for w in WORDS if w[0] == "tunnel"}
WEIGHTS = {w[1]: int(w[3]) for w in WORDS if w[0] == "tunnel"}
KEYS = {w[1]: int(w[5]) for w in WORDS if w[0] == "tunnel" and len(w) > 4}
PORTS = {"transit": {"inet0": "wan", "core0": "wan"}, "edge": {"core0": "wan", "lan0": "lan"}}


class Namespace(Netns):
    """One that lab.sh made."""

    def __init__(self, name):  # noqa: the base class would make it
        self.name = name
        self.path = f"/run/netns/{name}"

    def socket(self, kind, address=None, proto=0):
        with self.enter():
            s = socket.socket(socket.AF_INET, kind, proto)
        s.settimeout(10)
        if address:
            s.bind(address)
        return s


class PacketLab:
    def __init__(self):
        Lab.count += 2
        number, pid = Lab.count, os.getpid()
        # Names that the sweep of conftest.py knows.
        self.prefix = f"{NAME}{pid}-{number}"
        names = [f"t{pid}n{number - 1}", f"t{pid}n{number}"]
        self.env = dict(os.environ, LAB_PREFIX=self.prefix, LAB_TRANSIT=names[0],
                        LAB_EDGE=names[1], PENSTOCK=str(PENSTOCK))
        for ns in ("inet", "core", "lan"):
            setattr(self, ns, Namespace(f"{self.prefix}-{ns}"))
        self.transit = Node(Namespace(f"{self.prefix}-transit"), names[0])
        self.edge = Node(Namespace(f"{self.prefix}-edge"), names[1])

    def script(self, verb):
        return run(["sh", SCRIPT, verb], env=self.env)

    def up(self):
        r = self.script("up")
        assert r.returncode == 0, r.stdout + r.stderr
        return self

    def down(self):
        self.script("down")

    @property
    def nodes(self):
        return self.transit, self.edge

    # --- the path of packets ---
    def set_path(self, path):
        """native or generic: XDP on all ports. slow: none where unencapsulated packets come in and
        go out, so that the kernel and penstock0 encapsulate, and the kernel forwards what was
        decapsulated; only the underlay's ports are left, which alone can decapsulate.
        """
        for node, ports in zip(self.nodes, PORTS.values()):
            have = {p["device"]: p["mode"] for p in node.show("status")["ports"]}
            for dev, role in ports.items():
                mode = ("native" if path == "slow" and dev == "core0"
                        else None if path == "slow" else path)
                if dev in have and have[dev] != mode:
                    node.ok(f"detach {dev}")
                    have.pop(dev)
                if mode and dev not in have:
                    node.ok(f"attach {dev} role {role} mode {mode}")

    def heal(self):
        """Undoes what a test that failed half-way may have left."""
        for node in self.nodes:
            for t in ENDPOINTS:
                node.ok(f"tunnel health {t} healthy")
            node.ok("tunnel refresh")
        for ns in (self.inet, self.lan):
            ns.ip("route flush cache")

    # --- counters ---
    def tunnels(self, node):
        return {t["name"]: t for t in node.show("stats tunnels")}

    def reasons(self, node):
        return Counter({r["reason"]: r["packets"] for r in node.show("-s stats drops")})

    @contextmanager
    def counting(self):
        """Yields an object that has, afterwards, the differences of all counters."""
        before = self.sample()
        delta = Delta()
        yield delta
        after = self.sample()
        for name in ("transit", "edge"):
            t0, r0, t1, r1 = *before[name], *after[name]
            setattr(delta, name, Side(
                {t: {k: t1[t][k] - t0.get(t, {}).get(k, 0)
                     for k in t1[t] if k != "name"} for t in t1}, r1 - r0))

    def sample(self):
        return {name: (self.tunnels(node), self.reasons(node))
                for name, node in zip(("transit", "edge"), self.nodes)}


class Delta:
    transit = edge = None


class Side:
    def __init__(self, tunnel, reason):
        self.tunnel = tunnel
        self.reason = reason

    def sum(self, key):
        return sum(t[key] for t in self.tunnel.values())


def poll(condition, what, seconds=10):
    """Waits until the condition holds; returns what it returned."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"waited {seconds} s in vain for {what}"
        time.sleep(0.02)
    return value


# --- captures ----------------------------------------------------------------------------------
class Capture:
    """tcpdump on a device. Ended, its file is whole."""

    def __init__(self, ns, dev, where, expression=""):
        self.file = Path(where) / f"{ns.name.rsplit('-', 1)[1]}-{dev}.pcap"
        self.p = ns.popen(["tcpdump", "-i", dev, "-w", self.file, "-U", "-B", "65536", "-Z", "root",
                           "--immediate-mode", "-n", *expression.split()],
                          stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)

    def ready(self):
        line = ""
        while "listening on" not in line:
            assert select.select([self.p.stderr], [], [], 10)[0], "tcpdump says nothing"
            line = self.p.stderr.readline()
            assert line, "tcpdump ended"
        return self

    def stop(self):
        """Waits until nothing comes any more, then ends it. Packets that it lost."""
        size, quiet = -1, 0
        while quiet < 3:
            time.sleep(0.02)
            now = self.file.stat().st_size
            quiet = quiet + 1 if now == size else 0
            size = now
        return self.end()

    def end(self):
        if self.p.poll() is None:
            self.p.send_signal(signal.SIGINT)
        try:
            said = self.p.communicate(timeout=10)[1]
        except subprocess.TimeoutExpired:
            self.p.kill()
            said = self.p.communicate()[1]
        m = re.search(r"(\d+) packets? dropped by kernel", said)
        return int(m[1]) if m else -1

    def rows(self, *fields, where=""):
        """Values of tshark's fields, a tuple of lists for each packet."""
        argv = ["tshark", "-n", "-r", self.file, *CHECKSUMS, "-T", "fields",
                *(a for f in fields for a in ("-e", f))]
        out = must(argv + (["-Y", where] if where else []), stderr=subprocess.PIPE)
        return [tuple(v.split(",") if v else [] for v in line.split("\t"))
                for line in out.splitlines()]

    def frames(self):
        """Raw frames."""
        data, frames, at = self.file.read_bytes(), [], 24
        while at + 16 <= len(data):
            length, = struct.unpack_from("<I", data, at + 8)
            frames.append(data[at + 16:at + 16 + length])
            at += 16 + length
        return frames


# Do not join fragments: each is looked at as it was on the wire.
CHECKSUMS = [a for o in ("ip.check_checksum:TRUE", "tcp.check_checksum:TRUE",
                         "udp.check_checksum:TRUE", "ip.defragment:FALSE",
                         "tcp.desegment_tcp_streams:FALSE", "tcp.analyze_sequence_numbers:FALSE")
             for a in ("-o", o)]
# What is in our datagrams is text, whatever protocol their random ports belong to.
CHECKSUMS += [a for p in ("udp", "tcp") for a in ("-d", f"{p}.port==1-65535,data")]
STATUS = ["ip.checksum.status", "tcp.checksum.status", "udp.checksum.status",
          "icmp.checksum.status", "gre.checksum.status"]
FIELDS = ["_ws.malformed", "icmp.type", "frame.len", "gre.proto", *STATUS]
LONGEST = 1514


def wrong(row):
    """What is wrong with a packet, given its FIELDS."""
    malformed, icmp, length, gre, *status = (v.split(",") if v else [] for v in row)
    if {"3", "4", "5", "11", "12"} & set(icmp):
        # Of what an error quotes nothing is judged: it is cut off, and a node may have merged it.
        malformed, status = [], [status[0][:2 if gre else 1], [], [], status[3], status[4]]
    found = [name for name, values in zip(STATUS, status) if "0" in values]
    return found + ["malformed"] * bool(malformed) + ["too long"] * (int(length[0]) > LONGEST)


def judge(*files):
    """What tshark finds wrong in captures: {(file, number of the packet): what}; and how many have
    a right IP checksum.
    """
    # One after the other in one file: starting tshark takes longer than reading what it says.
    data = [Path(f).read_bytes() for f in files]
    starts, rows = [], []
    with tempfile.NamedTemporaryFile(suffix=".pcap") as joined:
        joined.write(data[0][:24])
        for d in data:
            starts.append(count_frames(d))
            joined.write(d[24:])
        joined.flush()
        rows = must(["tshark", "-n", "-r", joined.name, *CHECKSUMS, "-T", "fields",
                     *(a for f in FIELDS for a in ("-e", f))]).splitlines()
    assert len(rows) == sum(starts)
    places = [(Path(f).name, i + 1) for f, n in zip(files, starts) for i in range(n)]
    rows = [r.split("\t") for r in rows]
    return ({p: w for p, r in zip(places, rows) if (w := wrong(r))},
            sum("1" in r[FIELDS.index(STATUS[0])] for r in rows))


def count_frames(data):
    n, at = 0, 24
    while at + 16 <= len(data):
        at += 16 + struct.unpack_from("<I", data, at + 8)[0]
        n += 1
    return n


class Wire:
    """Captures on the underlay, both sides of its router, and at both hosts."""

    def __init__(self, lab):
        self.dir = tempfile.TemporaryDirectory(prefix="penstock-test-")
        self.at = {"underlay": (lab.core, "transit0"), "underlay2": (lab.core, "edge0"),
                   "inet": (lab.inet, "eth0"), "lan": (lab.lan, "eth0")}

    def __enter__(self):
        self.capture = {n: Capture(ns, dev, self.dir.name) for n, (ns, dev) in self.at.items()}
        for c in self.capture.values():
            c.ready()
        return self

    def __getitem__(self, name):
        return self.capture[name]

    def stop(self):
        for c in self.capture.values():
            if c.p.poll() is None:
                c.stop()

    def __exit__(self, *exc):
        self.stop()

    def verdict(self):
        self.stop()
        return judge(*(c.file for c in self.capture.values()))


# --- traffic -----------------------------------------------------------------------------------
def text(rng, size):
    """Bytes that no dissector of tshark's takes for a protocol."""
    return (b"penstock " + rng.randbytes(size // 2 + 1).hex().encode())[:size]


def inner(src, dst, payload=b"inner"):
    from scapy.all import IP, UDP
    return bytes(IP(src=src, dst=dst) / UDP(sport=1234, dport=9) / payload)


def send_gre(ns, outer_src, outer_dst, packet, key=b""):
    """A GRE packet made by hand, sent by a host of the underlay."""
    from scapy.all import IP, Raw
    gre = struct.pack("!HH", 0x2000 if key else 0, 0x0800) + key
    with ns.socket(socket.SOCK_RAW, proto=socket.IPPROTO_RAW) as s:
        s.sendto(bytes(IP(src=outer_src, dst=outer_dst, proto=47) / Raw(gre + packet)),
                 (outer_dst, 0))


@contextmanager
def background(*functions):
    """Runs them in threads; raises what they raised."""
    errors = []

    def guarded(f):
        try:
            f()
        except BaseException as e:  # noqa: handed to the test
            errors.append(e)
    threads = [threading.Thread(target=guarded, args=(f,), daemon=True) for f in functions]
    for t in threads:
        t.start()
    yield
    for t in threads:
        t.join(60)
        assert not t.is_alive(), "a transfer hangs"
    if errors:
        raise errors[0]


def ping_loss(output):
    """(sent, received) of ping's summary."""
    m = re.search(r"(\d+) packets transmitted, (\d+) received", output)
    assert m, output
    return int(m[1]), int(m[2])
