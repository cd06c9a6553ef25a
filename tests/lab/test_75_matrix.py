# SPDX-License-Identifier: Apache-2.0
"""The matrix: every way of attaching that the lab server can do is measured, every other cell says why not.

Takes over: provisioned. Leaves: provisioned, without guests.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from nfvcap.model.result import HostResult, Result, Verdict
from nfvcap.verify.packets.cells import KEYS, TRAFFICS, subject
from tests.lab.conftest import HOST, LAB_NAME, Controller
from tests.lab.guest import Guest
from tests.lab.host import Host

# Until it has been seen through with all that it asserts.
pytestmark = [pytest.mark.lab, pytest.mark.soak, pytest.mark.timeout(1800)]

GUEST = "vm3"
VF = "virtual function"
CELL = "NFV-PKT-020"
MEASURED = {("bare metal", "kernel"), (VF, "kernel"), ("VirtIO", "kernel")}


@pytest.fixture(scope="module")
def vm3(lab: Any, nfvcap: Controller, host: Host) -> Iterator[Guest]:
    """The capture guest with two VFs, on a provisioned host."""
    nfvcap("provision", HOST, "--yes", "--reboot", "auto", timeout_s=900)
    nfvcap("guest", "create", GUEST, "--start", "--wait", "300", timeout_s=900)
    try:
        for _ in range(2):
            nfvcap("attach-vf", GUEST, "--timeout", "180", timeout_s=900)
        yield Guest(host, GUEST)
    finally:
        host.run(f"virsh -q destroy {GUEST} || true", timeout_s=240)
        for vf in vfs(nfvcap):
            nfvcap("detach-vf", GUEST, "--vf", vf, expect=(0, 2, 4), timeout_s=900)
        nfvcap("guest", "destroy", GUEST, "--yes", timeout_s=900)


def vfs(nfvcap: Controller) -> list[str]:
    seen = nfvcap.json("guest", "list", HOST)["hosts"][HOST]
    return [vf["address"] for guest in seen if guest["name"] == GUEST for vf in guest["vfs"]]


def matrix(nfvcap: Controller, *words: str, expect: tuple[int, ...] = (0,)) -> HostResult:
    """One trial of 64-byte frames for each cell: what matters here is which cells there are."""
    began = time.monotonic()
    out = nfvcap(
        "verify", HOST, "--matrix", "--guest", GUEST, "--from", f"lab:{LAB_NAME}", "--traffic", "64", "--rate",
        "100pps", "--trials", "1", "--format", "json", "--no-keep", *words, expect=expect, timeout_s=1500,
    )  # fmt: skip
    (found,) = Result.from_json(out).hosts
    print(f"\nmatrix: {time.monotonic() - began:.0f} s, {len(found.measurements)} cells")
    for m in found.measurements:
        print(f"  {m.name}: {m.took_s:.0f} s, {[(trial.phase, trial.lost, trial.sent) for trial in m.trials]}")
    for check in found.checks:
        if check.id in (CELL, "NFV-PKT-021", "NFV-PKT-002"):
            print(f"  {check.verdict} {check.subject}: {check.found} {check.reason}")
    return found


def left_behind(host: Host) -> list[str]:
    """What a temporary NIC leaves: a device in the guest, an interface of the host, an entry of the ledger."""
    xml = host.run(f"virsh -q dumpxml {GUEST}; virsh -q dumpxml --inactive {GUEST}")
    ledger = json.loads(host.read("/var/lib/nfvcap/ledger.json"))["entries"]
    links = json.loads(host.run("ip -j -d link show"))
    return [
        *(["ua-nfvcap-matrix"] if "ua-nfvcap-matrix" in xml else []),
        *(link["ifname"] for link in links if link.get("linkinfo", {}).get("info_kind") == "macvtap"),
        *(name for name in ledger if name.startswith("guest-nic:")),
    ]


def test_what_the_lab_can_do_is_measured_and_the_rest_says_why_not(vm3: Guest, nfvcap: Controller, host: Host) -> None:
    has_e1000 = vm3.run("ls -d /sys/bus/pci/drivers/e1000 2>/dev/null || true").strip() != ""
    found = matrix(nfvcap)
    cells = {(m.attachment, m.engine): m for m in found.measurements}
    wanted = MEASURED | ({("emulated e1000", "kernel")} if has_e1000 else set())
    assert wanted <= cells.keys()
    assert sorted(m.vfs for m in found.measurements if (m.attachment, m.engine) == (VF, "kernel")) == [1, 2]
    for m in found.measurements:
        assert m.trials[0].phase == "path proof" and m.trials[-1].phase == "fixed rate", m.name
        assert all(trial.lost == 0 and trial.waterfall.residual == 0 for trial in m.trials), m.name
        assert m.label == "functional"
    measured = {
        subject((m.attachment, m.engine, m.pf_driver, m.vfs if m.attachment == VF else 0), "64")
        for m in found.measurements
    }
    skipped = {check.subject: check for check in found.checks if check.id == CELL}
    assert all(check.verdict is Verdict.SKIP and check.reason for check in skipped.values())
    assert measured.isdisjoint(skipped)
    assert measured | skipped.keys() == {subject(key, traffic) for key in KEYS for traffic in TRAFFICS}
    for pf_driver_cell in (subject((VF, engine, "DPDK", 1), "64") for engine in ("kernel", "DPDK")):
        assert "is driven by igb" in skipped[pf_driver_cell].reason
        assert "vfio_pci" in skipped[pf_driver_cell].reason
    if not has_e1000:
        assert "made no interface" in skipped["emulated e1000, kernel, 64"].reason
    out = [check.verdict for check in found.checks if check.id == "NFV-PKT-021"]
    assert out == [Verdict.PASS] * 2
    assert left_behind(host) == []
    assert host.run("ls -d /var/tmp/nfvcap-verify-* /dev/shm/nfvcap-verify-* 2>/dev/null || true").split() == []
