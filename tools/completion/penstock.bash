# SPDX-License-Identifier: GPL-2.0-only
# Completion for bash: words from `penstock help words`, names of tunnels from what is loaded.
# Source it, or install it as /usr/share/bash-completion/completions/penstock.

_penstock_tunnels()
{
	penstock "${_penstock_opts[@]}" tunnel show 2>/dev/null | awk 'NR > 1 { print $1 }'
}

_penstock()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local i=1 object verb table words
	local -a _penstock_opts=()

	while ((i < COMP_CWORD)) && [[ ${COMP_WORDS[i]} == -* ]]; do
		case ${COMP_WORDS[i]} in
		-I | -n)
			_penstock_opts+=("${COMP_WORDS[i]}" "${COMP_WORDS[i + 1]}")
			((i += 2))
			;;
		-b | -batch)
			((i += 2))
			;;
		*)
			((i++))
			;;
		esac
	done
	if ((COMP_CWORD < i)); then
		case $prev in
		-n) words=$(ip netns list 2>/dev/null | awk '{ print $1 }') ;;
		-I) words=$(ls /sys/fs/bpf/penstock 2>/dev/null) ;;
		*) COMPREPLY=($(compgen -f -- "$cur")) && return ;;
		esac
		COMPREPLY=($(compgen -W "$words" -- "$cur"))
		return
	fi
	table=$(penstock help words 2>/dev/null)
	object=${COMP_WORDS[i]} verb=${COMP_WORDS[i + 1]}
	case $((COMP_CWORD - i)) in
	0)
		words="$(awk '!seen[$1]++ { print $1 }' <<<"$table") -I -n -j -p -s -batch -dry-run -V -h"
		;;
	1)
		words=$(awk -v o="$object" '$1 == o { print $2 }' <<<"$table")
		;;
	*)
		words=$(awk -v o="$object" -v v="$verb" \
			'$1 == o && ($2 == v || o ~ /^(load|attach|apply|rollback)$/) { print }' <<<"$table")
		words=${words#"$object $verb"}
		;;
	esac
	if [[ $object =~ ^(check|diff|apply)$ ]] && ((COMP_CWORD == i + 1)); then
		COMPREPLY=($(compgen -f -- "$cur"))
		return
	fi
	case "$object $verb $((COMP_CWORD - i)) $prev" in
	*" "*" "*" via") words="$(_penstock_tunnels) drop underlay" ;;
	"tunnel add 2 "*) words= ;;
	"tunnel "*" 2 "*) words=$(_penstock_tunnels) ;;
	"tunnel health 3 "*) words="healthy degraded down" ;;
	"tunnel add 3 "*) words=gre ;;
	*" role") words="wan lan" ;;
	"route get "*" proto") words="tcp udp icmp gre sctp udplite" ;;
	"route get "*" in") words="wan lan penstock0" ;;
	"attach "*" mode") words="auto native generic" ;;
	*" mode") words="transit edge" ;;
	*" hash-mode") words="rendezvous modulo" ;;
	*" mss-clamp") words="on off" ;;
	*" origin") words="static bgp" ;;
	*" prepend-count") words="additional all" ;;
	*" region") words="AFR APAC EEUR ENAM ME OC SAM WEUR WNAM none" ;;
	"attach "*" 1 "* | "detach "*" 1 "*) words=$(ls /sys/class/net 2>/dev/null) ;;
	esac
	COMPREPLY=($(compgen -W "$words" -- "$cur"))
}

complete -F _penstock penstock
