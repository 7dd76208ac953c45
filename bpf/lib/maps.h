/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maps the programs use. Sizes here are placeholders: `penstock load` sets the real ones.
 * Weak, so that both objects may define them and the linker keeps one of each.
 *
 * Those marked mmap are written by user space with plain stores; a packet path that finds no
 * element (which only a corrupt index can cause) refuses the packet, never lets it through.
 */
#ifndef LIB_MAPS_H
#define LIB_MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "penstock/abi.h"
#include "penstock/reasons.h"

/* Node settings. One entry. mmap. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ps_node);
} ps_node SEC(".maps") __weak;

/* FIB chunks of all tables. mmap. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ps_chunk);
} ps_fib SEC(".maps") __weak;

/* Bucket rows in blocks of 64. mmap. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ps_block);
} ps_row SEC(".maps") __weak;

/* Ready headers, two slots a tunnel. mmap, which also aligns them to cache lines. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ps_slot);
} ps_slot SEC(".maps") __weak;

/* Traffic by tunnel id. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ps_tunnel_stats);
} ps_tunnel_stat SEC(".maps") __weak;

/* Packets dropped or handed to the kernel, by reason. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PS_REASON_MAX);
	__type(key, __u32);
	__type(value, struct ps_reason_stats);
} ps_reason SEC(".maps") __weak;

/* Output devices: our ports, by ifindex. The kernel removes a device that goes. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} ps_dev SEC(".maps") __weak;

/* Next hops of decapsulated traffic, remembered by destination. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PS_NEXTHOP_ENTRIES);
	__type(key, __u32);
	__type(value, struct ps_nexthop);
} ps_nexthop SEC(".maps") __weak;

#endif
