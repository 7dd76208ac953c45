# SPDX-License-Identifier: GPL-2.0-only
"""penstock.yaml, by `penstock check`: what is refused, where and in which words; what is taken; what
draws a warning; and that the manual and the example are right.
"""

import json
import re
import subprocess
import sys
import textwrap

import pytest
from conftest import PENSTOCK, ROOT, run

TUNNEL = "local: 1.0.0.1, remote: 2.0.0.1"
SECTIONS = "node, prefixes, tunnels, routes, policies"
ROUTE_KEYS = "prefix, via, priority, weight, region, table"


def check(text, options=(), name="-"):
    return run([PENSTOCK, *options, "check", name], input=text if name == "-" else None)


def one(section, line):
    """A file with one object: it stands in line 2, from column 5."""
    return f"{section}:\n  - {line}\n"


def route(line):
    return one("routes", "{prefix: 10.0.0.0/8, via: drop, priority: 1, table: x, " + line + "}")


# (text, line:column, what the message says after that)
SYNTAX = [
    ("", "1:1", "nothing there: expected a mapping with node, prefixes"),
    ("# only a comment\n", "2:1", "nothing there"),
    ("---\n", "2:1", '"": expected a mapping with'),
    ("routes", "1:1", '"routes": expected a mapping with'),
    ("[]", "1:1", "a list: expected a mapping with"),
    ("- a\n- b\n", "1:1", "a list: expected a mapping with"),
    ("{}\n---\n{}\n", "2:1", "a second document: expected one"),
    ("{}\n...\n# comment\n---\n", "4:1", "a second document: expected one"),
    ("{} x\n", "1:4", "no YAML: "),
    ("routes: [", "2:1", "no YAML: "),
    ("routes:\n\t- {}\n", "2:1", "no YAML: "),
    ("routes:\n- {prefix: 10.0.0.0/8, via: drop\n", "3:1", "no YAML: "),
    ("node: {mode: 'edge}\n", "2:1", "no YAML: "),
    ("node:\n  mode: edge\n asn: 1\n", "3:2", "no YAML: "),
    ("%BAD 1\n---\n{}\n", "1:5", "no YAML: found unknown directive name"),
    ("@", "1:1", "no YAML: "),
    ("[" * 5000, "1:1", "a list: expected"),
    ("{" * 5000, "1:2", "expected a section"),
    ("routes: " + "[" * 5000, "1:10", '"routes" is a list: expected a mapping'),
    ("node: &a {mode: edge}", "1:7", '"&a": expected no anchors'),
    ("&a node: {mode: edge}", "1:1", '"&a": expected no anchors'),
    ("routes: &a []", "1:9", '"&a": expected no anchors'),
    ("node: *a", "1:7", '"*a": expected no aliases'),
    ("node: {<<: *a}", "1:8", '"<<": expected one of mode'),
    ("node: !!map {}", "1:7", '"tag:yaml.org,2002:map": expected no tags'),
    ("node: {asn: !!int 1}", "1:13", '"tag:yaml.org,2002:int": expected no tags'),
    ("node: {asn: ! 1}", "1:13", '"!": expected no tags'),
    ("node: {mode: \"ed\\0ge\"}", "1:14", '"ed": expected no NUL in a word'),
    (f"node: {{mode: {'x' * 300}}}", "1:14", ": expected a word of 255 bytes at most"),
    (f"{'x' * 300}: 1", "1:1", ": expected a word of 255 bytes at most"),
    ("node: {mode: \x01}", "1:14", "no text: expected UTF-8; control characters are not"),
    (b"# \xc3\xa9\nnode: {mode: \xff}", "2:14", "no text: expected UTF-8; "),
    (b"#" + b"x" * 40000 + b"\n# \xff", "2:3", "no text: expected UTF-8; "),
    (b"# x\n" * 10000 + b"#" * 40000 + b"\xff", "10001:40001", "no text: expected UTF-8; "),
]

SCHEMA = [
    ("{? [a] : b}", "1:4", f"expected a section: {SECTIONS[:-10]} or policies"),
    ("nodes: {}", "1:1", f'"nodes": did you mean "node"? Expected one of {SECTIONS}'),
    ("route: []", "1:1", '"route": did you mean "routes"?'),
    ("Tunnels: []", "1:1", '"Tunnels": did you mean "tunnels"?'),
    ("filters: []", "1:1", f'"filters": expected one of {SECTIONS}'),
    ("'': []", "1:1", '"": expected one of'),
    ("node: {}\nroutes: []\nnode: {}", "3:1", '"node" is given twice; see line 1, column 1'),
    ("node: []", "1:7", '"node" is a list: expected a mapping'),
    ("node:", "1:6", 'node "": expected a mapping'),
    ("routes:", "1:8", 'routes "": expected a list, or [] for an empty one'),
    ("routes: none", "1:9", 'routes "none": expected a list, or [] for an empty one'),
    ("routes: {}", "1:9", '"routes" is a mapping: expected a list'),
    ("routes: [a]", "1:10", 'routes "a": expected a mapping, such as'),
    ("routes: [[]]", "1:10", '"routes" is a list: expected a mapping, such as'),
    ("routes:\n- {[a]: b}", "2:4", '"routes" is a list: expected a key'),
    ("routes:\n- {{a: b}: b}", "2:4", '"routes" is a mapping: expected a key'),
    ("node: {mode: router}", "1:14", 'mode "router": expected transit or edge'),
    ("node: {mode: trans}", "1:14", 'mode "trans": expected transit or edge'),
    ("node: {mode: [edge]}", "1:14", '"mode" is a list: expected transit or edge'),
    ("node: {mode: {}}", "1:14", '"mode" is a mapping: expected transit or edge'),
    ("node: {mode: }", "1:14", 'mode "": expected transit or edge'),
    ("node: {mode: edge, asn: 1, mode: edge}", "1:28",
     '"mode" is given twice; see line 1, column 8'),
    ("node: {region: MARS}", "1:16",
     'region "MARS": expected one of AFR,APAC,EEUR,ENAM,ME,OC,SAM,WEUR,WNAM, or none'),
    ("node: {region: [AFR]}", "1:16", '"region" is a list: expected a region code or none'),
    ("node: {asn: 0}", "1:13", 'asn "0": expected a number from 1 to 4294967295'),
    ("node: {hash-mode: random}", "1:19", 'hash-mode "random": expected rendezvous or modulo'),
    ("node: {hash_mode: modulo}", "1:8", '"hash_mode": did you mean "hash-mode"? Expected one of '
     "mode, region, asn, hash-mode, prepend-count"),
    ("node: {prepend-count: none}", "1:23",
     'prepend-count "none": expected additional or all'),
    (one("prefixes", "{}"), "2:5", '"prefix" is missing: expected a prefix'),
    (one("prefixes", "{prefix: 10.0.0.1/8}"), "2:14",
     '"10.0.0.1/8": host bits set; did you mean 10.0.0.0/8?'),
    (one("prefixes", "{prefix: 300.0.0.0/8}"), "2:14", '"300.0.0.0/8": not an IPv4 prefix'),
    (one("prefixes", "{prefix: 2001:db8::/32}"), "2:14", '"2001:db8::/32": not an IPv4 prefix'),
    (one("prefixes", "{prefix: 10.0.0.0/33}"), "2:14", '"10.0.0.0/33": bad prefix length'),
    (one("prefixes", "{prefix: 10.0.0.0/8, account: main}"), "2:35", 'account "main": expected'),
    (one("prefixes", "{prefix: 10.0.0.0/8, owner: a}"), "2:26",
     '"owner": expected one of prefix, account'),
    (one("tunnels", "{}"), "2:5", '"name" is missing: expected a tunnel\'s name'),
    (one("tunnels", "{name: a, remote: 2.0.0.1}"), "2:5", '"local" is missing: expected'),
    (one("tunnels", "{name: a, local: 2.0.0.1}"), "2:5", '"remote" is missing: expected'),
    (one("tunnels", f"{{name: drop, {TUNNEL}}}"), "2:12", 'name "drop": expected another name'),
    (one("tunnels", f"{{name: a b, {TUNNEL}}}"), "2:12", 'name "a b": expected a name of 1 to 15'),
    (one("tunnels", f"{{name: abcdefghijklmnop, {TUNNEL}}}"), "2:12", '"abcdefghijklmnop"'),
    (one("tunnels", f"{{name: a, kind: ipip, {TUNNEL}}}"), "2:21", 'kind "ipip": expected gre'),
    (one("tunnels", "{name: a, local: 224.0.0.1}"), "2:22",
     'local "224.0.0.1": expected a unicast address of a host'),
    (one("tunnels", "{name: a, remote: 1.2.3}"), "2:23", 'remote "1.2.3": not an IPv4 address'),
    (one("tunnels", f"{{name: a, {TUNNEL}, key: 4294967296}}"), "2:53",
     'key "4294967296": expected a number from 0 to 4294967295'),
    (one("tunnels", f"{{name: a, {TUNNEL}, key: none}}"), "2:53", 'key "none": expected a number'),
    (one("tunnels", f"{{name: a, {TUNNEL}, ttl: 0}}"), "2:53", 'ttl "0": expected a number from 1'),
    (one("tunnels", f"{{name: a, {TUNNEL}, mtu: 575}}"), "2:53",
     'mtu "575": expected a number from 576 to 9176'),
    (one("tunnels", f"{{name: a, {TUNNEL}, address: 10.0.0.0/24}}"), "2:57",
     'address "10.0.0.0/24": an interface address needs a /30 or /31'),
    (one("tunnels", f"{{name: a, {TUNNEL}, mss-clamp: false}}"), "2:59",
     'mss-clamp "false": expected on or off'),
    (one("tunnels", f"{{name: a, {TUNNEL}, mss_clamp: on}}"), "2:48",
     '"mss_clamp": did you mean "mss-clamp"?'),
    (one("routes", "{}"), "2:5", '"prefix" is missing: expected'),
    (one("routes", "{prefix: 10.0.0.0/8}"), "2:5", '"via" is missing: expected a tunnel, drop or'),
    (one("routes", "{prefix: 10.0.0.0/8, via: drop}"), "2:5", '"priority" is missing: expected'),
    (one("routes", "\n      prefix: 10.0.0.0/8\n      via: drop\n"), "3:7",
     '"priority" is missing: expected'),
    (one("routes", "{prefix: 10.0.0.0/8, vai: drop}"), "2:26", '"vai": did you mean "via"?'),
    (one("routes", "{prefix: 10.0.0.0/8, via: main}"), "2:31", 'via "main": expected'),
    (one("routes", "{prefix: 10.0.0.0/8, via: [drop]}"), "2:31", '"via" is a list: expected a tun'),
    (one("routes", "{prefix: 10.0.0.0/8, via: drop, priority: 1e3}"), "2:47",
     'priority "1e3": expected a number from 0 to 4294967295'),
    (one("routes", "{prefix: 10.0.0.0/8, via: drop, priority: 010}"), "2:47", 'priority "010"'),
    (one("routes", "{prefix: 10.0.0.0/8, via: drop, prioritty: 1}"), "2:37",
     f'"prioritty": did you mean "priority"? Expected one of {ROUTE_KEYS}'),
    (route("weight: 0"), "2:68", 'weight "0": expected a number from 1 to 256'),
    (route("weight: 257"), "2:68", 'weight "257": expected a number from 1 to 256'),
    (route("region: MARS"), "2:68", 'region "MARS": expected one of AFR,APAC'),
    (route("region: none"), "2:68", 'region "none": expected one of AFR,APAC'),
    (route("region: 'AFR,ME'"), "2:68", 'region "AFR,ME": expected one of AFR,APAC'),
    (route("region: []"), "2:68", '"region" is empty: expected a region code or a list of them'),
    (route("region: [AFR, ME, AFR]"), "2:78", 'region "AFR": expected each region once'),
    (route("region: [AFR, mars]"), "2:74", 'region "mars": expected one of AFR,APAC'),
    (route("region: [[AFR]]"), "2:69", '"region" is a list: expected a region code'),
    (route("region: {AFR: 1}"), "2:68", '"region" is a mapping: expected a region code'),
    (route("table: y"), "2:60", '"table" is given twice; see line 2, column 50'),
    (one("routes", "{prefix: 10.0.0.0/8, via: drop, priority: 1, table: drop}"), "2:57",
     'table "drop": expected another name'),
    (one("policies", "{}"), "2:5", '"from" is missing: expected a source prefix'),
    (one("policies", "{from: 10.0.0.0/8}"), "2:5", '"table" is missing: expected a table\'s name'),
    (one("policies", "{from: 10.0.0.0/8, table: main}"), "2:31", 'table "main": expected another'),
    (one("policies", "{from: 10.1.0.0/8, table: x}"), "2:12", "did you mean 10.0.0.0/8?"),
]

# Each is appended to a good file of 11 lines.
GOOD = """\
prefixes:
- {prefix: 10.0.0.0/8, account: acme}
tunnels:
- {name: t1, local: 1.0.0.1, remote: 2.0.0.1, account: acme}
- {name: t2, local: 1.0.0.1, remote: 2.0.0.1, account: acme, key: 1, address: 192.168.0.0/31}
policies:
- {from: 10.0.0.0/8, table: x}
routes:
- {prefix: 0.0.0.0/0, via: underlay, priority: 1, table: x}
- {prefix: 10.0.0.0/8, via: t1, priority: 1}
"""

MEANING = [
    (("policies:", "- {prefix: 10.0.0.0/8}\npolicies:"), "6:4", '"prefix": expected one of name'),
    (("tunnels:", "- {prefix: 10.0.0.0/8}\ntunnels:"), "3:3",
     'prefix "10.0.0.0/8" is given twice; see line 2, column 3'),
    (("policies:", f"- {{name: t1, {TUNNEL}}}\npolicies:"), "6:3",
     'tunnel "t1" is given twice; see line 4, column 3'),
    (("policies:", f"- {{name: t3, {TUNNEL}}}\npolicies:"), "6:3",
     'tunnel "t3": "t1" has the same local and remote address and key; see line 4, column 3'),
    (("policies:", f"- {{name: t3, {TUNNEL}, key: 1}}\npolicies:"), "6:3",
     'tunnel "t3": "t2" has the same local and remote address and key; see line 5, column 3'),
    (("policies:", f"- {{name: t3, {TUNNEL}, key: 2, address: 192.168.0.2/30}}\npolicies:"), "6:3",
     'tunnel "t3": its interface address lies in the subnet of tunnel "t2"; see line 5, column 3'),
    (("policies:", "- {name: t3, local: 1.0.0.1, remote: 1.0.0.1}\npolicies:"), "6:3",
     'remote "1.0.0.1": expected another address than the local one'),
    (("policies:", "- {name: t3, local: 1.0.0.1, remote: 10.9.9.9}\npolicies:"), "6:3",
     'tunnel "t3": its remote address 10.9.9.9 lies in prefix 10.0.0.0/8: the tunnel would be '
     'reached through itself; see line 2, column 3'),
    (("tunnels:", "- {prefix: 192.168.0.1/32}\ntunnels:"), "6:3",
     'tunnel "t2": prefix 192.168.0.1/32 lies in its interface subnet; see line 3, column 3'),
    (("routes:", "- {from: 10.0.0.0/8, table: y}\nroutes:"), "8:3",
     'policy from "10.0.0.0/8" is given twice; see line 7, column 3'),
    (("", "- {prefix: 10.0.0.0/8, via: t1, priority: 2}\n"), "11:3",
     'route "10.0.0.0/8" via "t1" in table "main" is given twice; see line 10, column 3'),
    (("", "- {prefix: 10.0.0.0/8, via: t9, priority: 2}\n"), "11:3",
     'route 10.0.0.0/8 via "t9": expected a tunnel of this file, drop or underlay'),
    (("", "- {prefix: 10.0.0.0/7, via: t1, priority: 2}\n"), "11:3",
     'route "10.0.0.0/7": not inside an authorised prefix (rule 10): expected'),
    (("", "- {prefix: 10.0.0.0/7, via: t1, priority: 2, table: main}\n"), "11:3", "(rule 10)"),
]


def refused(text, place, words):
    if isinstance(text, bytes):
        r = subprocess.run([PENSTOCK, "check", "-"], input=text, capture_output=True)
        r.stdout, r.stderr = r.stdout.decode(), r.stderr.decode(errors="replace")
    else:
        r = check(text)
    assert r.returncode == 2 and r.stdout == "" and r.stderr.count("\n") == 1, r.stderr
    assert r.stderr.startswith(f"Error: stdin:{place}: "), r.stderr
    assert words in r.stderr, r.stderr


@pytest.mark.parametrize("text,place,words", SYNTAX, ids=range(len(SYNTAX)))
def test_syntax(text, place, words):
    refused(text, place, words)


@pytest.mark.parametrize("text,place,words", SCHEMA, ids=range(len(SCHEMA)))
def test_schema(text, place, words):
    refused(text, place, words)


@pytest.mark.parametrize("change,place,words", MEANING, ids=range(len(MEANING)))
def test_meaning(change, place, words):
    refused(GOOD + change[1] if not change[0] else GOOD.replace(*change), place, words)


def test_tables_are_sound():
    """The good file of the table above is good, and no test above is one twice."""
    r = check(GOOD)
    assert (r.returncode, r.stdout, r.stderr) == (0, "", "")
    for table in SYNTAX, SCHEMA, MEANING:
        assert len({str(row[0]) for row in table}) == len(table)


def test_limits():
    many = "".join(f"- {{name: t{i}, local: 1.0.0.{i + 1}, remote: 2.0.0.1}}\n" for i in range(17))
    refused("tunnels:\n" + many, "18:3",
            'tunnel "t16": 16 tunnels with one remote address at most')
    many = "".join(f"- {{name: t{i:02}, local: 1.0.0.1, remote: 2.0.0.{i}}}\n" for i in range(65))
    routes = "".join(f"- {{prefix: 0.0.0.0/0, via: t{i:02}, priority: 1, table: x}}\n"
                     for i in range(65))
    refused(f"tunnels:\n{many}routes:\n{routes}", "132:3",
            'route "0.0.0.0/0": 64 routes of one prefix and table at most (rule 8)')
    routes = "".join(f"- {{prefix: 10.{i >> 8}.{i & 255}.0/24, via: drop, priority: 1, table: n{i}}}"
                     "\n" for i in range(65535))
    refused(f"routes:\n{routes}", "65536:60",
            '"n65534": expected no more than 65535 different names')


def test_a_word_without_end():
    """Neither a scalar nor a comment makes the reader take memory without bound."""
    argv = ["sh", "-c", "ulimit -v 600000; (echo 'node: {mode: \"'; head -c 200000000 /dev/zero | "
            f"tr '\\0' x) | {PENSTOCK} check -"]
    r = run(argv)
    assert r.returncode == 2 and "expected a word within 64 MiB" in r.stderr, r.stderr


def test_what_is_no_file(tmp_path):
    for name, words in [(tmp_path / "none", "No such file"), (tmp_path, "Is a directory")]:
        r = check(None, name=name)
        assert r.returncode == 2 and f'"{name}"' in r.stderr and words in r.stderr
    r = run([PENSTOCK, "check", "/proc/self/mem"])
    assert r.returncode == 1 and '"/proc/self/mem"' in r.stderr and "Input/output" in r.stderr


def test_needs_no_root_and_no_instance(tmp_path):
    file = tmp_path / "f.yaml"
    file.write_text(GOOD)
    for d in [file, *file.parents[:3]]:
        d.chmod(0o755)
    program = tmp_path / "penstock"
    program.write_bytes(PENSTOCK.read_bytes())
    program.chmod(0o755)
    r = run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs",
             program, "-I", "none", "check", file])
    assert (r.returncode, r.stdout, r.stderr) == (0, "", "")


# --- what is taken -------------------------------------------------------------------------------

TAKEN = [
    "{}",
    "\ufeff{}",
    "--- {}\n...\n",
    "%YAML 1.1\n---\nnode: {}\n",
    "node: {}\nprefixes: []\ntunnels: []\nroutes: []\npolicies: []",
    "node: {mode: edge, region: none, asn: 0xFFFFFFFF, hash-mode: modulo, prepend-count: all}",
    "\"node\": {'mode': \"edge\"}",
    # Windows line ends; a key without a value but in the next line; comments anywhere
    "node:\r\n  mode: edge # comment\r\n\r\n# comment\r\n  region: >-\r\n    WNAM\r\n",
    # What YAML 1.1 takes for truths, numbers and nothing are names, quoted or not.
    "tunnels:\n" + "".join(f"- {{name: {n}, local: 1.0.0.1, remote: 2.0.0.{i}}}\n" for i, n in
                           enumerate(["on", "no", "y", "null", "1", "0x1f", "1e3", ".inf", ".",
                                      "'yes'", '"2"', "1_000", "_"])),
    one("tunnels", "{name: a, kind: gre, local: 1.0.0.1, remote: 2.0.0.1, key: 0, ttl: 255, "
        "mtu: 9176, address: 10.0.0.0/31, account: default, mss-clamp: off}"),
    # Supernets of what is authorised, and routes of one tunnel with several scopes
    "prefixes: [{prefix: 10.0.0.0/9}, {prefix: 10.128.0.0/9}]\nroutes:\n"
    "- prefix: 10.0.0.0/8\n  via: drop\n  priority: 4294967295\n  weight: 256\n  table: main\n"
    "- {prefix: 10.0.0.0/8, via: drop, priority: 0, region: [AFR, WNAM]}\n"
    "- {prefix: 10.0.0.0/8, via: drop, priority: 0, region: AFR}\n",
]


@pytest.mark.parametrize("text", TAKEN, ids=range(len(TAKEN)))
def test_taken(text):
    r = check(text)
    assert r.returncode == 0 and r.stdout == "", r.stderr
    assert "Error" not in r.stderr


# --- lint ----------------------------------------------------------------------------------------

LINT = """\
prefixes:
- {prefix: 10.0.0.0/8, account: acme}
- {prefix: 11.0.0.0/8}
tunnels:
- {name: t1, local: 1.0.0.1, remote: 2.0.0.1, account: acme}
routes:
- {prefix: 10.0.0.0/8, via: t1, priority: 100, region: [ENAM, WNAM]}
- {prefix: 10.1.0.0/16, via: t1, priority: 500000}
- {prefix: 11.0.0.0/8, via: t1, priority: 100}
policies:
- {from: 10.0.0.0/8, table: isp}
"""
LINTS = [
    (7, "route 10.0.0.0/8: neither it nor a shorter prefix has a route for "
     "AFR,APAC,EEUR,ME,OC,SAM,WEUR: traffic there is dropped (rules 2 and 9)"),
    (8, "route 10.1.0.0/16: priority 500000 meets the health penalties (500000 and 1000000, rule "
     "3): a degraded tunnel of a lower priority may still win over it"),
    (9, 'route 11.0.0.0/8 via "t1": the tunnel is of account "acme", prefix 11.0.0.0/8 of account '
     '"default": what comes back by the tunnel is dropped as spoofed'),
    (11, 'policy from 10.0.0.0/8: table "isp" has no routes: the traffic is dropped'),
]


def test_lint():
    r = check(LINT)
    assert r.returncode == 0 and r.stdout == ""
    assert r.stderr.splitlines() == [f"Warning: stdin:{n}:3: {text}" for n, text in LINTS]


def test_lint_as_json():
    r = check(LINT, ["-j"])
    assert r.returncode == 0
    assert json.loads(r.stdout) == {
        "ok": True, "warnings": [{"line": n, "column": 3, "text": text} for n, text in LINTS]}
    r = check(GOOD, ["-j"])
    assert json.loads(r.stdout) == {"ok": True, "warnings": []} and r.stderr == ""
    r = check("nod: {}", ["-j"])
    assert r.returncode == 2 and json.loads(r.stdout)["error"].startswith('stdin:1:1: "nod": did')


def test_lint_is_short():
    routes = "".join(f"- {{prefix: 10.0.{i}.0/24, via: drop, priority: 600000, table: x}}\n"
                     for i in range(100))
    r = check("routes:\n" + routes, ["-j"])
    assert r.returncode == 0 and len(json.loads(r.stdout)["warnings"]) == 100
    assert r.stderr.count("\n") == 21 and r.stderr.endswith("Warning: 80 more warnings\n")


# --- size ----------------------------------------------------------------------------------------

def test_memory_of_many_routes(tmp_path):
    """28 bytes a route, and no more for sorting what is in order, as what we print is."""
    n, base = 600000, 4 << 20
    file = tmp_path / "routes.yaml"
    with file.open("w") as f:
        f.write("routes:\n")
        f.writelines(f"- {{prefix: {1 + (i >> 16)}.{i >> 8 & 255}.{i & 255}.0/24, via: drop, "
                     "priority: 100, table: x}\n" for i in range(n))
    r = run([sys.executable, "-SEc", "import os, sys\n"
             "pid = os.posix_spawn(sys.argv[1], sys.argv[1:], {})\n"
             "_, status, usage = os.wait4(pid, 0)\n"
             "print(status, usage.ru_maxrss * 1024)", PENSTOCK, "check", file])
    status, peak = map(int, r.stdout.split())
    assert status == 0 and r.stderr == ""
    assert n * 28 < peak <= base + n * 31, f"{(peak - base) / n:.1f} bytes a route"


def test_long_comments():
    """The limit is for what is between two words, not for the file."""
    comment = "# " + "x" * 77 + "\n"
    half = comment * (40 * 1024 * 1024 // len(comment))
    r = check(half + "node:\n" + half + "  mode: edge\n")
    assert (r.returncode, r.stderr) == (0, "")


# --- documents -----------------------------------------------------------------------------------

def manual_example():
    text = (ROOT / "docs/man/penstock.yaml.5.scd").read_text()
    return re.search(r"^# EXAMPLE\n.*?```\n(.*?)```", text, re.M | re.S)[1]


def test_manual_example_is_good():
    r = check(textwrap.dedent(manual_example()))
    assert (r.returncode, r.stdout, r.stderr) == (0, "", "")


def test_example_file_is_good():
    r = check(None, name=ROOT / "examples/penstock.yaml")
    assert (r.returncode, r.stdout, r.stderr) == (0, "", "")


def test_manual_has_every_key():
    """The keys as the program lists them, in the manual under the heading of their section."""
    text = re.sub(r"\\(.)", r"\1", (ROOT / "docs/man/penstock.yaml.5.scd").read_text())
    for section, empty in [("node", "{{{}: 1}}"), ("prefixes", "[{{{}: 1}}]"),
                           ("tunnels", "[{{{}: 1}}]"), ("routes", "[{{{}: 1}}]"),
                           ("policies", "[{{{}: 1}}]")]:
        error = check(f"{section}: {empty.format('zzzzzzzz')}").stderr
        keys = re.search(r"expected one of (.*)", error)[1].split(", ")
        part = re.search(rf"^## {section}\n(.*?)(?=^##? )", text, re.M | re.S)
        assert part, section
        assert re.findall(r"^\*([a-z-]+)\*", part[1], re.M) == keys, section
