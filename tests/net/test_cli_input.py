# SPDX-License-Identifier: GPL-2.0-only
"""The command line, fed with what it must refuse: in which words, with which exit code, and that
nothing has changed afterwards. Then batches, which are all or nothing.
"""

import json

import pytest
from conftest import dump, verb_table, words

# --- malformed input ---------------------------------------------------------------------------

ADD = "tunnel add t9 gre local 198.51.100.1 remote 203.0.113.9 "
ROUTE = "route add 192.0.2.128/25 via t1 priority 100 "
BGP = "route add 192.0.2.128/25 via t1 origin bgp "

# (command, word that the message must have)
MALFORMED = [
    ("", "expected an object"),
    ("tunnels show", '"tunnels"'),
    ("p show", "ambiguous: prefix, policy"),
    ("sta", "ambiguous: status, stats"),
    ("-x status", '"x"'),
    ("-I", "expected a name"),
    ("-I toolonginstancename status", '"toolonginstancename"'),
    ("-I a/b status", '"a/b"'),
    ("-n nosuch-ns status", '"nosuch-ns"'),
    ("-n /etc/passwd status", '"/etc/passwd"'),
    ("-batch", "expected a file"),
    ("-batch /nonexistent/file", '"/nonexistent/file"'),
    ("-batch - tunnel show", '"tunnel"'),
    ("help nosuch", '"nosuch"'),
    ("load max-prefixes", "expected a number"),
    ("load max-prefixes 0", '"0": expected a number from 1 to 16000000'),
    ("load max-prefixes 16000001", '"16000001"'),
    ("load max-tunnels 32001", '"32001"'),
    ("load max-groups -1", '"-1"'),
    ("load max-tables 1x", '"1x"'),
    ("load max-chunks 0x", '"0x"'),
    ("load max-tables 2 max-tables 2", '"max-tables" given twice'),
    ("load max- 2", "ambiguous: max-prefixes, max-tunnels, max-groups, max-tables, max-chunks"),
    ("load everything", '"everything"'),
    ("load max-groups 77", "max-groups 77"),
    ("unload now", '"now"'),
    ("status -j", 'options stand before the object'),
    ("status now", '"now"'),
    ("export now", '"now"'),
    ("diff", "expected"),
    ("diff /nowhere/x.yaml", '/nowhere/x.yaml'),
    ("diff /dev/null now", '"now"'),
    ("apply", "expected"),
    ("apply /nowhere/x.yaml", '/nowhere/x.yaml'),
    ("apply /dev/null", '/dev/null'),
    ("apply /dev/null confirm 0", '"0"'),
    ("apply /dev/null confirm 86401", '"86401"'),
    ("apply /dev/null --confirm", '"--confirm"'),
    ("confirm now", '"now"'),
    ("confirm", 'confirm'),
    ("rollback 0", '"0"'),
    ("rollback x", '"x"'),
    ("rollback 1 2", '"2"'),
    ("history now", '"now"'),
    ("doctor now", '"now"'),
    ("doctor --repairs", '"repairs"'),
    ("doctor repair repair", '"repair" given twice'),
    ("attach", "expected a device"),
    ("attach w0", '"role" is missing'),
    ("attach w0 role", "expected wan or lan"),
    ("attach w0 role dmz", '"dmz": expected one of wan, lan'),
    ("attach w0 role wan mode fast", '"fast"'),
    ("attach w0 role wan role lan", '"role" given twice'),
    ("attach nosuchdev role wan", '"nosuchdev"'),
    ("attach averyveryverylongname role wan", '"averyveryverylongname"'),
    ("attach ../w0 role wan", '"../w0"'),
    ("detach", "expected a device"),
    ("detach nosuchdev", '"nosuchdev"'),
    ("detach w0 w1", '"w1"'),
    ("node", None),
    ("node sit", '"sit"'),
    ("node s", "ambiguous: set, show"),
    ("node set", "expected one of mode, region, asn, hash-mode"),
    ("node set mode", "expected transit or edge"),
    ("node set mode router", '"router": expected one of transit, edge'),
    ("node set region MARS", '"MARS": expected one of AFR,APAC'),
    ("node set region wnam", '"wnam"'),
    ("node set asn 0", '"0": expected a number from 1 to 4294967295'),
    ("node set asn 4294967296", '"4294967296"'),
    ("node set asn 010", '"010"'),
    ("node set asn +1", '"+1"'),
    ("node set asn ' 1'", '" 1"'),
    ("node set hash-mode random", '"random"'),
    ("node set mode edge mode edge", '"mode" given twice'),
    ("node set colour blue", '"colour"'),
    ("node show me", '"me"'),
    ("prefix add", "expected a prefix"),
    ("prefix add 203.0.113.1/24", "203.0.113.0/24"),
    ("prefix add 10.255.0.1/32", "interface subnet"),
    ("prefix add 300.0.113.0/24", '"300.0.113.0/24"'),
    ("prefix add 203.0.113.0/33", '"203.0.113.0/33"'),
    ("prefix add 2001:db8::/32", '"2001:db8::/32"'),
    ("prefix add ''", '""'),
    ("prefix add 10.2.0.0/16 account", "expected an account's name"),
    ("prefix add 10.2.0.0/16 account a/b", '"a/b"'),
    ("prefix add 10.2.0.0/16 account main", '"main"'),
    ("prefix add 10.2.0.0/16 account abcdefghijklmnop", '"abcdefghijklmnop"'),
    ("prefix add 10.2.0.0/16 account a account b", '"account" given twice'),
    ("prefix add 10.2.0.0/16 owner a", '"owner"'),
    ("prefix add 192.0.2.0/24", "192.0.2.0/24 exists"),
    ("prefix add 203.0.113.0/24", '"t1"'),
    ("prefix del", "expected a prefix"),
    ("prefix del 10.9.0.0/16", "10.9.0.0/16"),
    ("prefix del 192.0.2.0/24", "192.0.2.0/24"),
    ("prefix del 192.0.2.0/24 account acme", '"account"'),
    ("prefix show 192.0.2.0/24", '"192.0.2.0/24"'),
    ("prefix remove 192.0.2.0/24", '"remove"'),
    ("tunnel add", "expected a tunnel's name"),
    ("tunnel add t9", "expected gre"),
    ("tunnel add t9 ipip", '"ipip": expected gre'),
    ("tunnel add t9 gre", '"local" is missing'),
    ("tunnel add t9 gre local 198.51.100.1", '"remote" is missing'),
    ("tunnel add t9 gre local", "expected an address"),
    ("tunnel add t9 gre local 198.51.100 remote 203.0.113.9", '"198.51.100"'),
    ("tunnel add t9 gre local 224.0.0.1 remote 203.0.113.9", '"224.0.0.1"'),
    ("tunnel add t9 gre local 198.51.100.1 remote 255.255.255.255", '"255.255.255.255"'),
    ("tunnel add t9 gre local 0.0.0.0 remote 203.0.113.9", '"0.0.0.0"'),
    ("tunnel add t9 gre local 127.0.0.1 remote 203.0.113.9", '"127.0.0.1"'),
    ("tunnel add t9 gre local 203.0.113.9 remote 203.0.113.9", '"203.0.113.9"'),
    ("tunnel add t9 gre local 198.51.100.1 remote 192.0.2.1", "192.0.2.1"),
    ("tunnel add drop gre local 198.51.100.1 remote 203.0.113.9", '"drop"'),
    ("tunnel add main gre local 198.51.100.1 remote 203.0.113.9", '"main"'),
    ("tunnel add default gre local 198.51.100.1 remote 203.0.113.9", '"default"'),
    ("tunnel add underlay gre local 198.51.100.1 remote 203.0.113.9", '"underlay"'),
    ("tunnel add 'a b' gre local 198.51.100.1 remote 203.0.113.9", '"a b"'),
    ("tunnel add abcdefghijklmnop gre local 198.51.100.1 remote 203.0.113.9",
     '"abcdefghijklmnop"'),
    ("tunnel add -t gre local 198.51.100.1 remote 203.0.113.9", '"-t"'),
    ("tunnel add t1 gre local 198.51.100.1 remote 203.0.113.9", '"t1" exists'),
    ("tunnel add t9 gre local 198.51.100.1 remote 203.0.113.1", '"t1"'),
    (ADD + "mtu 99", 'mtu "99": expected a number from 576 to 9176'),
    (ADD + "mtu 9177", '"9177"'),
    (ADD + "mtu 1400 mtu 1400", '"mtu" given twice'),
    (ADD + "mtu 1400 mt 1400", '"mtu" given twice'),
    (ADD + "m 1400", "ambiguous: mtu, mss-clamp"),
    (ADD + "ttl 0", '"0": expected a number from 1 to 255'),
    (ADD + "ttl 256", '"256"'),
    (ADD + "key 4294967296", '"4294967296": expected a number from 0 to 4294967295'),
    (ADD + "key none", '"none"'),
    (ADD + "key 99999999999999999999999", '"99999999999999999999999"'),
    (ADD + "address 10.255.1.0/24", '"10.255.1.0/24"'),
    (ADD + "address 10.255.1.0/30", '"10.255.1.0/30"'),
    (ADD + "address 10.255.0.1/31", '"t2"'),
    (ADD + "address", "expected an interface address"),
    (ADD + "account ''", '""'),
    (ADD + "mss-clamp maybe", '"maybe"'),
    (ADD + "region WNAM", '"region"'),
    ("tunnel set", "expected a tunnel's name"),
    ("tunnel set t1", "expected what to change"),
    ("tunnel set nosuch ttl 9", '"nosuch"'),
    ("tunnel set drop ttl 9", '"drop"'),
    ("tunnel set t1 ttl 999", '"999"'),
    ("tunnel set t1 remote 198.51.100.1", '"198.51.100.1"'),
    ("tunnel set t1 remote 203.0.113.2 key 7", '"t2"'),
    ("tunnel set t1 ttl 9 ttl 9", '"ttl" given twice'),
    ("tunnel del", "expected a tunnel's name"),
    ("tunnel del nosuch", '"nosuch"'),
    ("tunnel del t1", '"t1"'),
    ("tunnel del drop", '"drop"'),
    ("tunnel del t1 t2", '"t2"'),
    ("tunnel show nosuch", '"nosuch"'),
    ("tunnel show t", '"t"'),
    ("tunnel show t1 t2", '"t2"'),
    ("tunnel health", "expected a tunnel's name"),
    ("tunnel health t1", "expected healthy, degraded or down"),
    ("tunnel health t1 ill", '"ill"'),
    ("tunnel health t1 d", "ambiguous: degraded, down"),
    ("tunnel health nosuch down", '"nosuch"'),
    ("tunnel health underlay down", '"underlay"'),
    ("tunnel refresh nosuch", '"nosuch"'),
    ("tunnel refresh t1 t2", '"t2"'),
    ("tunnel flush", '"flush"'),
    ("route add", "expected a prefix"),
    ("route add 192.0.2.1/25 via t1 priority 100", "192.0.2.0/25"),
    ("route add 192.0.2.128/25", '"via" is missing'),
    ("route add 192.0.2.128/25 via t1", '"priority" is missing'),
    ("route add 192.0.2.128/25 via", "expected a tunnel"),
    ("route add 192.0.2.128/25 via nosuch priority 100", '"nosuch"'),
    ("route add 192.0.2.128/25 via t priority 100", '"t"'),
    ("route add 192.0.2.128/25 via t1 priority -1", '"-1"'),
    ("route add 192.0.2.128/25 via t1 priority 4294967296", '"4294967296"'),
    (ROUTE + "weight 0", '"0": expected a number from 1 to 256'),
    (ROUTE + "weight 257", '"257"'),
    (ROUTE + "weight 1.5", '"1.5"'),
    (ROUTE + "weight 1 weight 1", '"weight" given twice'),
    (ROUTE + "table drop", '"drop"'),
    (ROUTE + "table a:b", '"a:b"'),
    (ROUTE + "region", "expected region codes"),
    (ROUTE + "region XX", '"XX" is no region'),
    (ROUTE + "region WNAM,wnam", '"wnam" is no region'),
    (ROUTE + "region WNAM,", '"" is no region'),
    (ROUTE + "region ME,none", '"none" is no region'),
    (ROUTE + "region ME region SAM", '"region" given twice'),
    (ROUTE + "origin igp", '"igp": expected one of static, bgp'),
    (ROUTE + "origin interface", '"interface": expected one of static, bgp'),
    (ROUTE + "origin bgp", '"priority" with origin bgp'),
    (ROUTE + "peer-asn 65000", '"peer-asn" without origin bgp'),
    (ROUTE + "as-path 65000", '"as-path" without origin bgp'),
    (ROUTE + "origin static community 13335:60010", '"community" without origin bgp'),
    (BGP + "weight 2", '"weight" with origin bgp'),
    (BGP + "as-path 65000", '"peer-asn" is missing'),
    (BGP + "peer-asn", "expected the peer's AS number"),
    (BGP + "peer-asn 0", 'peer-asn "0": expected an AS number'),
    (BGP + "peer-asn 4294967296", '"4294967296"'),
    (BGP + "peer-asn 1.65536", '"1.65536"'),
    (BGP + "peer-asn 65000 as-path '65000 x 1'", 'as-path "x": expected an AS number'),
    (BGP + "peer-asn 65000 as-path '65000 {65200'", "expected } at the end"),
    (BGP + "peer-asn 65000 as-path ''", 'as-path "": expected AS numbers'),
    (BGP + f"peer-asn 65000 as-path '{'7 ' * 1025}'", 'as-path "7": a path has 1024'),
    (BGP + "peer-asn 65000 as-path 65000 65000", '"65000"'),
    (BGP + "community 65536:1", 'community "65536:1": expected a community ASN:VALUE'),
    (BGP + "community no-export", '"no-export"'),
    (BGP + f"community '{'1:2,' * 1025}'", 'community "1:2": a route has 1024'),
    ("route add 10.77.0.0/16 via t1 origin bgp", "rule 10"),
    ("route add 10.77.0.0/16 via t1 priority 100", "10.77.0.0/16"),
    ("route add 192.0.0.0/16 via t1 priority 100", "192.0.0.0/16"),
    ("route add 192.0.2.0/24 via t1 priority 200", "192.0.2.0/24"),
    ("route replace 192.0.2.0/24 via nosuch priority 200", '"nosuch"'),
    ("route replace 192.0.2.0/24 via t1", '"priority" is missing'),
    ("route replace 192.0.2.0/24 via t1 origin static", '"priority" is missing'),
    ("route replace 10.77.0.0/16 via t1 priority 1", "10.77.0.0/16"),
    ("route del", "expected a prefix"),
    ("route del 192.0.2.0/26", "192.0.2.0/26"),
    ("route del 192.0.2.0/24 via t2", '"t2"'),
    ("route del 192.0.2.0/24 via t1 region ME", 'via "t1" in region ME'),
    ("route del 192.0.2.0/24 origin bgp", "of origin bgp"),
    ("route del 192.0.2.0/24 region XX", '"XX" is no region'),
    ("route del 192.0.2.0/24 weight 1", '"weight"'),
    ("route del 10.255.0.1/32", "10.255.0.1/32"),
    ("route del 192.0.2.0/24 via nosuch", '"nosuch"'),
    ("route del 192.0.2.0/24 table nosuch", '"nosuch"'),
    ("route del 192.0.2.0/24 priority 100", '"priority"'),
    ("route show 192.0.2.1/24", "192.0.2.0/24"),
    ("route show table nosuch", '"nosuch"'),
    ("route show t1", '"t1"'),
    ("route get 192.0.2.1", "expected the destination"),
    ("route get 192.0.2.1 nosuch", '"nosuch"'),
    ("policy add", '"table" is missing'),
    ("policy add from 10.2.0.0/16", '"table" is missing'),
    ("policy add table isp", '"from" is missing'),
    ("policy add from 10.2.0.1/16 table isp", "10.2.0.0/16"),
    ("policy add from 10.2.0.0/16 table main", '"main"'),
    ("policy add from 10.2.0.0/16 table default", '"default"'),
    ("policy add from 10.1.0.0/16 table isp", "10.1.0.0/16"),
    ("policy add from 10.2.0.0/16 table isp table isp", '"table" given twice'),
    ("policy del", '"from" is missing'),
    ("policy del from 10.2.0.0/16", "10.2.0.0/16"),
    ("policy del from 10.1.0.0/16 table isp", '"table"'),
    ("policy show me", '"me"'),
    ("check", "expected a file"),
    ("check /dev/null now", '"now"'),
    ("check /nonexistent/file", '"/nonexistent/file"'),
    ("check /", '"/"'),
    ("check /dev/null", "/dev/null:1:1: "),
    ("stats everything", '"everything"'),
    ("stats tunnels t1", '"t1"'),
    ("stats drops now", '"now"'),
    ("stats maps now", '"now"'),
]


@pytest.mark.parametrize("command,word", [m for m in MALFORMED if m[1]],
                         ids=[m[0] or "nothing" for m in MALFORMED if m[1]])
def test_malformed(fixed, command, word):
    fixed.fails(2, word, command)
    assert dump(fixed) == fixed.before


def test_malformed_covers_every_verb():
    seen = set()
    for command, _ in MALFORMED:
        w = words(command)
        seen.add((w[0] if w else "", w[1] if len(w) > 1 else None))
        seen.add((w[0] if w else "", None))
    for name, verb in verb_table():
        if name != "help":
            assert (name, verb) in seen, f"no malformed input for {name} {verb}"


def test_error_as_json(fixed):
    r = fixed.fails(2, '"nosuch"', "-j tunnel show nosuch")
    assert json.loads(r.stdout) == {"error": r.stderr.removeprefix("Error: ").rstrip("\n")}


def test_error_is_fit_for_a_terminal(fixed):
    r = fixed.run(["-j", "tunnel", "show", b"\x1b[31m\xff\n".decode("utf-8", "surrogateescape")])
    assert r.returncode == 2
    assert "\x1b" not in r.stderr and r.stderr.count("\n") == 1
    assert "error" in json.loads(r.stdout)


def test_long_word(fixed):
    r = fixed.fails(2, "expected", ["node", "set", "mode", "x" * 100000])
    assert len(r.stderr) < 600


# --- batch ---------------------------------------------------------------------------------------

GOOD_BATCH = """
# a comment, then an empty line

prefix add 10.2.0.0/16 account 'acme'   # and at the end of a line
tunnel add "t3" gre local 198.51.100.1 remote 203.0.113.3 account acme
 \t route add 10.2.0.0/16 via t3 priority 100 weight 2\r
route add 10.2.0.0/17 via t1 priority 600000
tunnel health t3 deg
policy add from 10.6.0.0/16 table fresh
node set region EEUR
"""


def test_batch(node, tmp_path):
    before = dump(node)
    file = tmp_path / "batch"
    file.write_text(GOOD_BATCH)
    r = node.run(["--dry-run", "-batch", file])
    assert r.returncode == 0 and r.stdout.startswith("would ") and dump(node) == before
    r = node.run(["-batch", file])
    assert r.returncode == 0 and r.stdout == ""
    assert r.stderr.startswith(f"Warning: {file}:7: ") and r.stderr.count("\n") == 1
    after = dump(node)
    assert after["status"]["transactions"] == before["status"]["transactions"] + 1
    assert {r["prefix"] for r in after["route show"]} >= {"10.2.0.0/16", "10.2.0.0/17"}
    assert node.show("tunnel show t3")[0]["health"] == "degraded"
    assert node.show("tunnel show t3")[0]["next_hop"]["state"] == "ready"
    assert after["node show"][0]["region"] == "EEUR"
    node.ok("-batch -", input="route del 10.2.0.0/16\nroute del 10.2.0.0/17\n"
            "tunnel set t3 remote 203.0.113.33\ntunnel refresh t3\ntunnel del t3")
    assert {r["prefix"] for r in node.show("route show")} == \
        {r["prefix"] for r in before["route show"]}
    node.ok("-batch /dev/null")


BAD_BATCH = [("roote add 10.2.0.0/16 via t1 priority 100", '"roote"'),
             ("route add 10.2.0.0/16 via t1 priority", "expected a number"),
             ("route add 10.2.0.1/16 via t1 priority 100", "10.2.0.0/16"),
             ("route add 10.77.0.0/16 via t1 priority 100", "10.77.0.0/16"),
             ("route add 10.2.0.0/16 via nosuch priority 100", '"nosuch"'),
             ("prefix add 192.0.2.0/24", "exists"),
             ("tunnel del t1", '"t1"'),
             ("tunnel set nosuch ttl 1", '"nosuch"'),
             ("prefix add '10.9.0.0/16", "quote"),
             ("prefix add 10.9.0.0/16 \0x", "NUL"),
             ("x " * 100, "too many"),
             ("-j prefix add 10.9.0.0/16", '"-j"'),
             ("load", "not allowed in a batch"), ("unload", "not allowed in a batch"),
             ("status", "not allowed in a batch"), ("help", "not allowed in a batch"),
             ("attach w1 role lan", "not allowed in a batch"),
             ("detach w0", "not allowed in a batch"), ("stats", "not allowed in a batch"),
             ("tunnel help", "not allowed in a batch"),
             ("route show", '"route show" is not allowed in a batch')]


@pytest.mark.parametrize("line,word", BAD_BATCH, ids=[b[0][:30] for b in BAD_BATCH])
def test_batch_is_all_or_nothing(fixed, tmp_path, line, word):
    file = tmp_path / "batch"
    file.write_text(f"prefix add 10.2.0.0/16\n\n{line}\nprefix add 10.3.0.0/16\n")
    r = fixed.fails(2, f"{file}:3: ", ["-batch", file])
    assert word in r.stderr and r.stdout == ""
    assert dump(fixed) == fixed.before


def test_batch_warnings_are_few(node):
    lines = "\n".join(f"route add 192.0.2.{i}/32 via t1 priority 500000" for i in range(100))
    r = node.run("-batch -", input=lines)
    assert r.returncode == 0
    assert r.stderr.count("\n") == 21 and "80 more" in r.stderr
