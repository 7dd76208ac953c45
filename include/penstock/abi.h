/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The contract between the BPF programs and user space: every map, its key and its value.
 *
 * Maps are the database (docs/maps.md). Primary maps hold what the operator said, derived maps
 * follow from them by the pure functions of user/core. The programs read derived maps only.
 *
 * Conventions: fields are in host byte order unless the name ends in _be; every byte of padding
 * is named and zero; every layout is asserted below. A change of any layout or meaning here
 * raises PS_ABI_VERSION, and user space refuses pins of another version.
 *
 * This header defines no behaviour and includes only kernel types, so that BPF, the tools and the
 * tests compile exactly the same text.
 */
#ifndef PENSTOCK_ABI_H
#define PENSTOCK_ABI_H

#include <linux/types.h>

#define PS_ABI_VERSION 2
#define PS_MAGIC 0x5053544bu /* "PSTK" */

#define PS_NAME_LEN 16 /* tunnel, table and account names: 15 characters and a NUL */

/*
 * FIB: one array of chunks serves every table (16-8-8 stride, design: user/core/stride.h).
 * Entry 0 is "nothing here". A chunk reference holds the index of a chunk of the next level.
 * A leaf holds the rank of the prefix it came from (length + 1) and the table's payload.
 */
#define PS_CHUNK_SLOTS 256u
#define PS_ROOT_CHUNKS 256u /* chunks of a table's first level: 65,536 entries */
#define PS_FIB_CHUNK 0x80000000u
#define PS_FIB_RANK_SHIFT 25
#define PS_FIB_RANK_MASK 0x3fu
#define PS_FIB_PAYLOAD_MASK 0x01ffffffu

struct ps_chunk {
	__u32 e[PS_CHUNK_SLOTS];
};

/* Tables. The first ones are fixed; egress tables named by the operator follow. */
enum ps_table_id {
	PS_T_MAIN = 0,	 /* by destination; payload: row reference */
	PS_T_OWNED = 1,	 /* authorised prefixes; payload: account id */
	PS_T_POLICY = 2, /* by source; payload: table id */
	PS_T_REMOTE = 3, /* by outer source; payload: slot of the first tunnel of the chain */
	PS_T_LOCAL = 4,	 /* by outer destination; payload: 1 for an endpoint of ours */
	PS_T_EGRESS = 5, /* first egress table; by destination; payload: row reference */
};

/*
 * Row reference: where a group's bucket row lies. Rows are 2^log2 consecutive blocks of 64
 * buckets, so that a leaf needs no further indirection to reach its row.
 */
#define PS_BLOCK_SLOTS 64u
#define PS_ROW_BLOCK_MASK 0x003fffffu
#define PS_ROW_LOG2_SHIFT 22
#define PS_ROW_LOG2_MAX 6u /* 4096 buckets */

struct ps_block {
	__u16 slot[PS_BLOCK_SLOTS];
};

/*
 * Tunnel ids 0 and 1 are next hops that are no tunnels. Each id owns two slots, 2*id and 2*id+1:
 * a tunnel that changes is written to its spare slot and then the rows are turned to it, so that
 * a packet sees the old header or the new one, whole.
 */
#define PS_TUNNEL_DROP 0u
#define PS_TUNNEL_UNDERLAY 1u
#define PS_TUNNEL_FIRST 2u
#define PS_SLOT_ID(slot) ((slot) >> 1)
#define PS_CHAIN_MAX 16u /* tunnels that may share one remote address */

enum ps_slot_kind {
	PS_SLOT_NONE = 0,
	PS_SLOT_DROP = 1,
	PS_SLOT_UNDERLAY = 2,
	PS_SLOT_GRE = 3,
};

#define PS_SLOT_F_READY 0x01u  /* l2 and ifindex are resolved: the fast path may send */
#define PS_SLOT_F_KEY 0x02u    /* GRE key present, RFC 2890 */
#define PS_SLOT_F_IFADDR 0x04u /* if_net_be and if_mask_be are set */

/*
 * A tunnel as the programs need it: one cache line. Bytes 2..43 are the header as it goes on the
 * wire (Ethernet, IPv4 with DF and id 0, GRE, key), but for tos, tot_len and the checksum.
 */
struct ps_slot {
	__u8 kind;	    /* enum ps_slot_kind */
	__u8 flags;	    /* PS_SLOT_F_* */
	__u8 l2[14];	    /* destination, source, ethertype */
	__u8 ver_ihl;	    /* 0x45 */
	__u8 tos;	    /* 0 */
	__be16 tot_len_be;  /* 0 */
	__be16 id_be;	    /* 0, RFC 6864 */
	__be16 frag_off_be; /* DF */
	__u8 ttl;
	__u8 protocol;	 /* 47 */
	__be16 check_be; /* 0 */
	__be32 local_be;
	__be32 remote_be;
	__be16 gre_flags_be;
	__be16 gre_proto_be; /* 0x0800 */
	__be32 key_be;
	__u32 ifindex;	  /* port the fast path sends on */
	__be32 if_net_be; /* interface subnet: health traffic, not checked against prefixes */
	__be32 if_mask_be;
	__u16 csum;    /* one's complement sum of the IPv4 header above, as laid out in memory */
	__u16 mtu;     /* largest inner packet, bytes */
	__u16 account; /* id of the owning account */
	__u16 next;    /* next slot with the same remote, 0: none */
};

/* Counters of one tunnel, per CPU, indexed by tunnel id. Bytes are inner packet bytes. */
struct ps_tunnel_stats {
	__u64 tx_packets; /* encapsulated */
	__u64 tx_bytes;
	__u64 rx_packets; /* decapsulated and let through */
	__u64 rx_bytes;
};

/* Counters of one reason (reasons.h), per CPU. Bytes are frame bytes. */
struct ps_reason_stats {
	__u64 packets;
	__u64 bytes;
};

enum ps_node_mode {
	PS_MODE_TRANSIT = 0,
	PS_MODE_EDGE = 1,
};

enum ps_hash_mode {
	PS_HASH_RENDEZVOUS = 0,
	PS_HASH_MODULO = 1,
};

/* Rule 4: which mentions of the peer's ASN in an AS_PATH are prepends. */
enum ps_prepend_count {
	PS_PREPEND_ADDITIONAL = 0, /* all but the first */
	PS_PREPEND_ALL = 1,
};

/* Node settings: primary, and read by the programs. */
struct ps_node {
	__u32 mode;	    /* enum ps_node_mode */
	__u32 ifindex;	    /* penstock0 */
	__u32 asn;	    /* provider ASN of the communities, rule 3 */
	__u16 region;	    /* bit of the node's region, 0: none set */
	__u8 hash_mode;	    /* enum ps_hash_mode */
	__u8 prepend_count; /* enum ps_prepend_count */
};

#define PS_DIRTY_MAPS 1u   /* ps_intent holds a transaction that is being written */
#define PS_DIRTY_CHUNKS 4u /* the chunk allocator's lists are being changed */
#define PS_DIRTY_PLUMB 2u  /* the kernel's routes, rules and addresses may be behind */

/* What `load` chose; mapped by every opener. */
struct ps_meta {
	__u32 magic;
	__u32 abi;
	__u64 netns;	    /* inode of the network namespace the instance belongs to */
	__u32 max_prefixes; /* entries of ps_route */
	__u32 max_tunnels;  /* ids, the two reserved ones included */
	__u32 max_groups;
	__u32 max_tables; /* fixed and egress tables */
	__u32 max_chunks; /* roots included */
	__u32 max_blocks;
	__u64 transactions;	 /* committed so far */
	__u64 bgp_rejected;	 /* BGP routes refused by rule 10 */
	__u64 bgp_misconfigured; /* BGP routes with several base communities, rule 3 */
	__u32 dirty;		 /* PS_DIRTY_*: what a killed writer would have left undone */
	__u32 peer_ifindex;	 /* the far end of the penstock0 pair */
	/* Chunk allocator, see user/core/stride.h. */
	__u32 chunk_free;   /* head of the free list, 0: empty */
	__u32 chunk_limbo;  /* head of the list of chunks that readers may still hold */
	__u32 chunk_next;   /* first chunk never used */
	__u32 chunk_used;   /* roots, chunks in tables and in limbo */
	__u32 route_count;  /* entries of ps_route */
	__u32 intent_count; /* how often ps_intent has been replaced by one of another size */
};

enum ps_state {
	PS_STATE_FREE = 0,
	PS_STATE_USED = 1,
	PS_STATE_LIMBO = 2, /* unlinked, but a running program may still read it */
};

enum ps_health {
	PS_HEALTH_HEALTHY = 0,
	PS_HEALTH_DEGRADED = 1,
	PS_HEALTH_DOWN = 2,
};

#define PS_TUNNEL_F_KEY 0x01u
#define PS_TUNNEL_F_ADDRESS 0x02u
#define PS_TUNNEL_F_NO_MSS_CLAMP 0x04u

/* A tunnel as the operator gave it, with its health and what netlink said of its next hop. */
struct ps_tunnel {
	char name[PS_NAME_LEN];
	__u8 state;  /* enum ps_state */
	__u8 kind;   /* enum ps_slot_kind */
	__u8 health; /* enum ps_health */
	__u8 flags;  /* PS_TUNNEL_F_* */
	__u8 ttl;
	__u8 addr_len; /* prefix length of the interface address */
	__u16 mtu;
	__be32 local_be;
	__be32 remote_be;
	__u32 key;
	__be32 addr_be; /* interface address: ours */
	__u16 account;
	__u16 slot;	 /* the slot in force; the other one is the spare */
	__u8 dirty_slot; /* the spare may still be read: wait a grace period before writing it */
	__u8 nh_state;	 /* enum ps_nexthop_state */
	__u8 nh_dst[6];	 /* MAC addresses of the next hop and of the port */
	__u8 nh_src[6];
	__u8 pad[2];
	__u32 nh_ifindex;
	__be32 nh_gateway_be;
	__u32 pad2;
};

enum ps_nexthop_state {
	PS_NH_UNRESOLVED = 0, /* never asked, or asked and not answered */
	PS_NH_NO_ROUTE = 1,   /* the kernel has no route to the remote address */
	PS_NH_NO_NEIGHBOUR = 2,
	PS_NH_NO_PORT = 3, /* resolved, but the device is no port of ours */
	PS_NH_READY = 4,
	PS_NH_LOOP = 5,	   /* the route to the remote address leads into penstock0 */
	PS_NH_GENERIC = 6, /* resolved, but native ports can't redirect to this generic one */
};

/* Named things that are only a name: egress tables and accounts. */
struct ps_name {
	char name[PS_NAME_LEN];
	__u32 refs; /* 0: free */
	__u32 pad;
};

enum ps_origin {
	PS_ORIGIN_STATIC = 0,
	PS_ORIGIN_BGP = 1,
	PS_ORIGIN_INTERFACE = 2, /* the far address of a tunnel's interface subnet */
};

#define PS_CANDIDATES_MAX 64u

/* One route of a prefix, less the prefix. Sorted by group_canonical() inside a list. */
struct ps_candidate {
	__u32 priority; /* base, rule 3 */
	__u16 tunnel;	/* id */
	__u16 weight;	/* 1..256 */
	__u16 regions;	/* bits of core/region.h, 0: global */
	__u16 prepends; /* rule 4 */
	__u8 origin;	/* enum ps_origin */
	__u8 pad[3];
};

struct ps_candidates {
	struct ps_candidate c[PS_CANDIDATES_MAX];
};

/* A group: an interned candidate list and the row that follows from it. */
struct ps_group {
	__u64 hash;   /* of the canonical list */
	__u32 refs;   /* prefixes */
	__u32 row;    /* row reference, as in a leaf's payload */
	__u8 state;   /* enum ps_state */
	__u8 n;	      /* candidates */
	__u8 visible; /* rule 2: has a candidate that exists on this node; else it has no leaf */
	__u8 pad[5];
};

/* Key of ps_prefix, ps_policy and ps_route: an exact prefix in a table. Value: __u32. */
struct ps_prefix_key {
	__be32 addr_be;
	__u16 table;
	__u8 len;
	__u8 pad;
};

enum ps_role {
	PS_ROLE_WAN = 0,
	PS_ROLE_LAN = 1,
};

/* A port, by ifindex. */
struct ps_port {
	char name[PS_NAME_LEN];
	__u8 role;	/* enum ps_role */
	__u8 generic;	/* XDP in generic mode */
	__u8 rp_filter; /* value to restore at detach */
	__u8 rp_changed;
	__u32 pad;
};

/*
 * Next hop of decapsulated traffic, remembered per CPU for PS_NEXTHOP_TICKS jiffies, so that
 * bpf_fib_lookup() (100 ns and more) is asked once for many packets to one destination.
 */
#define PS_NEXTHOP_ENTRIES 1024u
#define PS_NEXTHOP_TICKS 100u

struct ps_nexthop {
	__be32 daddr_be;
	__u32 ifindex;
	__u64 until; /* jiffies */
	__u8 dst[6];
	__u8 src[6];
	__u16 mtu;
	__u16 pad;
};

#define PS_ASSERT(expr) _Static_assert(expr, #expr)

PS_ASSERT(sizeof(struct ps_chunk) == 1024);
PS_ASSERT(sizeof(struct ps_block) == 128);
PS_ASSERT(sizeof(struct ps_slot) == 64);
PS_ASSERT(__builtin_offsetof(struct ps_slot, l2) == 2);
PS_ASSERT(__builtin_offsetof(struct ps_slot, ver_ihl) == 16);
PS_ASSERT(__builtin_offsetof(struct ps_slot, local_be) == 28);
PS_ASSERT(__builtin_offsetof(struct ps_slot, gre_flags_be) == 36);
PS_ASSERT(__builtin_offsetof(struct ps_slot, key_be) == 40);
PS_ASSERT(__builtin_offsetof(struct ps_slot, next) == 62);
PS_ASSERT(sizeof(struct ps_tunnel_stats) == 32);
PS_ASSERT(sizeof(struct ps_reason_stats) == 16);
PS_ASSERT(sizeof(struct ps_node) == 16);
PS_ASSERT(__builtin_offsetof(struct ps_meta, max_prefixes) == 16);
PS_ASSERT(__builtin_offsetof(struct ps_meta, transactions) == 40);
PS_ASSERT(sizeof(struct ps_meta) == 96);
PS_ASSERT(__builtin_offsetof(struct ps_tunnel, local_be) == 24);
PS_ASSERT(__builtin_offsetof(struct ps_tunnel, nh_ifindex) == 60);
PS_ASSERT(sizeof(struct ps_tunnel) == 72);
PS_ASSERT(sizeof(struct ps_name) == 24);
PS_ASSERT(sizeof(struct ps_candidate) == 16);
PS_ASSERT(sizeof(struct ps_candidates) == 1024);
PS_ASSERT(sizeof(struct ps_group) == 24);
PS_ASSERT(sizeof(struct ps_prefix_key) == 8);
PS_ASSERT(sizeof(struct ps_port) == 24);
PS_ASSERT(sizeof(struct ps_nexthop) == 32);

#endif
