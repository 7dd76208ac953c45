/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which way a branch of the common packet goes: laid out straight, it costs half a nanosecond less.
 */
#ifndef LIB_COMPILER_H
#define LIB_COMPILER_H

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#endif
