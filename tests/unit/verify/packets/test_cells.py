# SPDX-License-Identifier: Apache-2.0
"""The matrix: each cell is measured or says why not, under a name that never changes, beside the study's figure."""

from __future__ import annotations

import pytest

from nfvcap.report.matrix import rows
from nfvcap.verify.packets.cells import KEYS, TRAFFICS, Key, There, keys_of, reasons, subject, why_not

VF = "virtual function"
ONE_KERNEL_VF = There(
    keys_of("kernel", [1], ["kernel"]), pf_drivers=frozenset({"kernel"}), vfs=1, engines=frozenset({"kernel"})
)


def test_every_cell_is_measured_or_has_a_reason() -> None:
    missing = reasons(ONE_KERNEL_VF)
    assert len(missing) == (len(KEYS) - 1) * len(TRAFFICS) and all(missing.values())
    assert ((VF, "kernel", "kernel", 1), "64") not in missing


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ((VF, "DPDK", "kernel", 1), "not on vfio-pci in the guest"),
        ((VF, "DPDK", "DPDK", 1), "the PF is driven by kernel here"),
        ((VF, "kernel", "kernel", 2), "no guest has 2 VFs"),
        ((VF, "HPCAPvf", "DPDK", 1), "nfvcap does not drive HPCAPvf"),
        (("VirtIO", "kernel", "", 0), "virtual NIC"),
        (("bare metal", "HPCAP", "", 0), "nfvcap does not drive HPCAP"),
        ((VF, "libpcap", "kernel", 1), "no tcpdump"),
        ((VF, "PF_RING", "kernel", 1), "no tcpdump captures by PF_RING"),
    ],
)
def test_reasons_name_what_is_lacking(key: Key, words: str) -> None:
    assert key in KEYS and words in why_not(key, ONE_KERNEL_VF)


def test_nothing_to_measure_says_how_to_get_there() -> None:
    assert "attach-vf" in why_not((VF, "kernel", "kernel", 1), There())
    assert "verify HOST --matrix" in why_not((VF, "kernel", "kernel", 1), There(local=True))


def test_names_of_cells_are_stable_and_unique() -> None:
    names = [subject(key, traffic) for key in KEYS for traffic in TRAFFICS]
    assert len(set(names)) == len(names)
    assert subject((VF, "DPDK", "kernel", 2), "965") == "virtual function, DPDK, PF by kernel, 2 VFs, 965"


def test_the_report_shows_reasons_beside_the_study() -> None:
    skipped = {subject(*cell): why for cell, why in reasons(ONE_KERNEL_VF).items()}
    made = {(row.attachment, row.engine, row.pf_driver, row.vfs): row for row in rows([], skipped)}
    assert set(KEYS) <= made.keys()
    small, average = made[VF, "DPDK", "DPDK", 2].cells
    assert (small.published, average.published) == ("50.8", "83.0") and "PF is driven" in small.skipped
    assert made[VF, "kernel", "kernel", 1].cells[0].skipped == ""
