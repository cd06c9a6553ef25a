/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a capture file (pcap or pcapng, whatever they say). Beyond not crashing: the same is read
 * whatever the size of the pieces that the bytes come in, and a file cut where the reader says that it is
 * whole to, is whole, with the same packets: what `check --repair` relies on.
 */
#include "fuzz_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const size_t chunks[] = {1, 7, 64, 1000};
    struct told told, again;

    told = tell(data, len, 65536);
    again = tell(data, len, chunks[len % 4]);
    require(memcmp(&told, &again, sizeof(told)) == 0);
    require(told.counts.packets == told.packets);
    require(told.counts.good + told.counts.corrupt + told.counts.foreign + told.counts.too_short == told.packets);
    if (told.end == END_CUT || told.end == END_UNWRITTEN || told.end == END_CORRUPT) {
        again = tell(data, told.whole_bytes, 65536);
        require(again.end == END_WHOLE || told.whole_bytes == 0);
        require(again.packets == told.packets && again.sum == told.sum);
    }
    return 0;
}
