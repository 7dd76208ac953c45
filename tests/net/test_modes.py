# SPDX-License-Identifier: GPL-2.0-only
"""Ports of different modes on one node."""


def state(node):
    return node.show("tunnel show t1")[0]["next_hop"]["state"]


def test_generic_port_behind_a_native_one(lab):
    """A bridge has no XDP transmit: native ports must not redirect to it, or packets are lost."""
    node, far = lab.node(), lab.netns()
    lab.link(node.ns, "w0", far, "f0")
    lab.link(node.ns, "w1", far, "f1")
    node.ns.ip("link add br0 type bridge")
    node.ns.ip("link set w1 master br0")
    node.ns.ip("link set br0 up")
    node.ns.ip("addr add 192.0.2.1/24 dev br0")
    node.ns.ip("neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev br0 nud permanent")
    node.ok("tunnel add t1 gre local 192.0.2.1 remote 192.0.2.2")
    assert state(node) == "not on a port"
    node.ok("attach br0 role wan")
    ports = {p["device"]: p["mode"] for p in node.show("status")["ports"]}
    assert ports == {"br0": "generic"}
    assert state(node) == "ready"       # alone, or among its like
    node.ok("attach w0 role wan")
    assert state(node) == "generic port"
    node.ok("detach w0")
    assert state(node) == "ready"
