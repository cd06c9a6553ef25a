# SPDX-License-Identifier: Apache-2.0
"""From the pristine disk to a provisioned host, with the controller killed at each stage boundary on the way, and
while GRUB's menu and VFs are being made.

Takes over: the lab as ``lab up --reset`` leaves it. Leaves: provisioned.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nfvcap.lab import Lab
from tests.lab.conftest import FIRST_PF, HOST, Controller, write_inventory
from tests.lab.host import Host

pytestmark = pytest.mark.lab

GRUB_DROP_IN, MENU = "/etc/default/grub.d/90-nfvcap.cfg", "/boot/grub/grub.cfg"


@pytest.fixture(scope="module", autouse=True)
def one_port(nfvcap: Controller, lab: Lab) -> None:
    """The first PF is left out of the inventory until a test adds it."""
    write_inventory(nfvcap.top, lab, nfvcap.inventory, all_pfs=False)


@pytest.fixture(scope="module")
def first_plan(nfvcap: Controller, tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("plan") / "plan.json"
    nfvcap("plan", HOST, "-o", str(path), expect=3)
    return json.loads(path.read_text())["nfvcap_plan"][HOST]


def test_the_pristine_host_is_plain(host: Host, pristine: dict[str, str]) -> None:
    assert "iommu" not in host.read("/proc/cmdline")
    assert not host.exists("/var/lib/nfvcap")
    assert all(host.num_vfs(pf) == 0 for pf in host.sriov_pfs())
    assert pristine["/etc/default/grub"]


def test_plan_tells_every_change_with_its_disruption(first_plan: Any) -> None:
    changes = {change["id"]: change for change in first_plan["changes"]}
    assert any(change["disruption"] == "reboot" for change in changes.values())
    assert all(change["reason"] and change["title"] for change in changes.values())
    assert first_plan["protected"], "the management NIC carries ssh"
    wanted = {pf["address"] for pf in first_plan["desired"]["pfs"]}
    assert wanted and not wanted & set(first_plan["protected"])


def test_planning_and_dry_run_change_nothing(nfvcap: Controller, host: Host, pristine: dict[str, str]) -> None:
    nfvcap("provision", HOST, "--dry-run", expect=3)
    assert host.fingerprint() == pristine


def test_without_consent_nothing_happens(nfvcap: Controller, host: Host, pristine: dict[str, str]) -> None:
    nfvcap("provision", HOST, expect=2)  # no terminal, no --yes
    assert host.fingerprint() == pristine


def test_reboot_never_stops_before_the_reboot_and_says_so(nfvcap: Controller, host: Host) -> None:
    boot = host.boot_id()
    nfvcap("provision", HOST, "--yes", "--reboot", "never", expect=7)
    assert host.boot_id() == boot
    assert "iommu=pt" not in host.read("/proc/cmdline")
    assert "iommu=pt" in host.read("/boot/grub/grub.cfg")


def test_a_controller_killed_while_grub_is_written_leaves_a_menu_that_boots(nfvcap: Controller, host: Host) -> None:
    """An argument is pending again, so the boot loader's menu is really made; the reboot further down boots it."""
    host.run(f"sed -i 's/ iommu=pt//' {GRUB_DROP_IN} {MENU}")
    nfvcap.kill_when(lambda: host.exists(f"{MENU}.new"), "provision", HOST, "--yes", "--reboot", "auto")
    host.wait_idle()
    # The boot loader's own program may go on when even the module that called it is gone.
    host.run(f"for i in $(seq 300); do [ -e {MENU}.new ] || break; sleep 0.2; done; grub-script-check {MENU}")


@pytest.mark.parametrize(
    "boundary",
    ["facts ok", "boot …", "reboot …", "runtime …", "runtime changed"],
)
def test_a_controller_killed_at_a_stage_boundary_leaves_a_host_that_converges(
    nfvcap: Controller, host: Host, boundary: str
) -> None:
    """Each kill lands later in the same provision; the test after the last one sees it through."""
    boot = host.boot_id()
    if boundary.startswith("runtime"):
        # The boot that the kill before did not keep from happening has already restored everything.
        host.wait_idle()
        pool = next(pool for pool in host.desired()["hugepages"] if pool["when"] == "runtime")
        host.write(host.hugepage_file(pool), "0")
        # No guest holds a VF yet: they are made anew, too.
        for pf in host.desired()["pfs"]:
            host.write(f"/sys/bus/pci/devices/{pf['address']}/sriov_numvfs", "0")
    nfvcap.kill_at(boundary, "provision", HOST, "--yes", "--reboot", "auto")
    if boundary.startswith("reboot"):
        host.settle(boot)
        if host.boot_id() == boot:
            host.reboot()  # the kill came first; what follows is about the time behind the reboot
    host.wait_idle()
    assert isinstance(json.loads(host.read("/var/lib/nfvcap/ledger.json"))["entries"], dict)
    for pf in host.desired()["pfs"] if boundary.startswith("runtime") else []:
        assert host.num_vfs(pf["address"]) in (0, pf["num_vfs"]), "VFs are half made"


def test_a_controller_killed_while_vfs_are_being_made(nfvcap: Controller, host: Host, first_plan: Any) -> None:
    """The write to sriov_numvfs is half done and hangs when the controller goes."""
    pf = next(pf for pf in first_plan["desired"]["pfs"] if pf["num_vfs"] > 2)
    device = f"/sys/bus/pci/devices/{pf['address']}"
    host.wait_idle()
    host.write(f"{device}/sriov_numvfs", "0")
    with host.sick(f"{device}/sriov_numvfs", "blocks-after", "2"):
        nfvcap.kill_when(lambda: host.exists(f"{device}/virtfn1"), "provision", HOST, "--yes", "--reboot", "auto")
        assert not host.exists(f"{device}/virtfn2")


def test_provision_converges_after_all_that(nfvcap: Controller, host: Host, first_plan: Any) -> None:
    nfvcap("provision", HOST, "--yes", "--reboot", "auto")
    nfvcap("verify", HOST, "--state-only")
    for pf in first_plan["desired"]["pfs"]:
        assert host.num_vfs(pf["address"]) == pf["num_vfs"]


def test_a_second_run_changes_nothing(nfvcap: Controller, host: Host, tmp_path: Path) -> None:
    before, boot = host.fingerprint(), host.boot_id()
    plan = tmp_path / "plan.json"
    nfvcap("plan", HOST, "-o", str(plan), expect=0)
    assert json.loads(plan.read_text())["nfvcap_plan"][HOST]["changes"] == []
    # All roles, not only those with pending changes: each module must see for itself that nothing is to be done.
    assert nfvcap.playbook("provision.yml", plan)["changed"] == 0
    nfvcap("provision", HOST, "--yes", "--reboot", "never")
    assert host.boot_id() == boot
    after = host.fingerprint()
    assert {path for path in before | after if before.get(path) != after.get(path)} <= {"/var/lib/nfvcap/plan.json"}


def test_check_mode_predicts_what_a_run_changes(nfvcap: Controller, host: Host, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    nfvcap("plan", HOST, "-o", str(plan), expect=0)
    pools = [pool for pool in host.desired()["hugepages"] if pool["when"] == "runtime"]
    host.write(host.hugepage_file(pools[0]), "0")
    host.run("rm /etc/modprobe.d/nfvcap.conf; systemctl disable -q nfvcap-sriov.service")
    broken = host.fingerprint()
    predicted = nfvcap.playbook("provision.yml", plan, "--check", "--diff")
    assert host.fingerprint() == broken, "check mode changed something"
    done = nfvcap.playbook("provision.yml", plan)
    assert predicted["changed"] == done["changed"] > 0
    nfvcap("verify", HOST, "--state-only")


def test_the_pf_that_nobody_named_is_untouched(host: Host, pristine: dict[str, str]) -> None:
    assert host.num_vfs(FIRST_PF) == 0
    assert host.run(f"basename $(readlink /sys/bus/pci/devices/{FIRST_PF}/driver)").strip() == "igb"
    after = host.fingerprint()
    about = {path: value for path, value in pristine.items() if FIRST_PF in path}
    assert about and all(after[path] == value for path, value in about.items())


def test_a_second_pf_is_added_without_touching_the_first(nfvcap: Controller, lab: Lab, host: Host) -> None:
    (other,) = (pf["address"] for pf in host.desired()["pfs"])
    inodes = f"stat -c %i /sys/bus/pci/devices/{other}/virtfn*/config"
    before, boot = host.run(inodes), host.boot_id()
    write_inventory(nfvcap.top, lab, nfvcap.inventory, all_pfs=True)
    nfvcap("provision", HOST, "--yes", "--reboot", "never")
    assert host.num_vfs(FIRST_PF) > 0
    # A VF that is destroyed and made again gets new files in sysfs.
    assert host.run(inodes) == before
    assert host.boot_id() == boot


@pytest.mark.soak  # a boot; test_65_isolation has one, with guests
def test_everything_survives_a_reboot(nfvcap: Controller, host: Host) -> None:
    host.reboot()
    nfvcap("verify", HOST, "--state-only")
    nfvcap("plan", HOST, expect=0)


def test_third_party_tools_agree(host: Host) -> None:
    desired = host.desired()
    on_vfio = {vf for pf in desired["pfs"] for vf in host.vfs(pf["address"], driver="vfio-pci")}
    listed = {line.split()[0] for line in host.run("driverctl list-overrides").splitlines() if "vfio-pci" in line}
    assert listed == on_vfio
    dpdk = host.run("dpdk-devbind.py -s")
    lspci = host.run("lspci -Dvv -d 8086:10ca")
    for vf in on_vfio:
        assert any(line.startswith(vf) and "drv=vfio-pci" in line for line in dpdk.splitlines())
        assert vf in lspci
    assert lspci.count("Kernel driver in use: vfio-pci") == len(on_vfio)
    numastat = host.run("numastat -m").splitlines()
    for pool in desired["hugepages"]:
        free = next(line for line in numastat if line.startswith("HugePages_Total"))
        assert float(free.split()[1 + pool["node"]]) * 1024**2 >= pool["count"] * pool["size_bytes"] * 0.99
    validated = host.run("virt-host-validate qemu || true")
    assert "FAIL" not in validated, validated
