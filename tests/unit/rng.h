/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Randomness of the unit tests: splitmix64, seeded by PENSTOCK_SEED or by the clock. The seed is
 * said on stderr, so that what failed once can be had again.
 */
#ifndef TESTS_UNIT_RNG_H
#define TESTS_UNIT_RNG_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t rng_state;

static inline int rng_setup(void **state)
{
	const char *seed = getenv("PENSTOCK_SEED");
	struct timespec now;

	(void)state;
	clock_gettime(CLOCK_REALTIME, &now);
	rng_state = seed ? strtoull(seed, NULL, 0) : (uint64_t)now.tv_sec * 1000003u + now.tv_nsec;
	fprintf(stderr, "# PENSTOCK_SEED=%llu\n", (unsigned long long)rng_state);
	return 0;
}

static inline uint64_t rng_next(void)
{
	uint64_t x = rng_state += 0x9e3779b97f4a7c15u;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

/* 0 .. n - 1 */
static inline uint32_t rng_below(uint32_t n)
{
	return (uint32_t)((rng_next() >> 32) * n >> 32);
}

#endif
