/* SPDX-License-Identifier: GPL-2.0-only */
/* See pcap.h. Format: draft-ietf-opsawg-pcap. */
#include "pcap.h"

#include <string.h>

struct file_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zone, accuracy, snaplen, linktype;
};

struct frame_header {
	uint32_t seconds, fraction, captured, length;
};

#define MAGIC_USEC 0xa1b2c3d4u
#define MAGIC_NSEC 0xa1b23c4du
#define CAPTURED_MAX (1u << 20) /* more is a broken file */

static uint32_t field(const struct pcap *p, uint32_t v)
{
	return p->swapped ? __builtin_bswap32(v) : v;
}

bool pcap_open(struct pcap *p, const char *path)
{
	struct file_header head;

	p->f = fopen(path, "rbe");
	if (!p->f)
		return false;
	if (fread(&head, sizeof(head), 1, p->f) == 1) {
		p->swapped = __builtin_bswap32(head.magic) == MAGIC_USEC ||
			     __builtin_bswap32(head.magic) == MAGIC_NSEC;
		p->linktype = field(p, head.linktype) & 0x0fffffff;
		if (p->swapped || head.magic == MAGIC_USEC || head.magic == MAGIC_NSEC)
			return true;
	}
	fclose(p->f);
	return false;
}

bool pcap_next(struct pcap *p, struct frame *f, bool *whole)
{
	struct frame_header head;
	uint32_t len;

	if (fread(&head, sizeof(head), 1, p->f) != 1)
		return false;
	len = field(p, head.captured);
	if (len > CAPTURED_MAX)
		return false;
	f->len = len < FRAME_MAX ? len : FRAME_MAX;
	*whole = len <= FRAME_MAX && len == field(p, head.length);
	/* Some of the files end in the middle of a frame, which makes a frame all the same. */
	f->len = (uint32_t)fread(f->b, 1, f->len, p->f);
	if (len > FRAME_MAX)
		fseek(p->f, (long)(len - FRAME_MAX), SEEK_CUR);
	return f->len > 0;
}

void pcap_close(struct pcap *p)
{
	fclose(p->f);
}

FILE *pcap_create(const char *path)
{
	const struct file_header head = {
		.magic = MAGIC_USEC, .major = 2, .minor = 4, .snaplen = 65535, .linktype = 1
	};
	FILE *f = fopen(path, "wbe");

	if (f)
		fwrite(&head, sizeof(head), 1, f);
	return f;
}

void pcap_write(FILE *f, const struct frame *frame)
{
	const struct frame_header head = { .captured = frame->len, .length = frame->len };

	fwrite(&head, sizeof(head), 1, f);
	fwrite(frame->b, 1, frame->len, f);
}
