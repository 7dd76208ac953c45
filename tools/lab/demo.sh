#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The main job on real packets: demo.sh BUILD_DIR. Builds the lab of lab.sh, sends flows both ways,
# takes a tunnel down, has a forged packet refused, shows a packet, and checks each of these: it
# ends with exit code 0 only if all of it was so. Everything is removed at the end, on failure too.

set -u
here=$(dirname -- "$0")
PENSTOCK=${1:-build}/penstock
. "$here/lab.sh"

FLOWS=300
PYTHON=${PYTHON:-/usr/bin/python3} # the one that the distribution gives scapy to
PORT=20000 # source ports of the flows: the same each time, so that they are the same flows

say() { printf '\n== %s\n' "$*"; }
fail() { lab_die "$*"; }

tidy() {
	trap - EXIT INT TERM HUP
	lab_down
	[ -z "${tmp:-}" ] || rm -rf "$tmp"
}

# --- flows -------------------------------------------------------------------------------------
# One curl a flow, each from its own port, through tcpdump on the underlay. Leaves in $1 a line
# "PORT TUNNEL" for each flow, as seen on the wire.
run_flows() {
	for t in $LAB_TUNNELS; do
		eval "was_$t=$(packets transit "$t" tx_packets)"
	done
	lab_bg core tcpdump -i transit0 -s 96 -w "$tmp/pcap" --immediate-mode -U \
		"proto gre and dst net 192.0.2.128/25" 2>"$tmp/tcpdump"
	dump=$LAB_PID
	lab_wait 10 "tcpdump" grep -q listening "$tmp/tcpdump"
	lab_in inet sh -c "i=0; while [ \$i -lt $FLOWS ]; do
		curl -sf -m 5 --local-port \$(($PORT + i)) -o /dev/null http://$LAB_LAN:8000/ ||
			echo \$i; i=\$((i + 1)); done" >"$tmp/lost"
	[ ! -s "$tmp/lost" ] || fail "$(wc -l <"$tmp/lost") of $FLOWS flows failed"
	lab_wait 5 "the last packets" all_captured
	lab_end "$dump"
	flow_lines >"$1"
	[ "$(wc -l <"$1")" = "$FLOWS" ] ||
		fail "a flow is on no tunnel or on two: $(wc -l <"$1") of $FLOWS"
}

flow_lines() {
	tshark -r "$tmp/pcap" -Y 'tcp.dstport == 8000' -T fields -E occurrence=f \
		-e tcp.srcport -e ip.dst 2>/dev/null |
		sort -u | sed 's/192\.0\.2\.130$/t1/; s/192\.0\.2\.131$/t2/; s/192\.0\.2\.132$/t3/'
}

# Has the edge node received what the transit node has sent, tunnel by tunnel?
counters_agree() {
	for t in $LAB_TUNNELS; do
		[ "$(packets transit "$t" tx_packets)" = "$(packets edge "$t" rx_packets)" ] || return 1
	done
}

all_captured() { [ "$(flow_lines | cut -f1 | sort -u | wc -l)" = "$FLOWS" ]; }

packets() { # NODE TUNNEL FIELD
	"$1" -j stats tunnels | $PYTHON -c 'import json, sys
print(next(t[sys.argv[2]] for t in json.load(sys.stdin) if t["name"] == sys.argv[1]))' "$2" "$3"
}

drops() { # NODE REASON
	"$1" -j stats drops | $PYTHON -c 'import json, sys
print(sum(r["packets"] for r in json.load(sys.stdin) if r["reason"] == sys.argv[1]))' "$2"
}

# table FILE ACTIVE...: flows and packets a tunnel against the weights of the active ones
table() {
	file=$1
	shift
	total=0
	for t; do total=$((total + $(lab_weight "$t"))); done
	lab_wait 5 "the counters of both nodes to agree" counters_agree
	printf '  %-7s %6s %9s %6s %8s\n' tunnel weight expected flows packets
	for t in $LAB_TUNNELS; do
		expected=0
		case " $* " in *" $t "*) expected=$((FLOWS * $(lab_weight "$t") / total)) ;; esac
		flows=$(grep -c "$t\$" "$file")
		eval "was=\$was_$t"
		now=$(($(packets transit "$t" tx_packets) - was))
		printf '  %-7s %6s %9s %6s %8s\n' "$t" "$(lab_weight "$t")" "$expected" "$flows" "$now"
		[ $((now > 0)) = $((expected > 0)) ] || fail "$t: $now packets"
		# Flows choose their bucket by a hash: four standard deviations are allowed.
		$PYTHON -c 'import sys
n, e, f = map(int, sys.argv[1:])
sys.exit(abs(f - e) > 4 * (e * (n - e) / n) ** 0.5)' "$FLOWS" "$expected" "$flows" ||
			fail "$t: $flows flows where $expected were expected"
	done
}

# --- the acts ------------------------------------------------------------------------------------
act_pings() {
	say "Pings both ways, and through the interface addresses of tunnel t3"
	lab_in inet ping -nqc 5 -i 0.05 -W 1 $LAB_LAN | grep transmitted ||
		fail "no ping from the Internet to the LAN"
	lab_in lan ping -nqc 5 -i 0.05 -W 1 $LAB_INET | grep transmitted ||
		fail "no ping from the LAN to the Internet"
	lab_in edge ping -nqc 5 -i 0.05 -W 1 -I "$(lab_address edge t3)" \
		"$(lab_address transit t3)" | grep transmitted || fail "no ping through t3"
}

act_throughput() {
	say "TCP both ways (iperf3, 8 flows each, one second)"
	lab_bg lan iperf3 -s >/dev/null 2>&1
	iperf=$LAB_PID
	lab_wait 5 "iperf3" sh -c "ss -N $LAB_PREFIX-lan -tln | grep -q :5201"
	for way in "towards the LAN" "from the LAN"; do
		reverse=
		[ "$way" = "towards the LAN" ] || reverse=-R
		lab_in inet iperf3 -c $LAB_LAN -P 8 -t 1 -J $reverse >"$tmp/iperf" ||
			fail "iperf3 $way"
		$PYTHON -c 'import json, sys
s = json.load(open(sys.argv[1]))["end"]["sum_received"]
print("  %-16s %5.2f Gbit/s" % (sys.argv[2], s["bits_per_second"] / 1e9))
sys.exit(s["bytes"] == 0)' "$tmp/iperf" "$way" || fail "iperf3 $way moved nothing"
	done
	lab_end "$iperf"
}

act_shares() {
	say "$FLOWS TCP flows from the Internet, each an HTTP request"
	# The same ports are used again in a moment.
	for ns in inet lan; do lab_in $ns sysctl -qw net.ipv4.tcp_max_tw_buckets=0; done
	lab_bg lan $PYTHON -m http.server -d "$tmp/www" 8000 >/dev/null 2>&1
	lab_wait 5 "the web server" sh -c "ss -N $LAB_PREFIX-lan -tln | grep -q :8000"
	run_flows "$tmp/before"
	table "$tmp/before" t1 t2 t3
}

act_failover() {
	say "penstock tunnel health t2 down: the same flows again"
	transit tunnel health t2 down || fail "tunnel health"
	run_flows "$tmp/down"
	table "$tmp/down" t1 t3
	own=$(grep -c 't2$' "$tmp/before")
	moved=$(diff "$tmp/before" "$tmp/down" | grep -c '^<')
	foreign=$(diff "$tmp/before" "$tmp/down" | grep '^<' | grep -vc 't2$')
	echo "  moved: $moved flows, $own of them were t2's, $foreign of other tunnels"
	[ "$moved" = "$own" ] && [ "$foreign" = 0 ] || fail "flows of other tunnels moved"
	transit tunnel health t2 healthy || fail "tunnel health"
	run_flows "$tmp/back"
	cmp -s "$tmp/before" "$tmp/back" || fail "not all flows are back"
	echo "  t2 healthy again: every flow is where it was"
}

act_refuse() {
	say "What is not the customer's does not pass"
	was=$(drops transit spoofed_source)
	lab_in edge $PYTHON - <<-END 2>/dev/null || fail "cannot send the forged packet"
		from scapy.all import Ether, IP, GRE, UDP, sendp, getmacbyip
		sendp(Ether(dst=getmacbyip("192.0.2.129")) /
		      IP(src="192.0.2.130", dst="$LAB_ENDPOINT") / GRE() /
		      IP(src="192.168.77.10", dst="$LAB_INET") / UDP(sport=1, dport=2),
		      iface="core0", verbose=False)
	END
	lab_wait 5 "the forged packet's drop" \
		sh -c "$(counter_is transit "$LAB_TRANSIT" spoofed_source $((was + 1)))"
	echo "  GRE packet of t1 with the foreign source 192.168.77.10, at the transit node:"
	transit stats drops | grep -E '^REASON|spoofed_source' | cut -c1-35 | sed 's/^/  /'
	was=$(packets edge t1 tx_packets)$(packets edge t2 tx_packets)$(packets edge t3 tx_packets)
	lab_in lan ping -nqc 3 -i 0.05 -W 1 -I $LAB_GUEST $LAB_INET >"$tmp/guest" ||
		fail "the guest has no way out"
	now=$(packets edge t1 tx_packets)$(packets edge t2 tx_packets)$(packets edge t3 tx_packets)
	[ "$was" = "$now" ] || fail "the guest's packets went into a tunnel"
	echo "  guest 192.168.77.10: $(grep -o '[0-9]* received' "$tmp/guest") by the underlay," \
		"none of them in a tunnel"
}

counter_is() { # NODE INSTANCE REASON VALUE: a command that succeeds when the counter is there
	echo "'$PENSTOCK' -n '$LAB_PREFIX-$1' -I '$2' -j stats drops | grep -q" \
		"'\"reason\":\"$3\",\"kind\":\"drop\",\"packets\":$4,'"
}

act_packet() {
	say "One packet of t3 on the underlay, as tshark decodes it"
	tshark -r "$tmp/pcap" -Y 'ip.dst == 192.0.2.132 && tcp.dstport == 8000' -c 400 -V \
		2>/dev/null | awk '/^Internet Protocol/ { n++ } n > 2 { exit }
		/^(Internet|Generic|Transmission)|^    (Flags and|Protocol Type|Key|Total Length|Time to)/ {
			sub(/, Seq: .*/, ""); print "  " substr($0, 1, 90) }' >"$tmp/decoded"
	grep -q 'Key: 0x00000003' "$tmp/decoded" || fail "tshark sees no GRE key"
	cat "$tmp/decoded"
}

why=$(lab_missing curl iperf3 tcpdump tshark $PYTHON ss)
[ -z "$why" ] || lab_die "$why"
trap tidy EXIT
trap 'exit 130' INT TERM HUP
tmp=$(mktemp -d)
mkdir "$tmp/www"
echo "through the penstock" >"$tmp/www/index.html"
say "Two Penstock nodes, three tunnels"
lab_picture
lab_up
act_pings
act_throughput
act_shares
act_failover
act_refuse
act_packet
say "All of this was checked; removing the lab"
