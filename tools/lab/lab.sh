#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The lab: an Internet host, a transit node, the underlay's router, an edge node and a LAN, each in
# a network namespace of its own. The only description of it; the demo and tests/net both use it.
#
#    inet             transit                core                  edge              lan
#  +-------+        +----------+          +----------+          +----------+       +-------+
#  |   eth0|--------|inet0     |          |          |          |      lan0|-------|eth0   |
#  |    .2 |        |.1   core0|----------|transit0  |          |        .1|       |.10 .33|
#  |       |        |        .2|          |.1  edge0 |----------|core0     |       |       |
#  +-------+        +----------+          |      .129|          |.130-.132 |       +-------+
#        203.0.113.0/24       192.0.2.0/25 +----------+ 192.0.2.128/25   198.51.100.0/24
#                                                                        192.168.77.0/24 (guests)
#
#  tunnel   transit      edge           key   weight   interface addresses
#  t1       192.0.2.2 -- 192.0.2.130    -     1        10.255.1.0 -- 10.255.1.1
#  t2       192.0.2.2 -- 192.0.2.131    -     2        10.255.2.0 -- 10.255.2.1
#  t3       192.0.2.2 -- 192.0.2.132    3     1        10.255.3.0 -- 10.255.3.1
#
# The customer is authorised for 198.51.100.0/24 and for nothing else: the guests' traffic stays on
# the underlay. The core knows the way to both sides but none to 198.51.100.0/24.
#
# Sourced: sets the lab_* functions and the variables below. Run: see the end.
#
# What the lab needs from veth so that packets are on it as they would be on a cable:
#   - transmit checksums and segmentation by the sender, as XDP does not know of postponed ones;
#   - GRO at whatever receives from an XDP redirect, since without it the device has no NAPI and
#     drops redirected frames; but with packets merged no larger than one, so that captures show
#     what was sent.

LAB_PREFIX=${LAB_PREFIX:-penstock-lab-$$}	# of the namespaces' names
LAB_TRANSIT=${LAB_TRANSIT:-lab${$}t}		# instances
LAB_EDGE=${LAB_EDGE:-lab${$}e}
PENSTOCK=${PENSTOCK:-${PENSTOCK_BUILD:-build}/penstock}

LAB_NAMESPACES="inet transit core edge lan"
LAB_TUNNELS="t1 t2 t3"
LAB_PREFIX4=198.51.100.0/24
LAB_INET=203.0.113.2
LAB_LAN=198.51.100.10
LAB_LAN2=198.51.100.33
LAB_GUEST=192.168.77.10
LAB_ENDPOINT=192.0.2.2
LAB_PIDS=

lab_weight() { case $1 in t2) echo 2 ;; *) echo 1 ;; esac; }
lab_endpoint() { echo "192.0.2.13$((${1#t} - 1))"; }
lab_key() { case $1 in t3) echo "key 3" ;; esac; }
lab_address() { echo "10.255.${2#t}.$([ "$1" = transit ] && echo 0 || echo 1)"; } # NODE TUNNEL

lab_picture() {
	cat <<'PICTURE'
  inet 203.0.113.2
    |        203.0.113.0/24
  TRANSIT 203.0.113.1, 192.0.2.2      authorised: 198.51.100.0/24
    |        192.0.2.0/25             t1  192.0.2.2 == 192.0.2.130          weight 1
  core                                t2  192.0.2.2 == 192.0.2.131          weight 2
    |        192.0.2.128/25           t3  192.0.2.2 == 192.0.2.132  key 3   weight 1
  EDGE 192.0.2.130-132                policy: from 198.51.100.0/24 into the tunnels
    |        198.51.100.0/24, guests 192.168.77.0/24
  lan 198.51.100.10, 192.168.77.10
PICTURE
}

lab_die() {
	echo "Error: $*" >&2
	exit 1
}

# lab_in NS COMMAND...: in a namespace, with the mounts of outside, so that pins can be seen.
lab_in() {
	lab_ns=$1
	shift
	nsenter --net="/run/netns/$LAB_PREFIX-$lab_ns" "$@"
}

# The two nodes' command line.
transit() { "$PENSTOCK" -n "$LAB_PREFIX-transit" -I "$LAB_TRANSIT" "$@"; }
edge() { "$PENSTOCK" -n "$LAB_PREFIX-edge" -I "$LAB_EDGE" "$@"; }

# lab_wait SECONDS WHAT COMMAND...: until the command succeeds.
lab_wait() {
	lab_until=$(($(date +%s) + $1 + 1))
	lab_what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s)" -lt "$lab_until" ] || lab_die "waited in vain for $lab_what"
		sleep 0.05
	done
}

# lab_bg NS COMMAND...: beside us, ended with the lab. The process id is in LAB_PID.
lab_bg() {
	lab_ns=$1
	shift
	nsenter --net="/run/netns/$LAB_PREFIX-$lab_ns" "$@" &
	LAB_PID=$!
	LAB_PIDS="$LAB_PIDS $LAB_PID"
}

# lab_end PID [SIGNAL]: ends one of them and waits for it.
lab_end() {
	kill -"${2:-TERM}" "$1" 2>/dev/null
	wait "$1" 2>/dev/null
	lab_rest=
	for lab_pid in $LAB_PIDS; do
		[ "$lab_pid" = "$1" ] || lab_rest="$lab_rest $lab_pid"
	done
	LAB_PIDS=$lab_rest
	return 0
}

# --- the network -----------------------------------------------------------------------------
# lab_link NS DEV NS DEV
lab_link() {
	ip link add "$2" netns "$LAB_PREFIX-$1" type veth peer name "$4" netns "$LAB_PREFIX-$3" &&
		lab_device "$1" "$2" && lab_device "$3" "$4" && lab_gro "$1" "$2" && lab_gro "$3" "$4"
}

lab_device() {
	lab_in "$1" ethtool -K "$2" tx off tso off gso off txvlan off >/dev/null 2>&1 &&
		ip -n "$LAB_PREFIX-$1" link set "$2" up
}

# Only when both ends are up does the other one learn that it may send redirected frames here.
lab_gro() {
	case $1 in
	transit | edge) return 0 ;; # XDP comes with NAPI
	esac
	lab_in "$1" ethtool -K "$2" gro on || return 1
	# Without it (iproute2 before 5.19) captures show merged packets.
	ip -n "$LAB_PREFIX-$1" link set "$2" gro_max_size 1 2>/dev/null
	return 0
}

# lab_ip NS <<commands: many of `ip` in one go
lab_ip() { ip -n "$LAB_PREFIX-$1" -batch -; }

lab_namespace() {
	ip netns add "$LAB_PREFIX-$1" || return 1
	ip -n "$LAB_PREFIX-$1" link set lo up
	case $1 in
	inet | lan) set -- "$1" 0 0 ;;
	core) set -- "$1" 1 0 ;;
	*) set -- "$1" 1 1 ;; # strict reverse path filter: `attach` has to see to it
	esac
	lab_in "$1" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 \
		"net.ipv4.ip_forward=$2" net.ipv4.conf.all.rp_filter=0 \
		"net.ipv4.conf.default.rp_filter=$3" net.ipv4.icmp_ratelimit=0
}

lab_network() {
	for lab_name in $LAB_NAMESPACES; do
		lab_namespace "$lab_name" || return 1
	done
	lab_link inet eth0 transit inet0 && lab_link transit core0 core transit0 &&
		lab_link core edge0 edge core0 && lab_link edge lan0 lan eth0 || return 1
	lab_ip inet <<-END &&
		addr add $LAB_INET/24 dev eth0
		route add default via 203.0.113.1
	END
	lab_ip transit <<-END &&
		addr add 203.0.113.1/24 dev inet0
		addr add 192.0.2.2/25 dev core0
		route add 192.0.2.128/25 via 192.0.2.1
		route add 192.168.77.0/24 via 192.0.2.1
		route add default via $LAB_INET
	END
	lab_ip core <<-END &&
		addr add 192.0.2.1/25 dev transit0
		addr add 192.0.2.129/25 dev edge0
		route add 192.168.77.0/24 via 192.0.2.130
		route add default via 192.0.2.2
	END
	lab_ip edge <<-END &&
		addr add 192.0.2.130/25 dev core0
		addr add 192.0.2.131/25 dev core0
		addr add 192.0.2.132/25 dev core0
		addr add 198.51.100.1/24 dev lan0
		addr add 192.168.77.1/24 dev lan0
		route add default via 192.0.2.129
	END
	lab_ip lan <<-END
		addr add $LAB_LAN/24 dev eth0
		addr add $LAB_LAN2/24 dev eth0
		addr add $LAB_GUEST/24 dev eth0
		route add default via 198.51.100.1
	END
}

# --- Penstock --------------------------------------------------------------------------------
# lab_tunnels NODE: adds the tunnels as seen from a node.
lab_tunnels() {
	for lab_t in $LAB_TUNNELS; do
		lab_far=$(lab_endpoint "$lab_t")
		case $1 in
		transit) set -- "$1" "$LAB_ENDPOINT" "$lab_far" ;;
		edge) set -- "$1" "$lab_far" "$LAB_ENDPOINT" ;;
		esac
		# shellcheck disable=SC2046
		"$1" tunnel add "$lab_t" gre local "$2" remote "$3" \
			address "$(lab_address "$1" "$lab_t")/31" $(lab_key "$lab_t") || return 1
	done
}

# lab_routes NODE PREFIX TABLE
lab_routes() {
	for lab_t in $LAB_TUNNELS; do
		"$1" route add "$2" via "$lab_t" priority 100 weight "$(lab_weight "$lab_t")" \
			table "$3" || return 1
	done
}

lab_transit() {
	transit load && transit node set mode transit &&
		transit attach inet0 role wan && transit attach core0 role wan &&
		lab_tunnels transit && transit prefix add $LAB_PREFIX4 &&
		lab_routes transit $LAB_PREFIX4 main
}

lab_edge() {
	edge load && edge node set mode edge &&
		edge attach core0 role wan && edge attach lan0 role lan &&
		lab_tunnels edge && edge prefix add $LAB_PREFIX4 &&
		lab_routes edge 0.0.0.0/0 out && edge policy add from $LAB_PREFIX4 table out
}

# Everything, ready for packets.
lab_up() {
	lab_network || lab_die "cannot build the network"
	lab_transit || lab_die "cannot set up the transit node"
	lab_edge || lab_die "cannot set up the edge node"
	lab_wait 5 "the first ping" lab_in inet ping -nqc 1 -W 1 $LAB_LAN
}

# Ends what lab_bg() began, unloads, removes the namespaces. Harmless where there is nothing.
lab_down() {
	for lab_pid in $LAB_PIDS; do
		lab_end "$lab_pid" KILL
	done
	[ ! -e "/run/netns/$LAB_PREFIX-transit" ] || transit unload 2>/dev/null
	[ ! -e "/run/netns/$LAB_PREFIX-edge" ] || edge unload 2>/dev/null
	for lab_name in $LAB_NAMESPACES; do
		[ ! -e "/run/netns/$LAB_PREFIX-$lab_name" ] ||
			ip netns del "$LAB_PREFIX-$lab_name"
	done
}

lab_missing() {
	[ "$(id -u)" = 0 ] || { echo "needs root" && return; }
	[ -x "$PENSTOCK" ] || { echo "no $PENSTOCK: run make first" && return; }
	for lab_tool in ip nsenter ethtool sysctl ping "$@"; do
		command -v "$lab_tool" >/dev/null || { echo "no $lab_tool" && return; }
	done
	[ -e /sys/fs/bpf ] && mountpoint -q /sys/fs/bpf || echo "no bpffs at /sys/fs/bpf"
}

# What tests/net/lab.py reads.
lab_vars() {
	echo "INET $LAB_INET
LAN $LAB_LAN
LAN2 $LAB_LAN2
GUEST $LAB_GUEST
PREFIX $LAB_PREFIX4
ENDPOINT $LAB_ENDPOINT"
	for lab_t in $LAB_TUNNELS; do
		echo "tunnel $lab_t $(lab_endpoint "$lab_t") $(lab_weight "$lab_t") $(lab_key "$lab_t")"
	done
}

if [ "${0##*/}" = lab.sh ]; then
	case $1 in
	vars) lab_vars && exit ;;
	up | network | transit | edge | down) ;;
	*) lab_die "usage: lab.sh up|network|transit|edge|down|vars" ;;
	esac
	lab_why=$(lab_missing)
	[ -z "$lab_why" ] || lab_die "$lab_why"
	case $1 in
	up) (lab_up) || { lab_down && exit 1; } ;;
	down) lab_down ;;
	*) "lab_$1" ;; # one step of `up`
	esac
fi
