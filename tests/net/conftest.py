# SPDX-License-Identifier: GPL-2.0-only
"""What the tests in network namespaces share.

A test asks for the fixture `lab` and makes in it what it needs: namespaces, links between them, and
nodes (a namespace with an instance of penstock loaded). Everything bears the number of this process
in its name and is taken down when the test ends, however it ends; what a killed run left behind is
taken down when the next one starts.

    def test_x(lab):
        node = lab.node()
        far = lab.netns()
        lab.link(node.ns, "w0", far, "f0")
        node.ns.ip("addr add 198.51.100.1/24 dev w0")
        node.ok("attach w0 role wan")
        assert node.show("tunnel show") == []

Environment: PENSTOCK_BUILD is the directory of the program, build/ unless given.
"""

import ctypes
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PENSTOCK = (ROOT / os.environ.get("PENSTOCK_BUILD", "build") / "penstock").resolve()
PINS = Path("/sys/fs/bpf/penstock")
NAME = "penstock-test-"
TIMEOUT = 60


def missing():
    """Why the tests can't run here, or None."""
    if os.geteuid():
        return "needs root"
    if not PENSTOCK.exists():
        return f"no {PENSTOCK}: run make first"
    if not os.path.ismount("/sys/fs/bpf"):
        return "no bpffs at /sys/fs/bpf"
    return None


@pytest.fixture(autouse=True, scope="session")
def machine():
    """Skips all where nothing can work, and sweeps up after runs that were killed."""
    why = missing()
    if why:
        pytest.skip(why)
    sweep()
    # States and pending files of all instances of this run; the waiters inherit it, too.
    files = tempfile.mkdtemp(prefix=f"{NAME}{os.getpid()}-")
    os.environ["PENSTOCK_STATE_DIR"] = f"{files}/state"
    os.environ["PENSTOCK_RUN_DIR"] = f"{files}/run"
    yield
    shutil.rmtree(files, ignore_errors=True)


def words(command):
    return shlex.split(command) if isinstance(command, str) else [str(w) for w in command]


def run(command, **kw):
    """Runs a command; its CompletedProcess, with text."""
    kw.setdefault("timeout", TIMEOUT)
    if "stdin" not in kw and "input" not in kw:
        kw["stdin"] = subprocess.DEVNULL
    kw.setdefault("stdout", subprocess.PIPE)
    kw.setdefault("stderr", subprocess.PIPE)
    return subprocess.run(words(command), text=True, errors="replace", **kw)


def must(command, **kw):
    r = run(command, **kw)
    assert r.returncode == 0, f"{command}: exit {r.returncode}\n{r.stdout}{r.stderr}"
    return r.stdout


def alive(pid):
    return Path(f"/proc/{pid}").exists()


def sweep():
    """Removes namespaces and instances of test processes that are no more."""
    if PINS.is_dir():
        for pin in PINS.iterdir():
            m = re.fullmatch(r"t(\d+)n\d+", pin.name)
            if m and not alive(m[1]):
                run([PENSTOCK, "-I", pin.name, "unload"])
    for ns in Path("/run/netns").glob(NAME + "*"):
        m = re.match(NAME + r"(\d+)-", ns.name)
        if m and not alive(m[1]):
            run(["ip", "netns", "del", ns.name])
    for files in Path(tempfile.gettempdir()).glob(NAME + "*"):
        m = re.match(NAME + r"(\d+)-", files.name)
        if m and not alive(m[1]):
            shutil.rmtree(files, ignore_errors=True)


class Netns:
    """A network namespace. Commands run in it with the mounts of outside, so that pins are seen."""

    def __init__(self, name):
        self.name = name
        self.path = f"/run/netns/{name}"
        must(["ip", "netns", "add", name])
        self.ip("link set lo up")

    def ip(self, command):
        return must(["ip", "-n", self.name, *words(command)])

    def run(self, command, **kw):
        return run(["nsenter", f"--net={self.path}", *words(command)], **kw)

    def must(self, command, **kw):
        return must(["nsenter", f"--net={self.path}", *words(command)], **kw)

    def popen(self, command, **kw):
        """Starts a command; the caller ends it, or the lab does."""
        return subprocess.Popen(["nsenter", f"--net={self.path}", *words(command)], text=True, **kw)

    def sysctl(self, key, value):
        self.must(["sysctl", "-qw", f"{key}={value}"])

    def mac(self, dev):
        return json.loads(self.ip(f"-j link show dev {dev}"))[0]["address"]

    def enter(self):
        """Context manager: this thread is in the namespace, for sockets to be opened."""
        return Inside(self.path)

    def delete(self):
        run(["ip", "netns", "del", self.name])


class Inside:
    CLONE_NEWNET = 0x40000000
    libc = ctypes.CDLL(None, use_errno=True)

    def __init__(self, path):
        self.path = path

    def setns(self, fd):
        if self.libc.setns(fd, self.CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns {self.path}")

    def __enter__(self):
        self.home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        fd = os.open(self.path, os.O_RDONLY)
        try:
            self.setns(fd)
        finally:
            os.close(fd)

    def __exit__(self, *exc):
        self.setns(self.home)
        os.close(self.home)


class Node:
    """An instance of penstock in a namespace of its own."""

    def __init__(self, ns, instance):
        self.ns = ns
        self.instance = instance

    def argv(self, command):
        return [str(PENSTOCK), "-n", self.ns.name, "-I", self.instance, *words(command)]

    def run(self, command, **kw):
        return run(self.argv(command), **kw)

    def ok(self, command, **kw):
        """Runs a command that must succeed; what it printed."""
        r = self.run(command, **kw)
        assert r.returncode == 0, f"{command}: exit {r.returncode}\n{r.stdout}{r.stderr}"
        return r.stdout

    def show(self, command):
        """The JSON of a show."""
        return json.loads(self.ok(["-j", *words(command)]))

    def fails(self, code, word, command, **kw):
        """A command that must fail with this exit code and a message with this word in it."""
        r = self.run(command, **kw)
        assert r.returncode == code, \
            f"{command}: exit {r.returncode}, expected {code}\n{r.stdout}{r.stderr}"
        assert r.stderr.startswith("Error: "), r.stderr
        assert word in r.stderr, f"{command}: no {word!r} in: {r.stderr}"
        return r

    def load(self, limits=""):
        self.ok(f"load {limits}")
        return self

    def unload(self):
        if (PINS / self.instance).exists():
            self.ok("unload")


class Lab:
    """Makes things and takes them down in reverse."""

    count = 0

    def __init__(self):
        self.undo = []

    def name(self):
        Lab.count += 1
        return f"{NAME}{os.getpid()}-{Lab.count}"

    def netns(self):
        ns = Netns(self.name())
        self.undo.append(ns.delete)
        return ns

    def node(self, limits="", load=True):
        """A namespace with an instance; with load=False the instance is only named."""
        ns = self.netns()
        node = Node(ns, f"t{os.getpid()}n{Lab.count}")
        self.undo.append(node.unload)
        return node.load(limits) if load else node

    def link(self, a, dev_a, b, dev_b):
        """A veth pair between two namespaces (or within one), up at both ends."""
        must(["ip", "link", "add", dev_a, "netns", a.name, "type", "veth", "peer", "name", dev_b,
              "netns", b.name])
        a.ip(f"link set {dev_a} up")
        b.ip(f"link set {dev_b} up")

    def popen(self, ns, command, **kw):
        """A program that runs beside the test and is killed at the end."""
        p = ns.popen(command, **kw)
        self.undo.append(lambda: (p.kill(), p.wait()))
        return p

    def close(self):
        failed = None
        while self.undo:
            try:
                self.undo.pop()()
            except Exception as e:      # the rest must go all the same
                failed = failed or e
        if failed:
            raise failed


@pytest.fixture
def lab():
    lab = Lab()
    yield lab
    lab.close()


@pytest.fixture(scope="module")
def module_lab():
    lab = Lab()
    yield lab
    lab.close()


# --- for the tests of the command line ---------------------------------------------------------

SHOWS = ["node show", "prefix show", "tunnel show", "route show", "policy show", "stats maps",
         "status"]


def dump(node):
    """All that an operator can see of the state."""
    return {s: node.show(s) for s in SHOWS}


def furnish(lab, node):
    """A wan port with one neighbour that is known, and a little of everything."""
    ns = node.ns
    lab.link(ns, "w0", ns, "w1")
    ns.ip("addr add 198.51.100.1/24 dev w0")
    ns.ip("neigh add 198.51.100.2 lladdr 02:00:00:00:00:02 dev w0 nud permanent")
    ns.ip("route add 203.0.113.0/24 via 198.51.100.2")
    ns.sysctl("net.ipv4.ip_forward", 1)
    for command in ["attach w0 role wan",
                    "prefix add 192.0.2.0/24 account acme",
                    "tunnel add t1 gre local 198.51.100.1 remote 203.0.113.1 account acme",
                    "tunnel add t2 gre local 198.51.100.1 remote 203.0.113.2 key 7 "
                    "address 10.255.0.0/31",
                    "route add 192.0.2.0/24 via t1 priority 100",
                    "route add 192.0.2.0/25 via t1 priority 100 weight 1",
                    "route add 192.0.2.0/25 via t2 priority 100 weight 3",
                    "policy add from 10.1.0.0/16 table isp",
                    "route add 0.0.0.0/0 via t2 priority 10 table isp"]:
        node.ok(command)
    return node


@pytest.fixture
def node(lab):
    return furnish(lab, lab.node())


@pytest.fixture(scope="module")
def fixed(module_lab):
    """A furnished node that no test may change."""
    node = furnish(module_lab, module_lab.node())
    node.before = dump(node)
    return node


def verb_table():
    """(object, verb or None) -> keywords, as the program itself has it."""
    table = {}
    for line in run([PENSTOCK, "help", "words"]).stdout.splitlines():
        name, *rest = line.split()
        has_verb = name in ("node", "prefix", "tunnel", "route", "policy", "stats") and rest
        table[(name, rest[0] if has_verb else None)] = rest[1:] if has_verb else rest
    return table
