# SPDX-License-Identifier: Apache-2.0
"""Numbered packets from the lab's wire into files in a nested guest, recounted there.

And the matrix: every way of attaching that the lab server can do is measured, every other cell says why not.

Takes over: provisioned, without guests. Leaves: the same.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nfvcap.lab import Lab
from nfvcap.lab.frames import ETHERTYPE, send_numbered
from nfvcap.lab.topology import PORTS
from nfvcap.model.measurement import Measurement
from nfvcap.model.result import HostResult, Result, Verdict
from nfvcap.verify.packets.cells import KEYS, TRAFFICS, subject
from tests.lab.conftest import HOST, LAB_NAME, Controller, ProvisionedLab
from tests.lab.guest import Guest
from tests.lab.host import Host

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]

GUEST = "vm3"
SOURCE = f"lab:{LAB_NAME}"
HELD_PPS = 100
VF = "virtual function"
CELL = "NFV-PKT-020"
MEASURED = {
    (how, engine)
    for how in ("bare metal", "passthrough", VF, "VirtIO", "emulated e1000") for engine in ("kernel", "DPDK")
} | {(how, "libpcap") for how in ("bare metal", "passthrough", VF)}  # fmt: skip


@pytest.fixture(scope="module")
def vm3(provisioned_lab: ProvisionedLab, nfvcap: Controller, host: Host) -> Iterator[Guest]:
    """The capture guest with one VF, on a provisioned host."""
    nfvcap("guest", "create", GUEST, "--start", "--wait", "300", timeout_s=900)
    try:
        nfvcap("attach-vf", GUEST, "--timeout", "180", timeout_s=900)
        yield Guest(host, GUEST)
    finally:
        host.run(f"virsh -q destroy {GUEST} || true", timeout_s=240)
        for vf in vfs(nfvcap):
            nfvcap("detach-vf", GUEST, "--vf", vf["address"], expect=(0, 2, 4), timeout_s=900)
        nfvcap("guest", "destroy", GUEST, "--yes", timeout_s=900)


def vfs(nfvcap: Controller) -> list[dict[str, str]]:
    seen = nfvcap.json("guest", "list", HOST)["hosts"][HOST]
    return [vf for guest in seen if guest["name"] == GUEST for vf in guest["vfs"]]


def verify(nfvcap: Controller, *words: str, expect: tuple[int, ...]) -> tuple[HostResult, Measurement]:
    began = time.monotonic()
    out = nfvcap("verify", HOST, "--guest", GUEST, "--from", SOURCE, "--format", "json", "--no-keep", *words,
                 expect=expect, timeout_s=3000)  # fmt: skip
    (found,) = Result.from_json(out).hosts
    (m,) = found.measurements
    print(f"\n{m.name} {' '.join(words)}: {time.monotonic() - began:.0f} s, {len(m.trials)} trials")
    for trial in m.trials:
        rows = {term.key: term.packets for term in trial.waterfall.terms if term.packets}
        print(
            f"  {trial.phase:<11} {trial.intended_pps:>6} pps, {trial.lost} of {trial.sent} lost {rows}, {trial.reason}"
        )
    return found, m


def test_its_second_processor_is_kept_for_the_capture_program(vm3: Guest) -> None:
    assert vm3.run("cat /sys/devices/system/cpu/isolated /sys/devices/system/cpu/nohz_full").split() == ["1", "1"]


def test_a_rate_that_the_emulation_holds_is_captured_whole(vm3: Guest, nfvcap: Controller, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    host, m = verify(nfvcap, "--rate", f"{HELD_PPS}pps", "--trials", "1", "--html", str(page), expect=(0,))
    assert (m.attachment, m.engine, m.pf_driver, m.label) == ("virtual function", "kernel", "kernel", "functional")
    assert all(trial.lost == 0 and trial.waterfall.residual == 0 for trial in m.trials)
    assert m.trials[0].phase == "path proof" and m.trials[0].recounted == 100
    assert "igbvf" in host.environment[f"guest {GUEST}"] and GUEST in page.read_text()
    assert vm3.run("pidof nfvcap-agent; ls -d /tmp/nfvcap-verify-* /dev/shm/nfvcap-verify-* 2>/dev/null").split() == []


def test_quick_finds_a_rate_and_says_where_packets_are_lost_above_it(vm3: Guest, nfvcap: Controller) -> None:
    # So few descriptors that a guest which stands still for milliseconds loses frames before the wire is at its end.
    (vf,) = vfs(nfvcap)
    vm3.run(f"ethtool -G {vf['interface']} rx 80")
    try:
        _, m = verify(nfvcap, "--profile", "quick", expect=(0, 4, 5))
    finally:
        vm3.run(f"ethtool -G {vf['interface']} rx 256")
    assert m.trials[0].lost == 0 and not m.partial.startswith("interrupted")
    load = [trial for trial in m.trials if trial.phase == "search"]
    assert load and all(trial.waterfall.residual == 0 for trial in load)
    assert any(trial.lost == 0 for trial in load), "no rate is held"
    for trial in load:
        assert trial.lost == sum(term.packets or 0 for term in trial.waterfall.terms)
    assert any(trial.lost for trial in load), "no limit is found"
    assert m.goals[0].lower_pps is not None and m.goals[0].lower_pps >= 20


@contextmanager
def soaking(nfvcap: Controller, *words: str) -> Iterator[subprocess.Popen[str]]:
    """`nfvcap verify` in the background, from the first frames of a trial of a minute on."""
    process = subprocess.Popen(
        nfvcap.argv("verify", HOST, "--guest", GUEST, "--from", SOURCE, "--profile", "soak", "--trials", "1",
                    "--format", "json", "--no-keep", *words),
        cwd=nfvcap.top, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("warm-up"):
                break
        time.sleep(15)  # a drain, a recount, the start of the next capture, and some of the trial
        assert process.poll() is None, process.communicate()
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.soak  # a minute and a half
def test_what_a_guest_that_stands_still_cannot_take_has_its_row(vm3: Guest, nfvcap: Controller, host: Host) -> None:
    """Of a rate that is held else: two seconds of it are more than all rings in front of the guest hold."""
    with soaking(nfvcap, "--rate", "5kpps") as process:
        # Not by libvirt, which would refuse to ask the guest meanwhile.
        host.run(f"p=$(cat /run/libvirt/qemu/{GUEST}.pid); kill -STOP $p; sleep 2; kill -CONT $p")
        out, err = process.communicate(timeout=300)
    assert process.returncode == 4, err
    (m,) = Result.from_json(out).hosts[0].measurements
    trial = m.trials[-1]
    rows = {term.key: term.packets for term in trial.waterfall.terms if term.packets}
    print(f"\n{trial.lost} of {trial.sent} lost: {rows}")
    assert 1000 < trial.lost == sum(rows.values()) and trial.waterfall.residual == 0
    assert rows.keys() <= {"pf_missed", "vf_dropped", "before_interface"} and trial.verdict is Verdict.FAIL


def test_the_everyday_capture_brings_its_files_home(vm3: Guest, nfvcap: Controller, lab: Lab, tmp_path: Path) -> None:
    nfvcap("capture", GUEST, "start", "--filter", f"ether proto {ETHERTYPE:#x}", "--options", "--burst-buffer 16M")
    (vf,) = vfs(nfvcap)
    with lab.wire(1) as wire:
        send_numbered(wire, vf["mac"], 200, 64, HELD_PPS)
    deadline = time.monotonic() + 60
    while (found := nfvcap.json("capture", GUEST, "status")["captures"][0])["stored"] < 200:
        assert time.monotonic() < deadline, found
    assert found["running"] and (found["stored"], found["lost"]) == (200, {})
    nfvcap("capture", GUEST, "stop")
    nfvcap("capture", GUEST, "pull", "--to", str(tmp_path))
    (file,) = tmp_path.glob("*.pcap*")
    read = subprocess.run(["tcpdump", "-nr", str(file)], capture_output=True, text=True, timeout=60, check=True)
    assert read.stdout.count("ethertype Unknown (0x88b5)") == 200  # behind each comes a dump of its bytes
    nfvcap("capture", GUEST, "remove")
    assert nfvcap.json("capture", GUEST, "status") == {}


def matrix(nfvcap: Controller, *words: str) -> HostResult:
    """One trial of 64-byte frames for each cell: what matters here is which cells there are."""
    began = time.monotonic()
    out = nfvcap(
        "verify", HOST, "--matrix", "--guest", GUEST, "--from", f"lab:{LAB_NAME}", "--traffic", "64", "--rate",
        "100pps", "--trials", "1", "--format", "json", "--no-keep", *words, expect=(0, 1, 4, 5), timeout_s=1500,
    )  # fmt: skip
    (found,) = Result.from_json(out).hosts
    print(f"\nmatrix: {time.monotonic() - began:.0f} s, {len(found.measurements)} cells")
    for m in found.measurements:
        print(f"  {m.name}: {m.took_s:.0f} s, {[(trial.phase, trial.lost, trial.sent) for trial in m.trials]}")
    for check in found.checks:
        if check.id in (CELL, "NFV-PKT-021", "NFV-PKT-002") or check.verdict in (Verdict.FAIL, Verdict.ERROR):
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


@pytest.mark.timeout(3600)
def test_what_the_lab_can_do_is_measured_and_the_rest_says_why_not(vm3: Guest, nfvcap: Controller, host: Host) -> None:
    (vf,) = vfs(nfvcap)
    vm3.to_vfio(vf["guest_address"])
    for free in (0, 1):  # beside the one that DPDK has; planned for other guests, so they have to be named
        nfvcap("attach-vf", GUEST, "--vf", f"{PORTS[1].address}:vf{free}", "--timeout", "180", timeout_s=900)
    found = matrix(nfvcap, "--dpdk-pf", PORTS[0].address)
    if any("does not answer any more" in check.reason for check in found.checks):
        # A processor that is emulated twice may stand still for ever (docs/how-to/lab.md, watchdog); a guest has none.
        vm3.start_again()
        vm3.to_vfio(vf["guest_address"])
        found = matrix(nfvcap, "--dpdk-pf", PORTS[0].address)
    assert found.exit_code == 0
    cells = {(m.attachment, m.engine): m for m in found.measurements}
    assert cells.keys() >= MEASURED
    by = sorted((m.engine, m.pf_driver, m.vfs) for m in found.measurements if m.attachment == VF)
    assert by == [
        ("DPDK", "DPDK", 1),
        ("DPDK", "DPDK", 2),
        ("DPDK", "kernel", 1),
        *(("kernel", "kernel", n) for n in (1, 2)),
        ("libpcap", "kernel", 1),
    ]
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
    assert "pf_ring" in skipped["bare metal, PF_RING, 64"].reason
    assert measured | skipped.keys() == {subject(key, traffic) for key in KEYS for traffic in TRAFFICS}
    assert "given to DPDK only" in skipped[subject((VF, "kernel", "DPDK", 1), "64")].reason
    out = [check.verdict for check in found.checks if check.id in ("NFV-PKT-021", "NFV-PKT-024")]
    assert out == [Verdict.PASS] * 6  # three NICs that the guest had for a while, three loans of the PF
    assert left_behind(host) == []
    assert host.run("ls -d /var/tmp/nfvcap-verify-* /dev/shm/nfvcap-verify-* 2>/dev/null || true").split() == []
    nfvcap("verify", HOST, "--state-only")


@pytest.mark.soak  # minutes of cells
def test_a_matrix_that_is_killed_has_its_pf_given_back_by_the_next_one(
    vm3: Guest, nfvcap: Controller, host: Host, tmp_path: Path
) -> None:
    pf = PORTS[0].address
    like = f"basename $(readlink /sys/bus/pci/devices/{pf}/driver); cat /sys/bus/pci/devices/{pf}/sriov_numvfs"
    before = host.run(like)
    argv = nfvcap.argv("verify", HOST, "--matrix", "--from", SOURCE, "--dpdk-pf", pf, "--traffic", "64", "--no-keep")
    with (tmp_path / "said").open("w+") as said:
        process = subprocess.Popen(argv, cwd=nfvcap.top, stdout=said, stderr=said, start_new_session=True)
        deadline = time.monotonic() + 900
        while "vfio-pci\n2" not in host.run(like):
            assert process.poll() is None and time.monotonic() < deadline, (tmp_path / "said").read_text()
            time.sleep(2)
        process.kill()
        process.wait()
    assert "vfio-pci" in host.run(like)
    assert matrix(nfvcap).exit_code == 0
    assert host.run(like) == before
    nfvcap("verify", HOST, "--state-only")


@pytest.mark.soak  # a minute; the last one, as the guest is off behind it
def test_a_guest_that_is_killed_ends_the_measurement_and_nothing_goes_on(
    vm3: Guest, nfvcap: Controller, lab: Lab, host: Host, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    # The tests before this one may have left VFs of both kinds, which are not measured together.
    named = [vf["address"] for vf in vfs(nfvcap) if vf["interface"]]
    engine = ("--engine", "kernel", "--vf", named[0]) if named else ("--engine", "dpdk")
    with soaking(nfvcap, "--rate", f"{HELD_PPS}pps", *engine, "--html", str(page)) as process:
        host.run(f"virsh -q destroy {GUEST}")
        killed = time.monotonic()
        out, err = process.communicate(timeout=400)
    print(f"\nended {time.monotonic() - killed:.0f} s after the guest")
    assert process.returncode == 5 and "Traceback" not in err, err
    (m,) = Result.from_json(out).hosts[0].measurements
    assert m.partial and [trial.phase for trial in m.trials] == ["path proof", "warm-up"]
    assert "partial" in page.read_text()
    with lab.wire(1):
        pass  # nobody has it any more
    assert host.run("pgrep -f '[n]fvcap_away' || true").split() == []
