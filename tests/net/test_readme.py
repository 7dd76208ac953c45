# SPDX-License-Identifier: GPL-2.0-only
"""Every command of README.md runs, in order, on nodes such as it describes.

Fenced blocks are `sh` (the two set-up commands), `sh transit` and `sh edge` (one node's session
each). The demo is run here; `check` is what is running.
"""

import re
import subprocess

from conftest import PENSTOCK, ROOT, must

README = (ROOT / "README.md").read_text()


def blocks(info):
    found = re.findall(rf"^```{info}\n(.*?)^```", README, re.M | re.S)
    return [line for block in found for line in block.splitlines() if line]


def node_with(lab, wan, lan):
    """A node with eth0 and eth1 as in the README; its neighbours answer."""
    node = lab.node(load=False)
    far = lab.netns()
    for dev, (ours, theirs) in {"eth0": wan, "eth1": lan}.items():
        lab.link(node.ns, dev, far, f"f{dev}")
        node.ns.ip(f"addr add {ours} dev {dev}")
        for addr in theirs:
            far.ip(f"addr add {addr} dev f{dev}")
    return node


def session(node, commands):
    for command in commands:
        words = command.split()
        assert words[0] == "penstock", command
        done = node.run(words[1:], cwd=ROOT)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def test_setup_commands():
    assert blocks("sh") == ["sudo sh tools/bootstrap.sh demo", "sudo sh tools/bootstrap.sh check"]


def test_transit(lab):
    node = node_with(lab, ("203.0.113.1/24", ["203.0.113.2/24"]),
                     ("192.0.2.1/24", ["192.0.2.11/24", "192.0.2.12/24"]))
    commands = blocks("sh transit")
    assert len(commands) > 10
    session(node, commands)
    assert "\n".join(blocks("yaml")) + "\n" == (ROOT / "examples/two-sites.yaml").read_text()
    assert {r["prefix"] for r in node.show("route show")} >= {"198.51.100.128/25"}
    rows = {r["tunnel"]: r for r in node.show("route show 198.51.100.0/24")}
    assert 33 < rows["ams"]["share_percent"] < 34 and 66 < rows["fra"]["share_percent"] < 67
    assert all(t["next_hop"]["state"] == "ready" for t in node.show("tunnel show"))


def test_edge(lab):
    node = node_with(lab, ("192.0.2.11/24", ["192.0.2.1/24", "192.0.2.2/24"]),
                     ("198.51.100.1/24", []))
    session(node, blocks("sh edge"))
    rows = {r["tunnel"]: r for r in node.show("route show 0.0.0.0/0 table internet")}
    assert rows["pop"]["active"] and not rows["backup"]["active"]
    assert node.show("route show 10.0.0.0/8 table internet")[0]["tunnel"] == "underlay"


def test_demo():
    done = subprocess.run(["sh", "tools/lab/demo.sh", str(PENSTOCK.parent)], cwd=ROOT, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    assert "0 of other tunnels" in done.stdout
    assert "penstock-lab-" not in must("ip netns")


def test_manual_has_every_reason(lab):
    """The manual's table and the program's list are the same, word for word."""
    manual = (ROOT / "docs/man/penstock.8.scd").read_text().replace("\\_", "_")
    rows = dict(re.findall(r"^\|  ([a-z0-9_]+)\n:  (.+)$", manual, re.M))
    want = {r["reason"]: r["meaning"] for r in lab.node().show("-s stats drops")}
    assert set(rows) == set(want)
