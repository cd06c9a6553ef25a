# SPDX-License-Identifier: Apache-2.0
"""What does not fit is refused with the reason and the amount, all of it at once."""

from __future__ import annotations

from typing import Any

import pytest
from machines import PORT0, PORT1, MachineSpec, NodeSpec, PortSpec, document, lab_spec
from simulator import apply_plan

from nfvcap.errors import UsageError
from nfvcap.model.facts import Facts
from nfvcap.model.intent import Intent
from nfvcap.model.units import GIB
from nfvcap.planner.files import GRUB
from nfvcap.planner.plan import plan_host


def refusal(raw: dict[str, Any], facts: dict[str, Any]) -> UsageError:
    with pytest.raises(UsageError) as caught:
        plan_host("host1", Intent.model_validate(raw), Facts.model_validate(facts))
    return caught.value


def guests(*vcpus: int, memory: str = "512M", **more: Any) -> dict[str, Any]:
    return {f"vm{number}": {"vcpus": count, "memory": memory, **more} for number, count in enumerate(vcpus, 1)}


def test_cores_that_are_missing_are_counted() -> None:
    raw = {"pfs": [{"pf": PORT1, "vfs": 4}], "guests": guests(2, 3, pf=PORT1)}
    error = refusal(raw, document(lab_spec()))
    assert error.code == "NFV-PLAN-033"
    assert error.what == "host1: node 1 has 4 free cores, vm1 (2) + vm2 (3) need 5: 1 too many"
    assert "of the node's 5 physical cores 1 stay with the host" in error.why


def test_everything_that_does_not_fit_comes_at_once() -> None:
    raw = {
        "pfs": [{"pf": PORT1, "vfs": 4}, {"pf": "0000:99:00.0", "vfs": 1}, {"pf": PORT0, "vfs": 8}],
        "guests": guests(9, pf=PORT1, memory="8G"),
        "cpus": {"isolate": [99]},
    }
    error = refusal(raw, document(lab_spec()))
    assert error.code == "NFV-PLAN-001"
    for code in ("NFV-PLAN-010", "NFV-PLAN-015", "NFV-PLAN-020", "NFV-PLAN-033", "NFV-PLAN-043"):
        assert f"[{code}]" in error.why
    assert "9 are wanted" not in error.why
    assert "can have 7 VFs, 8 are wanted: 1 too many" in error.why


def test_a_misspelt_port_is_recognised() -> None:
    error = refusal({"pfs": [{"pf": "enp129s1", "vfs": 1}]}, document(lab_spec()))
    assert (error.code, error.fix) == ("NFV-PLAN-010", "did you mean enp129s0?")
    assert PORT1 in error.why
    assert "enp0s2" not in error.why, "the management NIC is no proposal"


@pytest.mark.parametrize("driver", ["igb", "ice", "mlx5_core", "virtio_net", None])
@pytest.mark.parametrize("name", [PORT0, "enp65s0"])
@pytest.mark.parametrize("vfs", [0, 1])
def test_a_port_that_carries_anything_is_refused(driver: str | None, name: str, vfs: int) -> None:
    for load in ("ssh", "default-route"):
        facts = document(lab_spec())
        facts["nics"][1] |= {"carries": [load], "driver": driver}
        assert refusal({"pfs": [{"pf": name, "vfs": vfs}]}, facts).code == "NFV-PLAN-011"


def test_the_port_that_carries_ssh_is_refused_with_the_way() -> None:
    facts = document(lab_spec())
    facts["nics"][1] |= {"carries": ["ssh", "default-route"], "carries_via": ["bond0", "br0"]}
    error = refusal({"pfs": [{"pf": PORT0, "vfs": 1}]}, facts)
    assert error.code == "NFV-PLAN-011"
    assert "it carries the ssh connection and the default route through bond0 → br0" in error.what


def test_one_port_under_two_names() -> None:
    raw = {"pfs": [{"pf": PORT1, "vfs": 1}, {"pf": "enp129s0", "vfs": 1}]}
    assert refusal(raw, document(lab_spec())).code == "NFV-PLAN-012"
    facts = document(lab_spec())
    facts["nics"][1] |= {"altnames": ["ens1", "enx5254006e6610"]}
    raw = {"pfs": [{"pf": PORT0, "vfs": 1}, {"pf": "ens1", "vfs": 1}]}
    assert refusal(raw, facts).code == "NFV-PLAN-012"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"physfn": "0000:aa:00.0"}, "NFV-PLAN-013"),
        ({"sriov": None}, "NFV-PLAN-014"),
        ({"driver": None}, "NFV-PLAN-016"),
    ],
)
def test_ports_that_cannot_have_vfs(change: dict[str, Any], code: str) -> None:
    facts = document(lab_spec())
    facts["nics"][1] |= change
    assert refusal({"pfs": [{"pf": PORT0, "vfs": 1}]}, facts).code == code


def test_attributes_need_the_interface_of_the_port() -> None:
    facts = document(lab_spec())
    facts["nics"][1] |= {"name": None, "driver": "vfio-pci"}
    error = refusal({"pfs": [{"pf": PORT0, "vfs": 1, "vf": {0: {"vlan": 5}}}]}, facts)
    assert error.code == "NFV-PLAN-017"
    assert "VLAN of VF 0" in error.what


def test_the_boot_cpu_stays_with_the_host() -> None:
    assert refusal({"cpus": {"isolate": "0-1"}}, document(lab_spec())).code == "NFV-PLAN-021"
    assert refusal({"cpus": {"housekeeping": [1]}}, document(lab_spec())).code == "NFV-PLAN-021"


def test_a_node_without_cpus() -> None:
    spec = MachineSpec(nodes=[NodeSpec(), NodeSpec(cores=0)])
    assert refusal({"guests": guests(1, node=1)}, document(spec)).code == "NFV-PLAN-030"


def test_a_guest_of_a_port_that_is_not_listed() -> None:
    raw = {"pfs": [{"pf": PORT1, "vfs": 2}], "guests": guests(1, pf="enp65s0")}
    assert refusal(raw, document(lab_spec())).code == "NFV-PLAN-031"


def test_vfs_that_are_missing_are_counted() -> None:
    raw = {"pfs": [{"pf": PORT1, "vfs": 2}], "guests": guests(1, 1, pf="enp129s0", vfs=2)}
    error = refusal(raw, document(lab_spec()))
    assert error.code == "NFV-PLAN-032"
    assert "vm2 wants 2 VFs" in error.what
    assert f"of port {PORT1} (enp129s0), 0 are free: 2 too few" in error.what


def test_a_pool_that_is_too_small() -> None:
    raw = {"hugepages": [{"size": "2M", "node": 0, "count": 200}], "guests": guests(1, 1, node=0)}
    facts = document(MachineSpec(nodes=[NodeSpec(cores=4)]))
    error = refusal(raw, facts)
    assert error.code == "NFV-PLAN-040"
    assert "guest vm1 + guest vm2 need 512 pages of 2 MiB, the pool has 200: 312 too few" in error.what
    assert "add 624 MiB to the pool" in error.fix


def test_pools_that_the_machine_cannot_have() -> None:
    facts = document(MachineSpec(nodes=[NodeSpec()], page_1g=False))
    assert refusal({"hugepages": [{"size": "2M", "node": 3, "count": 1}]}, facts).code == "NFV-PLAN-041"
    assert refusal({"hugepages": [{"size": "1G", "node": 0, "count": 1}]}, facts).code == "NFV-PLAN-042"


def test_the_reserve_is_kept_and_the_excess_is_named() -> None:
    raw = {"hugepages": [{"size": "2M", "node": 0, "memory": "3584M"}]}
    error = refusal(raw, document(MachineSpec(nodes=[NodeSpec(memory_bytes=4 * GIB)])))
    assert error.code == "NFV-PLAN-043"
    assert "has 4 GiB, huge pages want 3.5 GiB and 1 GiB stay ordinary memory: 512 MiB too much" in error.what


def test_pages_in_use_are_not_taken_away() -> None:
    facts = document(lab_spec())
    facts["nodes"][1]["hugepages"][0] |= {"total": 512, "free": 100}
    error = refusal({"hugepages": [{"size": "2M", "node": 1, "count": 400}]}, facts)
    assert error.code == "NFV-PLAN-044"
    assert "412 are in use: 12 too few" in error.what


@pytest.mark.parametrize(
    ("token", "fits"),
    [
        ("isolcpus=1", False), ("intel_iommu=off", False), ("iommu=soft", False),
        ("hugepagesz=1G hugepages=4", False), ("hugepagesz=1G hugepages=0:1", True),
        ("intel_iommu=on,sm_on", True), ("iommu=pt", True), ("hugepagesz=2M hugepages=64", True), ("quiet", True),
    ],
)  # fmt: skip
def test_what_the_user_configured_is_respected_or_refused(token: str, fits: bool) -> None:
    facts = document(lab_spec())
    facts["cmdline"]["configured"] += f" {token}"
    raw = {
        "pfs": [{"pf": PORT1, "vfs": 1}], "guests": guests(1, pf=PORT1),
        "hugepages": [{"size": "1G", "node": 0, "count": 1}, {"size": "2M", "node": 1, "count": 512}],
    }  # fmt: skip
    if fits:
        plan_host("host1", Intent.model_validate(raw), Facts.model_validate(facts))
    else:
        error = refusal(raw, facts)
        assert error.code == "NFV-PLAN-050"
        assert f"says {token}" in error.what


def test_our_own_arguments_are_no_contradiction_whatever_was_lost() -> None:
    raw = {"pfs": [{"pf": PORT1, "vfs": 2}], "guests": guests(1, pf=PORT1)}
    other = {"pfs": [{"pf": PORT1, "vfs": 2}], "guests": guests(2, pf=PORT1)}
    plan = plan_host("host1", Intent.model_validate(raw), Facts.model_validate(document(lab_spec())))
    settled: dict[str, Any] = apply_plan(Facts.model_validate(document(lab_spec())), plan).model_dump(
        mode="json", by_alias=True
    )
    added = " ".join(arg.token for arg in plan.desired.kernel_args)
    for lost in ("/etc/nfvcap/host.json", GRUB):
        facts = settled | {"files": settled["files"] | {lost: None}}
        assert plan_host("host1", Intent.model_validate(other), Facts.model_validate(facts)).pending
    facts = settled | {"files": settled["files"] | {"/etc/nfvcap/host.json": None, GRUB: None}}
    assert refusal(other, facts).code == "NFV-PLAN-001"
    entry = {"before": {"configured": "root=LABEL=root ro"}, "added": added.split()}
    facts["ledger"] = {"schema": "nfvcap/ledger/1", "entries": {"kernel-args": entry}}
    assert plan_host("host1", Intent.model_validate(other), Facts.model_validate(facts)).pending


def test_an_unknown_boot_loader_is_no_obstacle_when_nothing_is_missing() -> None:
    raw = {"pfs": [{"pf": PORT1, "vfs": 1}]}
    facts = document(lab_spec())
    facts["cmdline"] |= {"boot_loader": "unknown", "configured": None, "config_source": None}
    error = refusal(raw, facts)
    assert error.code == "NFV-PLAN-051"
    assert "intel_iommu=on iommu=pt" in error.what
    facts["cmdline"]["running"] += " iommu=pt intel_iommu=on"
    plan = plan_host("host1", Intent.model_validate(raw), Facts.model_validate(facts))
    assert "kernel-args" not in [change.id for change in plan.changes if change.disruption == "reboot"]


def test_vfio_needs_an_iommu() -> None:
    raw = {"pfs": [{"pf": PORT1, "vfs": 1, "driver": "vfio-pci"}]}
    facts = document(lab_spec())
    facts["iommu"] |= {"in_acpi": False, "kind": None}
    assert refusal(raw, facts).code == "NFV-PLAN-052"
    facts["iommu"] |= {"in_acpi": True, "kind": "intel"}
    facts["cmdline"]["running"] += " intel_iommu=on iommu=pt"
    assert refusal(raw, facts).code == "NFV-PLAN-053"
    facts["iommu"]["enabled"] = True
    plan_host("host1", Intent.model_validate(raw), Facts.model_validate(facts))


def test_kernel_vfs_need_no_iommu() -> None:
    facts = document(lab_spec())
    facts["iommu"] |= {"in_acpi": False, "kind": None}
    plan = plan_host("h", Intent.model_validate({"pfs": [{"pf": PORT1, "vfs": 1}]}), Facts.model_validate(facts))
    assert plan.desired.kernel_args == ()


def test_a_strange_distribution_gets_no_packages() -> None:
    facts = document(lab_spec())
    facts["os"] |= {"family": "arch", "name": "Arch Linux"}
    assert "NFV-PLAN-060" in refusal({"kvm": True}, facts).code


def held(facts: dict[str, Any], kind: str, name: str, **more: Any) -> None:
    sriov = facts["nics"][2]["sriov"]
    sriov["num_vfs"] = 1
    sriov["vfs"] = [
        {
            "index": 0, "address": "0000:81:10.0", "name": None, "driver": "vfio-pci", "driver_override": "vfio-pci",
            "device_id": "10ca", "node": 1, "iommu_group": 5, "mac": "02:00:00:00:00:01", "vlan": 0, "qos": 0,
            "trust": False, "spoofchk": True, "min_tx_rate_mbps": 0, "max_tx_rate_mbps": 0, "link_state": "auto",
            "holder": {"kind": kind, "name": name, "pid": None, **more},
        }
    ]  # fmt: skip


def test_a_new_number_of_vfs_makes_all_of_them_anew() -> None:
    facts = document(lab_spec())
    held(facts, "libvirt", "vm7")
    facts["nics"][2]["sriov"]["vfs"][0] |= {"holder": None, "vlan": 9, "mac": "02:00:00:00:00:05"}
    entry = {"pf": PORT1, "vfs": 1, "driver": "vfio-pci", "vf": {0: {"vlan": 9, "mac": "02:00:00:00:00:05"}}}
    same = plan_host("host1", Intent.model_validate({"pfs": [entry]}), Facts.model_validate(facts))
    assert [change.id for change in same.changes if change.id.startswith(("pf:", "vf:"))] == [f"pf:{PORT1}:up"]
    more = plan_host("host1", Intent.model_validate({"pfs": [entry | {"vfs": 2}]}), Facts.model_validate(facts))
    assert [change.id for change in more.changes if change.id.startswith(("pf:", "vf:"))][:2] == [
        f"pf:{PORT1}:up", f"pf:{PORT1}:num_vfs",
    ]  # fmt: skip
    again = {change.id: change.before for change in more.changes if change.id.startswith("vf:")}
    assert again == {
        f"vf:{PORT1}:0:mac": None, f"vf:{PORT1}:0:vlan": None,
        f"vf:{PORT1}:0:driver": None, f"vf:{PORT1}:1:driver": None,
    }  # fmt: skip


def test_vfs_that_are_held_do_not_vanish() -> None:
    facts = document(lab_spec())
    held(facts, "libvirt", "vm7")
    error = refusal({"pfs": [{"pf": PORT1, "vfs": 4}]}, facts)
    assert error.code == "NFV-PLAN-070"
    assert "has 1 VFs and shall have 4, but VF 0 is held by guest vm7" in error.what


def test_a_vf_that_is_held_keeps_its_driver() -> None:
    facts = document(lab_spec())
    held(facts, "vfio", "dpdk-testpmd", pid=812)
    error = refusal({"pfs": [{"pf": PORT1, "vfs": 1}]}, facts)
    assert error.code == "NFV-PLAN-071"
    assert "process dpdk-testpmd (pid 812) holds it with vfio-pci" in error.what


def test_an_attribute_of_a_held_vf_can_change_but_says_so() -> None:
    facts = document(lab_spec())
    held(facts, "libvirt", "vm7")
    raw = {"pfs": [{"pf": PORT1, "vfs": 1, "vf": {0: {"vlan": 9}}}], "guests": {}}
    plan = plan_host("host1", Intent.model_validate(raw), Facts.model_validate(facts))
    (change,) = [change for change in plan.changes if change.id.startswith("vf:")]
    assert (change.before, change.after, change.disruption) == (0, 9, "link-flap")
    assert "held by guest vm7" in change.reason


@pytest.mark.parametrize(
    ("attribute", "value", "disruption"),
    [
        ("vlan", 9, "link-flap"),
        ("trust", True, "link-flap"),
        ("spoofchk", False, "none"),
        ("link_state", "enable", "none"),
    ],
)
def test_what_resets_a_vf_is_said(attribute: str, value: Any, disruption: str) -> None:
    facts = document(lab_spec())
    raw = {"pfs": [{"pf": PORT1, "vfs": 1, "driver": "vfio-pci", "vf": {0: {attribute: value}}}]}
    fresh = plan_host("host1", Intent.model_validate(raw), Facts.model_validate(facts))
    held(facts, "vfio", "dpdk-testpmd")
    there = plan_host("host1", Intent.model_validate(raw), Facts.model_validate(facts))
    for plan, expected in ((fresh, "none"), (there, disruption)):
        (change,) = [change for change in plan.changes if change.id == f"vf:{PORT1}:0:{attribute}"]
        assert change.disruption == expected


def test_one_misfit_keeps_its_own_id_and_nothing_is_said_twice() -> None:
    spec = MachineSpec(ports=[PortSpec("0000:01:00.0", name="eth7", total_vfs=2)])
    error = refusal({"pfs": [{"pf": "eth7", "vfs": 3}]}, document(spec))
    assert str(error).startswith("host1: 0000:01:00.0 can have 2 VFs, 3 are wanted: 1 too many [NFV-PLAN-015]")


VF0 = "0000:81:10.0"  # of PORT1, by its offset and stride


@pytest.mark.parametrize(
    ("address", "kept", "wanted", "said"),
    [
        (VF0, "igbvf", "vfio-pci", "driverctl gives VF 0 of 0000:81:00.0 (enp129s0) to igbvf at each boot"),
        (VF0, "vfio-pci", "kernel", "the plan needs the driver that the kernel chooses"),
        (PORT1, "vfio-pci", "kernel", "driverctl gives 0000:81:00.0 (enp129s0) to vfio-pci at each boot, "
         "the plan needs igb"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("made", [True, False], ids=["VFs exist", "VFs are yet to be made"])
def test_what_driverctl_would_undo_at_boot_is_seen_in_the_plan(
    address: str, kept: str, wanted: str, said: str, made: bool
) -> None:
    raw = {"pfs": [{"pf": PORT1, "vfs": 2, "driver": wanted}]}
    facts = document(lab_spec())
    if made:
        settled = Facts.model_validate(facts)
        facts = apply_plan(settled, plan_host("host1", Intent.model_validate(raw), settled)).model_dump(by_alias=True)
    error = refusal(raw, facts | {"driverctl": {address: kept}})
    assert error.code == "NFV-PLAN-061"
    assert said in error.what
    assert error.why == f"/etc/driverctl.d/pci-{address}"
    assert f"driverctl unset-override {address}" in error.fix


def test_driverctl_may_say_the_same_or_speak_of_others() -> None:
    raw = {"pfs": [{"pf": PORT1, "vfs": 2, "driver": "vfio-pci"}]}
    agreeing = {VF0: "vfio-pci", PORT1: "igb", PORT0: "vfio-pci", "0000:81:10.4": "igbvf"}
    facts = Facts.model_validate(document(lab_spec()) | {"driverctl": agreeing})
    assert plan_host("host1", Intent.model_validate(raw), facts).changes
