/* SPDX-License-Identifier: GPL-2.0-only */
/* Capture files: just enough to read what others wrote and to write what tshark reads. */
#ifndef PROG_PCAP_H
#define PROG_PCAP_H

#include <stdio.h>

#include "packet.h"

struct pcap {
	FILE *f;
	bool swapped; /* written by a machine of the other byte order */
	uint32_t linktype;
};

/* false: no pcap file (pcapng, or something else). Any linktype, any resolution. */
bool pcap_open(struct pcap *p, const char *path);
/* Next frame; cut where longer than FRAME_MAX, *whole then false. false: no more. */
bool pcap_next(struct pcap *p, struct frame *f, bool *whole);
void pcap_close(struct pcap *p);

/* A new file of Ethernet frames; NULL and errno. Close with fclose(). */
FILE *pcap_create(const char *path);
void pcap_write(FILE *f, const struct frame *frame);

#endif
