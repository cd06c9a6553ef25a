# SPDX-License-Identifier: Apache-2.0
"""VFs that come and go while guests run: seen by the guest, by third-party tools, by frames from the wire.

Takes over: provisioned. Leaves: provisioned, without guests.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nfvcap.lab.frames import send_numbered
from nfvcap.lab.topology import PORTS
from tests.lab.conftest import HOST, Controller, ProvisionedLab
from tests.lab.guest import Guest
from tests.lab.host import Host

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]

GUEST, PF = "vm1", PORTS[1].address
VF = f"{PF}:vf2"
# One process on the server reads everything that an attachment could leave behind.
_STATE = """
import glob, json, os, subprocess, sys
pf, guest = sys.argv[1:]
def say(*words):
    return subprocess.run(words, capture_output=True, text=True).stdout
name, = os.listdir(f"/sys/bus/pci/devices/{pf}/net")
vfs = sorted(glob.glob(f"/sys/bus/pci/devices/{pf}/virtfn*"))
ledger = json.load(open("/var/lib/nfvcap/ledger.json"))["entries"]
libvirtd = say("pidof", "libvirtd").split()
print(json.dumps({
    "attributes": json.loads(say("ip", "-j", "-d", "link", "show", name))[0]["vfinfo_list"],
    "drivers": [os.path.basename(os.readlink(vf + "/driver")) for vf in vfs],
    "overrides": [open(vf + "/driver_override").read().strip() for vf in vfs],
    "live": say("virsh", "dumpxml", guest), "config": say("virsh", "dumpxml", "--inactive", guest),
    "ledger": sorted(ledger), "files": sorted(os.listdir("/var/lib/nfvcap")),
    "groups": {group: sorted(os.listdir(f"/sys/kernel/iommu_groups/{group}/devices"))
               for group in sorted(os.listdir("/sys/kernel/iommu_groups"))},
    "devices": sorted(say("virsh", "nodedev-list", "--cap", "pci").split()),
    "kept": sorted(os.listdir("/run/libvirt/hostdevmgr")) if os.path.isdir("/run/libvirt/hostdevmgr") else [],
}))
"""
# Kills whoever holds the host's lock as soon as the ledger says that a step has begun.
_KILLER = """
import os, signal, sys, time
end = time.time() + 240
while time.time() < end:
    try:
        text = open("/var/lib/nfvcap/ledger.json").read()
        begun = text.split('"attaching"')[1].split('"begun"')[1].split("]")[0].rstrip()
        if begun.endswith('"%s"' % sys.argv[1]):
            os.kill(int(open("/run/lock/nfvcap.lock").read().split("(pid ")[1].split(",")[0]), signal.SIGKILL)
            sys.exit(0)
    except (OSError, IndexError, ValueError):
        pass
sys.exit(1)
"""


class Vm(Guest):
    """A guest with everything on its host that an attachment could change."""

    def state(self) -> dict[str, Any]:
        done = self.host.lab.ssh(["python3", "-", PF, self.name], stdin=_STATE, timeout_s=120)
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@pytest.fixture(scope="module")
def vm1(provisioned_lab: ProvisionedLab, lab: Any, nfvcap: Controller, host: Host) -> Iterator[Vm]:
    """The lab's own guest, running, on a provisioned host."""
    xml = nfvcap("guest", "xml", GUEST)
    lab.ssh(["virsh", "-q", "define", "/dev/stdin"], stdin=xml, timeout_s=120)
    host.run(f"virsh -q start {GUEST}", timeout_s=240)
    guest = Vm(host, GUEST)
    try:
        guest.wait()
        yield guest
    finally:
        host.run(f"virsh -q destroy {GUEST}; virsh -q undefine {GUEST} --nvram || true", timeout_s=240)


def test_attach_to_a_running_guest_and_detach(lab: Any, vm1: Vm, nfvcap: Controller, host: Host) -> None:
    before = vm1.state()
    attached = nfvcap.json("attach-vf", GUEST, "--vf", VF, "--timeout", "120")
    index, address, mac = attached["index"], attached["address"], attached["mac"]
    assert attached["sight"]["channel"] == "QEMU guest agent"
    interface = attached["sight"]["name"]
    assert vm1.run(f"cat /sys/class/net/{interface}/address").strip() == mac

    # What others make of it.
    now = vm1.state()
    assert "ua-nfvcap" in now["live"] and mac in now["live"] and mac in now["config"]
    assert now["drivers"][index] == "vfio-pci" and now["attributes"][index]["address"] == mac
    assert f"pci_{address.replace(':', '_').replace('.', '_')}" in now["devices"]
    assert f"{address} vfio-pci" in host.run("driverctl list-devices network")
    assert nfvcap("plan", HOST, "--check", expect=0)
    assert nfvcap("verify", HOST, "--state-only", expect=0)
    said = nfvcap.failing("deprovision", HOST, "--yes", "--reboot", "never", expect=4)
    assert "NFV-ATTACH-017" in said and f"detach-vf {GUEST}" in said

    # Frames from the wire.
    vm1.run(f"ip link set {interface} up")
    vm1.run(f"tcpdump -Z root -i {interface} -w /tmp/got.pcap -U ether proto 0x88b5 >/dev/null 2>&1 & sleep 5")
    with lab.wire(1) as wire:
        send_numbered(wire, mac, 200, 64, 50)
    time.sleep(5)
    assert (
        vm1.run("kill $(pidof tcpdump); sleep 2; tcpdump -Z root -r /tmp/got.pcap 2>/dev/null | grep -c 0x88b5").strip()
        == "200"
    )

    out = nfvcap.json("detach-vf", GUEST, "--timeout", "120")
    assert out["address"] == address
    assert vm1.state() == before
    assert interface not in vm1.run("ls /sys/class/net")


def test_bad_input_changes_nothing(vm1: Vm, nfvcap: Controller) -> None:
    nfvcap("attach-vf", GUEST, "--vf", VF, "--vlan", "100", "--config")
    before = vm1.state()
    for words, code, exit_code in (
        (("attach-vf", "vm9"), "NFV-ATTACH-001", 2),
        (("attach-vf", GUEST, "--vf", VF), "NFV-ATTACH-004", 2),
        (("attach-vf", GUEST, "--vlan", "4095"), "NFV-ATTACH-008", 2),
        (("attach-vf", GUEST, "--mac", before["attributes"][0]["address"], "--vf", f"{PF}:vf3"), "NFV-ATTACH-007", 2),
        (("attach-vf", GUEST, "--host", "host9"), "host9", 2),
        (("detach-vf", GUEST, "--vf", f"{PF}:vf1"), "NFV-ATTACH-016", 2),
    ):
        assert code in nfvcap.failing(*words, expect=exit_code)
    assert vm1.state() == before
    nfvcap("detach-vf", GUEST)


def test_guest_that_does_not_answer_keeps_its_vf(vm1: Vm, nfvcap: Controller, host: Host) -> None:
    before = vm1.state()
    nfvcap("attach-vf", GUEST, "--vf", VF, "--timeout", "120")
    attached = vm1.state()
    host.run(f"virsh -q suspend {GUEST}")
    try:
        said = nfvcap.failing("detach-vf", GUEST, "--timeout", "10", expect=4)
    finally:
        host.run(f"virsh -q resume {GUEST}")
    assert "NFV-ATTACH-014" in said and "--force" in said
    # Once awake the guest may answer the old question; then the device goes, and detaching finishes.
    nfvcap("detach-vf", GUEST, "--timeout", "120")
    assert vm1.state() == before and attached["ledger"] != before["ledger"]


@pytest.mark.parametrize("step", [pytest.param("vf", marks=pytest.mark.soak), "live"])
def test_killed_on_the_host_and_undone_by_the_next_command(vm1: Vm, nfvcap: Controller, lab: Any, step: str) -> None:
    before = vm1.state()
    killed: list[int] = []
    killer = threading.Thread(
        target=lambda: killed.append(
            lab.ssh(["python3", "-", step], stdin=_KILLER, timeout_s=300, check=False).returncode
        )
    )
    killer.start()
    nfvcap.failing("attach-vf", GUEST, "--vf", VF, "--vlan", "100", "--trust", "--timeout", "120", expect=(1, 6))
    killer.join()
    assert killed == [0]
    # Another wish, of the same host: it is done, and what was left is undone first.
    said = nfvcap.failing("attach-vf", GUEST, "--vf", f"{PF}:vf3", "--config", expect=0)
    assert "an interrupted attach of VF 2" in said and "was undone" in said
    nfvcap("detach-vf", GUEST)
    assert vm1.state() == before


@pytest.mark.soak  # a boot; test_65_isolation has one of the kind
def test_attachment_outlives_a_reboot_of_the_host(vm1: Vm, nfvcap: Controller, host: Host) -> None:
    attached = nfvcap.json("attach-vf", GUEST, "--vf", VF, "--vlan", "100", "--trust", "--timeout", "120")
    before = vm1.state()
    host.reboot()
    assert vm1.state()["attributes"] == before["attributes"]
    host.run(f"virsh -q start {GUEST}", timeout_s=240)
    vm1.wait()
    assert attached["mac"] in vm1.run("cat /sys/class/net/*/address")
    assert vm1.state()["attributes"] == before["attributes"]
    nfvcap("plan", HOST, "--check", expect=0)
    nfvcap("detach-vf", GUEST, "--timeout", "120")


CYCLES = 50
_LOOP = """
- hosts: all
  gather_facts: false
  become: true
  tasks:
    - name: One cycle
      nfvcap_attach: "{{ wish | combine({'state': item.1}) }}"
      loop: "{{ range(cycles) | product(['attached', 'detached']) }}"
"""


@pytest.mark.timeout(2 * CYCLES * 60)
@pytest.mark.soak  # fifty times
def test_fifty_cycles_leave_nothing_behind(
    vm1: Vm, nfvcap: Controller, host: Host, provisioned_lab: ProvisionedLab, tmp_path: Path
) -> None:
    """One playbook attaches and detaches again and again; everything that could leak is counted before and after."""
    handles = "ls /proc/$(pidof libvirtd)/fd | wc -l; ls /proc/$(pidof qemu-system-x86_64)/fd | wc -l; ls /dev/vfio"
    document = json.loads(nfvcap("attach-vf", GUEST, "--vf", VF, "--dry-run", "--format", "json", expect=3))
    wish = document["nfvcap_attach"][HOST]
    wish = {key: wish[key] for key in ("guest", "uuid", "pf", "index", "address", "mac", "live", "config", "by")}
    book = tmp_path / "loop.yml"
    book.write_text(_LOOP)

    def cycles(count: int) -> float:
        variables = tmp_path / "loop.json"
        variables.write_text(json.dumps({"wish": {**wish, "timeout_s": 120}, "cycles": count}))
        began = time.monotonic()
        counts = nfvcap.playbook(str(book), variables, timeout_s=CYCLES * 60)
        assert counts["changed"] == 1
        return (time.monotonic() - began) / count

    cycles(1)
    before, handles_before = vm1.state(), host.run(handles)
    each_s = cycles(CYCLES)
    print(f"{CYCLES} cycles of attach and detach: {each_s:.1f} s each")
    assert vm1.state() == before
    assert host.run(handles) == handles_before
