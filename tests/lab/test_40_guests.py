# SPDX-License-Identifier: Apache-2.0
"""Guests made from the plan on the lab server, as libvirt, the kernel and the guests themselves see them.

Takes over: provisioned. Leaves: provisioned, without guests.
"""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Iterator

import pytest

from nfvcap.guest.seed import medium
from nfvcap.model.plan import GuestBoot, GuestMachine
from tests.lab.conftest import HOST, Controller, ProvisionedLab
from tests.lab.guest import Guest
from tests.lab.host import Host

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]

GUEST, NODE, CPU, EMULATOR = "vm1", 1, "6", "5"
FOREIGN = "somebodys"
BOOTS = 12
# The host's own measurement: how often a guest that is started answers, and after how many seconds.
_BOOTS = """
import json, subprocess, sys, time
name, boots = sys.argv[1], int(sys.argv[2])
def virsh(*words):
    return subprocess.run(["virsh", "-q", *words], capture_output=True, text=True)
took = []
for _ in range(boots):
    virsh("destroy", name)
    began = time.monotonic()
    assert virsh("start", name).returncode == 0
    while virsh("qemu-agent-command", name, '{"execute": "guest-ping"}', "--timeout", "5").returncode:
        if time.monotonic() - began > 180:
            break
        time.sleep(0.5)
    else:
        took.append(round(time.monotonic() - began, 1))
print(json.dumps(took))
"""


@pytest.fixture(scope="module")
def guests(provisioned_lab: ProvisionedLab, nfvcap: Controller) -> Iterator[None]:
    yield
    nfvcap("guest", "destroy", GUEST, "--yes")


def test_a_dry_run_makes_no_guest(guests: None, nfvcap: Controller, host: Host) -> None:
    assert "would change guest:vm1: defined" in nfvcap("guest", "create", GUEST, "--dry-run", expect=3)
    assert GUEST not in host.run("virsh -q list --all --name").split()


def test_a_guest_is_made_from_the_plan_and_answers(guests: None, nfvcap: Controller, host: Host) -> None:
    said = nfvcap("guest", "create", GUEST, "--start", "--wait", "180")
    assert "changed guest:vm1: defined" in said and "off → running" in said
    assert Guest(host, GUEST).agent("guest-ping") == {}
    assert "nothing to change" in nfvcap("guest", "create", GUEST)


def test_memory_and_processors_are_where_the_plan_has_them(guests: None, host: Host) -> None:
    pid = host.read(f"/run/libvirt/qemu/{GUEST}.pid").strip()
    row = host.run(f"numastat -p {pid} | grep -i ^huge").split()
    assert float(row[1 + NODE]) >= 384 and float(row[2 - NODE]) == 0, row
    threads = host.run(
        f"for t in /proc/{pid}/task/*; do echo $(cat $t/comm):$(grep Cpus_allowed_list $t/status | cut -f2); done"
    ).splitlines()
    pairs = [line.rsplit(":", 1) for line in threads]
    assert {name: cpus for name, cpus in pairs if name.startswith("CPU ")} == {"CPU 0/KVM": CPU}
    # A thread that ended between the two looks at it has no list; KVM's own kernel thread, idle unless the
    # processor has the iTLB multihit bug, inherits that of the processor that made it.
    pairs = [pair for pair in pairs if not pair[0].startswith("kvm-")]
    assert {cpus for name, cpus in pairs if not name.startswith("CPU ") and cpus} == {EMULATOR}


def test_the_guest_has_huge_pages_and_an_iommu_of_its_own(guests: None, host: Host) -> None:
    guest = Guest(host, GUEST)
    assert re.search(r"HugePages_Total:\s+48\b", guest.run("cat /proc/meminfo"))
    assert "intel_iommu=on" in guest.run("cat /proc/cmdline")
    assert guest.run("cat /sys/kernel/iommu_groups/0/type").strip()  # a group exists only where an IOMMU translates


def test_libvirt_s_own_schema_accepts_what_libvirt_made_of_it(guests: None, nfvcap: Controller, host: Host) -> None:
    host.run(f"virsh dumpxml --inactive {GUEST} > /run/guest.xml && ! grep -q hostdev /run/guest.xml")
    host.run("virsh -q define --validate /run/guest.xml")
    assert "nothing to change" in nfvcap("guest", "create", GUEST)  # it is the same definition
    ledger = json.loads(host.read("/var/lib/nfvcap/ledger.json"))["entries"][f"guest:{GUEST}"]
    assert ledger["before"] is None and ledger["uuid"] in host.read("/run/guest.xml")


def test_a_guest_of_others_is_listed_and_left_alone(guests: None, nfvcap: Controller, host: Host) -> None:
    xml = f"<domain type='kvm'><name>{FOREIGN}</name><memory unit='MiB'>64</memory><os><type>hvm</type></os></domain>"
    host.run(f"printf %s {shlex.quote(xml)} > /run/f.xml && virsh -q define /run/f.xml")
    try:
        before = host.run(f"virsh dumpxml {FOREIGN}")
        listed = {guest["name"]: guest for guest in nfvcap.json("guest", "list")["hosts"][HOST]}
        assert listed[FOREIGN]["ours"] is False and listed[GUEST]["ours"] is True and listed[GUEST]["agent"] is True
        said = nfvcap.failing("guest", "destroy", FOREIGN, "--host", HOST, "--yes", expect=4)
        assert "NFV-GUEST-020" in said
        assert host.run(f"virsh dumpxml {FOREIGN}") == before
    finally:
        host.run(f"virsh -q undefine {FOREIGN}")


def test_the_kernel_reads_the_medium_for_cloud_init(host: Host) -> None:
    boot = GuestBoot(kernel=None, initrd=None, disk="/srv/d.qcow2", size_bytes=None, ssh_keys=())
    machine = GuestMachine(uuid="u", cpu="c", viommu=True, vf_slots=(), network=None, kernel_args=("a=b",), boot=boot)
    text = base64.b64encode(medium("vm9", machine)).decode()
    host.lab.ssh(["sh", "-c", "'base64 -d > /run/seed.iso'"], stdin=text)
    shown = host.run(
        "mkdir -p /run/seed && mount -o loop,ro /run/seed.iso /run/seed && blkid -o value -s LABEL /run/seed.iso;"
        " ls /run/seed; cat /run/seed/meta-data; umount /run/seed"
    )
    assert shown.splitlines()[:3] == ["CIDATA", "meta-data", "user-data"] and '"local-hostname": "vm9"' in shown


@pytest.mark.timeout(3600)
@pytest.mark.soak  # a minute for each start
def test_a_nested_guest_survives_its_starts(guests: None, host: Host) -> None:
    took = json.loads(host.lab.ssh(["python3", "-", GUEST, str(BOOTS)], stdin=_BOOTS, timeout_s=3000).stdout)
    middle = sorted(took)[len(took) // 2]
    print(f"\n{len(took)} of {BOOTS} starts answered, after {min(took)} to {max(took)} s, median {middle}")
    assert len(took) == BOOTS


def test_a_guest_stops_and_goes_without_a_trace(guests: None, nfvcap: Controller, host: Host) -> None:
    nfvcap("guest", "stop", GUEST, "--timeout", "90")
    assert host.run(f"virsh domstate {GUEST}").strip() == "shut off"
    nfvcap("guest", "destroy", GUEST, "--yes")
    assert host.run("virsh -q list --all --name").split() == []
    assert f"guest:{GUEST}" not in host.read("/var/lib/nfvcap/ledger.json")
