# SPDX-License-Identifier: Apache-2.0
"""The figures that the founding study published (Moreno et al., HPCC 2015): another machine, beside ours.

Percent of a saturated 10 Gb/s link that was captured, as printed in the tables. Where the text of the study contradicts
a table, the table is quoted and the contradiction said.
"""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = "Moreno et al., HPCC 2015: 2 × Xeon E5-2630, Intel 82599, Linux 3.14, KVM"


@dataclass(frozen=True)
class Published:
    """One row of a table: captured percent of 64-byte frames and of the CAIDA trace (mean 965 bytes)."""

    attachment: str
    engine: str
    pf_driver: str
    vfs: int
    small: str
    average: str
    note: str = ""


ROWS = (
    Published("bare metal", "kernel", "", 0, "2.7", "100"),
    Published("bare metal", "PF_RING", "", 0, "100", "100"),
    Published("bare metal", "DPDK", "", 0, "100", "100"),
    Published("bare metal", "HPCAP", "", 0, "97.9", "100"),
    Published("passthrough", "kernel", "", 0, "1.9", "62.7", "the text says it falls to 37.3"),
    Published("passthrough", "PF_RING", "", 0, "100", "100"),
    Published("passthrough", "DPDK", "", 0, "100", "100"),
    Published("passthrough", "HPCAP", "", 0, "82.5", "100", "the text says 85.2"),
    Published("virtual function", "kernel", "kernel", 1, "0.5", "", "another table says about 10"),
    Published("virtual function", "kernel", "DPDK", 1, "1", "34.2", "another table says about 10 for 64 bytes"),
    Published("virtual function", "kernel", "DPDK", 2, "about 10", "14.8"),
    Published("virtual function", "DPDK", "kernel", 1, "37.6", ""),
    Published("virtual function", "DPDK", "DPDK", 1, "100", "100"),
    Published("virtual function", "DPDK", "DPDK", 2, "50.8", "83.0"),
    Published("virtual function", "HPCAPvf", "kernel", 1, "36.3", ""),
    Published("virtual function", "HPCAPvf", "DPDK", 1, "82.7", "100", "another table says 74.3"),
    Published("virtual function", "HPCAPvf", "DPDK", 2, "44.1", "82.7"),
)


def row_of(attachment: str, engine: str, pf_driver: str, vfs: int) -> Published | None:
    """The study's row for a cell of ours; attachments without VFs are found whatever their number."""
    for row in ROWS:
        same = (row.attachment, row.engine) == (attachment, engine)
        if same and (row.vfs == 0 or (row.pf_driver, row.vfs) == (pf_driver, vfs)):
            return row
    return None
