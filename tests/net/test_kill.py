# SPDX-License-Identifier: GPL-2.0-only
"""The command killed at random times while it applies large configurations: afterwards the
configuration is wholly the one or wholly the other, whoever looks first, and the doctor finds
nothing. (Each single write is the business of tests/prog/test_crash.c.)
"""

import random
import signal
import subprocess
import time

import pytest

ROUNDS = 30


def config(tunnels, shift):
    """4,000 routes that differ from those of another shift, in prefixes, tunnels and groups."""
    lines = ["prefixes:", "  - {prefix: 192.0.2.0/24, account: acme}",
             "  - {prefix: 10.0.0.0/8}", "tunnels:"]
    lines += [f"  - {{name: t{i}, local: 198.51.100.1, remote: 203.0.113.{i}}}" for i in tunnels]
    lines.append("routes:")
    for i in range(4000):
        n = i * (3 + shift)
        via = tunnels[(i + shift) % len(tunnels)]
        lines.append(f"  - {{prefix: 10.{n >> 8 & 255}.{n & 255}.0/24, via: t{via}, "
                     f"priority: {100 + i % 50}, weight: {1 + i % 3}}}")
    return "\n".join(dict.fromkeys(lines)) + "\n"


def first_look(node, n):
    """Any command may be the first after a kill."""
    return node.run(["status", "route show 192.0.2.0/24", "export", "doctor", "load"][n % 5])


@pytest.mark.parametrize("batch", [False, True], ids=["apply", "batch"])
def test_killed(lab, tmp_path, batch):
    node = lab.node("max-prefixes 20000 max-groups 2000")
    rng = random.Random(batch)
    states = []
    for shift, tunnels in enumerate([[1, 2, 3], [2, 3, 4, 5]]):
        (tmp_path / f"{shift}.yaml").write_text(config(tunnels, shift))
        node.ok(f"apply {tmp_path}/{shift}.yaml")
        states.append(node.ok("export"))
    assert states[0] != states[1]
    if batch:   # the second state is the first and some more
        lines = [f"route add 10.{i >> 8 & 255}.{i & 255}.128/26 via t{2 + i % 3} priority {i % 90}"
                 for i in range(1, 8000, 2)]
        (tmp_path / "batch").write_text("\n".join(lines) + "\n")
        node.ok(f"-batch {tmp_path}/batch")
        states = [states[1], node.ok("export")]
    took, seen = 0.15, set()
    for n in range(ROUNDS):
        current = states.index(node.ok("export"))
        if batch and current == 1:
            node.ok(f"apply {tmp_path}/1.yaml")
            current = 0
        command = (f"-batch {tmp_path}/batch" if batch else f"apply {tmp_path}/{1 - current}.yaml")
        start = time.monotonic()
        p = subprocess.Popen(node.argv(command), stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        try:
            p.wait(rng.random() * took)
            took = max(0.02, time.monotonic() - start)
        except subprocess.TimeoutExpired:
            p.send_signal(signal.SIGKILL)
            p.wait()
        r = first_look(node, n)
        assert r.returncode == 0, r.stdout + r.stderr
        export = node.ok("export")
        assert export in states, "neither the one configuration nor the other"
        seen.add((current, states.index(export), p.returncode))
        assert node.show("doctor") == []
        assert not any("interrupted" in w for w in node.show("status")["warnings"])
    # Some were killed before, some after they had begun.
    assert any(code == -signal.SIGKILL for _, _, code in seen), seen
