#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# From a bare machine to `make TARGET`:
#
#     sudo sh tools/bootstrap.sh TARGET [make arguments]
#
# installs the packages that are missing, mounts bpffs where it is not, and runs make. It asks
# nothing, and with everything in place it needs no network.

set -eu
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
cd -- "$(dirname -- "$0")/.."

# One word is one package; a|b is the first of the two that the release has.
debian='
	gcc make clang llvm bpftool|linux-tools-generic pkg-config|pkgconf scdoc
	libc6-dev linux-libc-dev libbpf-dev libelf-dev zlib1g-dev libmnl-dev libjansson-dev
	libsmartcols-dev libyaml-dev
	libcmocka-dev python3 python3-pytest python3-scapy tshark iperf3 iproute2 iputils-ping
	ethtool tcpdump traceroute nftables curl procps git
	clang-format libclang-rt-dev|libclang-rt-14-dev'
fedora='
	gcc make clang llvm bpftool pkgconf-pkg-config scdoc
	glibc-devel kernel-headers libbpf-devel elfutils-libelf-devel zlib-devel libmnl-devel
	jansson-devel libsmartcols-devel libyaml-devel
	libcmocka-devel python3 python3-pytest python3-scapy wireshark-cli iperf3 iproute
	iproute-tc iputils ethtool tcpdump traceroute nftables curl procps-ng git diffutils findutils gawk
	clang-tools-extra compiler-rt libasan libubsan'
# The same for other distributions: what the packages bring.
commands='gcc make clang bpftool pkg-config scdoc python3 tshark iperf3 ip tc ping ethtool tcpdump traceroute
	nft curl ps git'
libraries='libbpf libelf zlib libmnl jansson smartcols yaml-0.1 cmocka'
modules='pytest scapy'

say() { echo "bootstrap: $*"; }
die() { echo "bootstrap: Error: $*" >&2; exit 1; }

targets() { cat Makefile tools/*/*.mk 2>/dev/null | sed -n 's/^\.PHONY: *//p' | tr -s ' ' '\n'; }

usage() {
	echo "bootstrap: Error: $*" >&2
	echo "usage: sudo sh tools/bootstrap.sh TARGET [make arguments]" >&2
	echo "targets:" $(targets) >&2
	exit 2
}

# Runs a command, silently, a second time if it fails; shows what it said if it fails again.
try() {
	for pause in 5 0; do
		"$@" >"$log" 2>&1 </dev/null && return
		sleep $pause
	done
	cat "$log" >&2
	die "failed: $*"
}

# has_X PACKAGE: is it installed? offers_X PACKAGE: could it be?
has_debian() { dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed; }
offers_debian() { LC_ALL=C apt-cache policy "$1" 2>/dev/null | grep -q 'Candidate: [^(]'; }
has_fedora() { rpm -q --whatprovides "$1" >/dev/null 2>&1; }
offers_fedora() { true; }

# first TEST a|b: prints the first of the alternatives that passes TEST
first() {
	for package in $(echo "$2" | tr '|' ' '); do
		if "$1" "$package"; then
			echo "$package"
			return
		fi
	done
	return 1
}

# missing FAMILY WORD...: prints the words of which no alternative is installed
missing() {
	family=$1
	shift
	for word; do
		first "has_$family" "$word" >/dev/null || echo "$word"
	done
}

# choose FAMILY WORD...: prints the package to install for each word
choose() {
	family=$1
	shift
	for word; do
		first "offers_$family" "$word" || say "this release has no $word: going on without" >&2
	done
}

install_debian() {
	try apt-get update -q
	packages=$(choose debian "$@")
	[ -n "$packages" ] || return 0
	say "installing:" $packages
	if command -v debconf-set-selections >/dev/null; then
		echo 'wireshark-common wireshark-common/install-setuid boolean false' |
			debconf-set-selections
	fi
	export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
	try apt-get install -q -y --no-install-recommends -o Dpkg::Options::=--force-confold \
		-o DPkg::Lock::Timeout=300 $packages
}

install_fedora() {
	say "installing:" "$@"
	try dnf -q -y --setopt=install_weak_deps=False install "$@"
}

by_hand() {
	say "neither apt-get nor dnf here; to be installed by hand:"
	say "  commands:" $commands
	say "  libraries with headers (libbpf 1.1 or later):" $libraries
	say "  python3 modules:" $modules
	lack=
	for c in $commands; do
		command -v "$c" >/dev/null || lack="$lack $c"
	done
	for l in $libraries; do
		pkg-config --exists "$l" 2>/dev/null || lack="$lack $l"
	done
	for m in $modules; do
		python3 -c "import $m" 2>/dev/null || lack="$lack $m"
	done
	[ -z "$lack" ] || die "missing:$lack"
	say "all of it is here"
}

[ $# -gt 0 ] || usage "no target"
targets | grep -qxF -e "$1" || usage "unknown target \"$1\""
[ "$(id -u)" = 0 ] || die "must be root: sudo sh tools/bootstrap.sh $*"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
	words=$(missing debian $debian)
	[ -z "$words" ] || install_debian $words
elif command -v dnf >/dev/null && command -v rpm >/dev/null; then
	words=$(missing fedora $fedora)
	[ -z "$words" ] || install_fedora $words
else
	by_hand
fi
rm -f "$log"

if [ "$(stat -f -c %T /sys/fs/bpf 2>/dev/null)" != bpf_fs ]; then
	if mount -t bpf bpf /sys/fs/bpf; then
		say "mounted bpffs at /sys/fs/bpf"
	else
		say "cannot mount bpffs at /sys/fs/bpf: building works, loading programs will not" >&2
	fi
fi

exec make "$@"
