/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_PARTS_H
#define NFVCAP_PARTS_H

#include "check.h"

#define PARTS_MAX 64u

/*
 * Counts one large file with several threads, each of which reads a part of its own, or in one part where it lies
 * in memory: such a file is not copied but looked at where it is.
 *
 * Where a part begins is guessed from its bytes, and proven afterwards: the part before has to end in whole
 * records exactly there. The account is that of one reader, or there is none: false with *enough still true
 * means that the file has to be read from end to end, because a guess was wrong, the file is damaged, an
 * interface or section begins in its middle, packets are reordered over the border of two parts, or it was cut
 * meanwhile. False with *enough false: memory was not enough.
 */
bool check_in_parts(struct tally *t, struct file_result *f, int fd, unsigned n_parts, bool *enough);

/* What a reader that has come to the end of its file, or of its last part, says of the file. */
void describe_file(struct file_result *f, const struct reader *r);

#endif
