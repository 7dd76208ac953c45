# SPDX-License-Identifier: GPL-2.0-only
"""The examples of docs/steering-rules.md, run: what it says a command prints is what it prints, and
the tests it names are there.
"""

import re

import pytest
from conftest import ROOT

PAGE = (ROOT / "docs/steering-rules.md").read_text()
PREFACE, *RULES = re.split(r"^## ", PAGE, flags=re.M)


def commands(section):
    """(command, the lines printed below it) of a section's code blocks."""
    for block in re.findall(r"^```\n(.*?)^```", section, re.M | re.S):
        for part in re.split(r"^\$ penstock ", block, flags=re.M)[1:]:
            command, *lines = part.splitlines()
            yield command, [line.split() for line in lines]


def furnished(lab):
    node = lab.node()
    lab.link(node.ns, "w0", node.ns, "w1")
    node.ns.ip("addr add 198.51.100.1/24 dev w0")
    node.ns.ip("neigh add 198.51.100.2 lladdr 02:00:00:00:00:02 dev w0 nud permanent")
    node.ns.ip("route add 203.0.113.0/24 via 198.51.100.2")
    node.ok("attach w0 role wan")
    return node


def printed(node, command):
    r = node.run(command)
    return [line.split() for line in (r.stdout + r.stderr).splitlines()]


@pytest.mark.parametrize("number", range(1, 12))
def test_examples(lab, number):
    rule = RULES[number - 1]
    assert rule.startswith(f"{number}. ")
    node = furnished(lab)
    for command, lines in [*commands(PREFACE), *commands(rule)]:
        assert printed(node, command) == lines, command
    assert [*commands(PREFACE)] and [*commands(rule)]


def test_no_other_rules():
    assert len(RULES) == 11


def test_the_tests_it_names():
    """Each is a function of a test; in every rule there is one that bears its number."""
    there = set()
    for file in [*(ROOT / "tests").rglob("test_*.c"), *(ROOT / "tests").rglob("test_*.py")]:
        text = file.read_text()
        there |= set(re.findall(r"\b((?:test|rule|shares)_\w+)\(", text))
        there |= {f"rule_{n}_{name}" for n, name in re.findall(r"^RULE\((\d+), (\w+)\)", text, re.M)}
    for number, rule in enumerate(RULES, 1):
        shown = rule[rule.index("\nShown by "):]
        names = re.findall(r"`((?:test|rule|shares)_\w+)`", shown)
        assert any(f"rule_{number}_" in n for n in names), number
        assert not set(names) - there, set(names) - there
        for file in re.findall(r"tests/\w+/\w+\.\w+", rule):
            assert (ROOT / file).exists(), file
