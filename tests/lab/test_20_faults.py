# SPDX-License-Identifier: Apache-2.0
"""What goes wrong on real hosts, provoked on the lab server: each time a clear word, nothing lost, and a way on.

Takes over: provisioned. Leaves: provisioned.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from nfvcap.lab import Lab
from nfvcap.lab.topology import PORTS
from tests.lab.conftest import FIRST_PF, HOST, Controller, ProvisionedLab, write_inventory
from tests.lab.host import Host

pytestmark = pytest.mark.lab


@contextmanager
def intent_with(
    nfvcap: Controller, tmp_path: Path, variables: dict[str, object] | None = None, **changed: object
) -> Iterator[Controller]:
    """The same inventory with some keys of host1's intent replaced, and further Ansible variables."""
    document = yaml.safe_load(nfvcap.inventory.read_text())
    document["all"]["hosts"][HOST]["nfvcap"] |= changed
    document["all"]["hosts"][HOST] |= variables or {}
    path = tmp_path / "changed.yml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    yield Controller(nfvcap.top, path)


def runtime_pf() -> str:
    """The PF whose VFs are bound to vfio-pci."""
    return PORTS[1].address


def test_too_many_huge_pages_are_refused_with_the_missing_amount(
    provisioned_lab: ProvisionedLab, nfvcap: Controller, host: Host, tmp_path: Path
) -> None:
    before = host.fingerprint()
    with intent_with(nfvcap, tmp_path, hugepages=[{"size": "2M", "node": 1, "memory": "64G"}]) as greedy:
        said = greedy.failing("provision", HOST, "--yes", expect=2)
    assert "node 1" in said and "GiB" in said
    assert host.fingerprint() == before


def test_the_nic_that_carries_ssh_is_not_touched_whatever_inventory_and_plan_say(
    provisioned_lab: ProvisionedLab, nfvcap: Controller, host: Host, tmp_path: Path
) -> None:
    (ssh,) = json.loads(host.run("ip -j route show default"))
    address = host.run(f"readlink -f /sys/class/net/{ssh['dev']}/device").split("/")[-2].strip()
    before = host.fingerprint()
    with intent_with(nfvcap, tmp_path, pfs=[{"pf": address, "vfs": 1}]) as reckless:
        said = reckless.failing("provision", HOST, "--yes", expect=2)
    assert address in said and "ssh" in said
    assert host.fingerprint() == before

    # A plan that was edited by hand: the module looks for itself.
    plan = tmp_path / "plan.json"
    nfvcap("plan", HOST, "-o", str(plan))
    document = json.loads(plan.read_text())
    mine = document["nfvcap_plan"][HOST]
    mine["protected"], mine["desired"]["pfs"][0]["address"] = [], address
    plan.write_text(json.dumps(document))
    with pytest.raises(AssertionError, match=r"NFV-SRIOV-00[123]"):
        nfvcap.playbook("provision.yml", plan)
    assert json.loads(host.run("ip -j route show default")) == [ssh]
    nfvcap("provision", HOST, "--yes", "--reboot", "never")  # what the plan has recorded goes again, and checks pass


@pytest.mark.soak  # a minute; too many pages are refused above
def test_memory_that_is_gone_at_run_time_is_reported_and_the_pages_go_back(
    provisioned_lab: ProvisionedLab, nfvcap: Controller, host: Host
) -> None:
    """The plan fitted, but somebody took the node's memory before the pages could be made."""
    pool = next(pool for pool in host.desired()["hugepages"] if pool["when"] == "runtime")
    host.write(host.hugepage_file(pool), "0")
    with host.memory_taken(pool["node"]):
        said = nfvcap.failing("provision", HOST, "--yes", expect=(1, 2, 4))
        assert "NFV-MEM" in said or "NFV-PLAN" in said
        assert f"node {pool['node']}" in said
    nfvcap("provision", HOST, "--yes")  # and its checks pass


def test_vfs_are_not_recreated_while_a_guest_holds_one(
    provisioned_lab: ProvisionedLab, nfvcap: Controller, host: Host, tmp_path: Path
) -> None:
    pf = runtime_pf()
    vf = host.vfs(pf, driver="vfio-pci")[0]
    intent = yaml.safe_load(nfvcap.inventory.read_text())["all"]["hosts"][HOST]["nfvcap"]
    pfs = [{**entry, "vfs": entry["vfs"] - 1, "vf": {}} for entry in intent["pfs"]]
    with host.guest_holding(vf) as guest:
        vfs = host.vfs(pf)
        with intent_with(nfvcap, tmp_path, pfs=pfs) as fewer:
            said = fewer.failing("provision", HOST, "--yes", expect=(1, 2, 4))
        assert guest in said and "NFV-" in said
        assert host.vfs(pf) == vfs
        assert host.run(f"virsh -q domstate {guest}").strip() in {"running", "paused"}
    nfvcap("verify", HOST, "--state-only")


@pytest.mark.parametrize(
    ("illness", "code"),
    [
        pytest.param(("fails-after", "2"), "NFV-SRIOV-007", id="fails-at-the-third-vf"),
        pytest.param(("blocks",), "NFV-SRIOV-006", id="blocks", marks=pytest.mark.soak),  # a minute of waiting
    ],
)
def test_a_write_to_sriov_numvfs_that_goes_wrong_is_reported_and_the_next_run_mends_it(
    provisioned_lab: ProvisionedLab,
    nfvcap: Controller,
    host: Host,
    tmp_path: Path,
    illness: tuple[str, ...],
    code: str,
) -> None:
    pf = runtime_pf()
    path = f"/sys/bus/pci/devices/{pf}/sriov_numvfs"
    host.run(f"echo 0 > {path}")
    # Whoever cannot wait as long as a real card may take, says so.
    impatient = intent_with(nfvcap, tmp_path, {"sriov_timeout_s": 20})
    with host.sick(path, *illness), impatient as controller:
        said = controller.failing("provision", HOST, "--yes", expect=(1, 4))
        assert code in said and pf in said, said
    # Read when the file is well again: a reader waits for a writer that hangs.
    assert host.num_vfs(pf) == 0, "VFs are left of a run that failed"
    nfvcap("provision", HOST, "--yes")  # and its checks pass


def test_a_vf_that_fails_to_bind_is_named_and_the_next_run_mends_it(
    provisioned_lab: ProvisionedLab, nfvcap: Controller, host: Host
) -> None:
    pf = runtime_pf()
    vf = host.vfs(pf, driver="vfio-pci")[-1]
    host.run(f"echo {vf} > /sys/bus/pci/drivers/vfio-pci/unbind")
    with host.read_only("/sys/bus/pci/drivers/vfio-pci/bind", "/sys/bus/pci/drivers_probe"):
        said = nfvcap.failing("provision", HOST, "--yes", expect=(1, 4))
        assert vf in said and "NFV-DRV" in said, said
    nfvcap("provision", HOST, "--yes")  # and its checks pass


@pytest.mark.soak  # four runs of provision
def test_a_port_that_leaves_the_inventory_keeps_its_vfs_until_they_are_asked_to_go(
    provisioned_lab: ProvisionedLab, nfvcap: Controller, lab: Lab, host: Host, tmp_path: Path
) -> None:
    write_inventory(nfvcap.top, lab, nfvcap.inventory, all_pfs=True)
    nfvcap("provision", HOST, "--yes")
    before = host.num_vfs(FIRST_PF)
    assert before > 0
    intent = yaml.safe_load(nfvcap.inventory.read_text())["all"]["hosts"][HOST]["nfvcap"]
    others = [entry for entry in intent["pfs"] if entry["pf"] != FIRST_PF]
    with intent_with(nfvcap, tmp_path, pfs=others) as without:
        assert "no longer in the inventory" in " ".join(without("plan", HOST, expect=3).split())
        without("provision", HOST, "--yes")  # what it leaves alone, as it said, is no failure
        said = " ".join(without("verify", HOST, "--state-only").split())
        assert "NFV-STATE-056" in said and "list the port with vfs: 0" in said
    assert host.num_vfs(FIRST_PF) == before
    with intent_with(nfvcap, tmp_path, pfs=[{"pf": FIRST_PF, "vfs": 0}, *others]) as asked:
        asked("provision", HOST, "--yes")
    assert host.num_vfs(FIRST_PF) == 0
    nfvcap("provision", HOST, "--yes")


@pytest.mark.soak  # a boot of its own
def test_power_cut_while_grub_is_written(
    provisioned_lab: ProvisionedLab, nfvcap: Controller, lab: Lab, host: Host
) -> None:
    """An argument is only in the menu that the next boot reads; the power fails while the menu is made anew."""
    menu = "/boot/grub/grub.cfg"
    host.run("sed -i 's/ iommu=pt//' /etc/default/grub.d/90-nfvcap.cfg; sync")
    nfvcap.kill_when(lambda: host.exists(f"{menu}.new"), "provision", HOST, "--yes", "--reboot", "never")
    power_fails(lab, host)
    assert "iommu=pt" in host.read("/proc/cmdline").split()
    host.run(f"grub-script-check {menu}")
    nfvcap("provision", HOST, "--yes", "--reboot", "never")  # and its checks pass


@pytest.mark.soak  # a boot of its own
def test_power_cut_while_vfs_are_being_made(
    provisioned_lab: ProvisionedLab, nfvcap: Controller, lab: Lab, host: Host
) -> None:
    """The boot record was written a moment ago, two of four VFs are there, and the driver is at the third."""
    device = f"/sys/bus/pci/devices/{runtime_pf()}"
    host.run(f"echo 0 > {device}/sriov_numvfs; rm /etc/nfvcap/host.json; sync")
    host.sicken(f"{device}/sriov_numvfs", "blocks-after", "2")
    nfvcap.kill_when(lambda: host.exists(f"{device}/virtfn1"), "provision", HOST, "--yes", "--reboot", "auto")
    power_fails(lab, host)
    nfvcap("provision", HOST, "--yes", "--reboot", "auto")


def power_fails(lab: Lab, host: Host) -> None:
    """And comes back: what nfvcap keeps on the host is then there whole, or not at all."""
    lab.power_cut()
    lab.up()
    host.wait_started()
    for path in ("/etc/nfvcap/host.json", "/var/lib/nfvcap/ledger.json", "/var/lib/nfvcap/plan.json"):
        host.run(f"test ! -e {path} || python3 -m json.tool {path} > /dev/null")
