# SPDX-License-Identifier: Apache-2.0
"""What a machine looks like after a plan was applied and, where the plan asks for it, after a reboot. Pure.

Follows the kernel, not the planner: pages are counted per node, VFs come with the kernel's defaults and get what the
plan says, the command line is what GRUB makes of the drop-in file.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from nfvcap.model.facts import Facts
from nfvcap.model.plan import HostPlan

GRUB = "/etc/default/grub.d/90-nfvcap.cfg"
RECORD = "/var/lib/nfvcap/plan.json"
DEFAULTS: dict[str, Any] = {
    "mac": "00:00:00:00:00:00", "vlan": 0, "qos": 0, "trust": False, "spoofchk": True,
    "min_tx_rate_mbps": 0, "max_tx_rate_mbps": 0, "link_state": "auto",
}  # fmt: skip


def apply_plan(facts: Facts, plan: HostPlan, *, reboot: bool = True) -> Facts:
    """The facts after provisioning; without the reboot the running command line stays as it was."""
    now = facts.model_dump(mode="json", by_alias=True)
    before_grub = _grub_tokens(now["files"].get(GRUB)) or _ledger_tokens(now)
    _write_files(now, plan)
    _kvm(now, plan)
    _boot(now, plan, before_grub, reboot=reboot and plan.reboot_needed)
    _pages(now, plan, reboot=reboot)
    _ports(now, plan)
    if plan.files["/etc/nfvcap/host.json"] is not None or any(change.role == "record" for change in plan.changes):
        now["files"][RECORD] = {"sha256": "", "mode": "0600", "content": plan.to_json()}
    return Facts.model_validate(now)


def _grub_tokens(file: dict[str, Any] | None) -> list[str]:
    match = re.search(r'^GRUB_CMDLINE_LINUX="\$GRUB_CMDLINE_LINUX (.*)"$', (file or {}).get("content") or "", re.M)
    return match[1].split() if match else []


def _ledger_tokens(now: dict[str, Any]) -> list[str]:
    """What the host's module added and would take out again, by its ledger; for a drop-in that was not recorded."""
    entry = ((now["ledger"] or {}).get("entries") or {}).get("kernel-args", {})
    added = [token for words in entry.get("added", []) for token in words.split()]
    return [token for token in added if token in now["cmdline"]["configured"].split()]


def _write_files(now: dict[str, Any], plan: HostPlan) -> None:
    for path, content in plan.files.items():
        digest = hashlib.sha256((content or "").encode()).hexdigest()
        now["files"][path] = None if content is None else {"sha256": digest, "mode": "0644", "content": content}


def _kvm(now: dict[str, Any], plan: HostPlan) -> None:
    now["packages"] |= dict.fromkeys(plan.desired.kvm.packages, "1.0")
    for unit in plan.desired.kvm.services:
        now["units"][unit] = {"load": "loaded", "active": "active", "enabled": "enabled"}
    for unit in ("nfvcap-hugepages.service", "nfvcap-sriov.service"):
        wanted = unit in plan.desired.units
        now["units"][unit] = {
            "load": "loaded" if wanted else "not-found", "active": "active" if wanted else "inactive",
            "enabled": "enabled" if wanted else "",
        }  # fmt: skip


def _boot(now: dict[str, Any], plan: HostPlan, before: list[str], *, reboot: bool) -> None:
    """GRUB appends its drop-ins in order: what an earlier plan wrote there goes, what this one wrote comes."""
    if now["cmdline"]["configured"] is None:  # no boot loader that anybody could configure
        return
    tokens = now["cmdline"]["configured"].split()
    for token in before:
        tokens.remove(token)
    tokens += _grub_tokens(now["files"][GRUB])
    now["cmdline"]["configured"] = " ".join(tokens)
    modules = {module.replace("-", "_") for module in plan.desired.vfio.modules}
    loaded_before = set(now["kernel_modules"])
    if reboot:
        now["cmdline"]["running"] = now["cmdline"]["configured"]
        now["iommu"]["enabled"] = bool(now["iommu"]["in_acpi"]) and (
            now["iommu"]["kind"] == "amd" or "intel_iommu=on" in tokens or now["iommu"]["enabled"]
        )
    for entry in plan.desired.vfio.options:
        name = entry.module.replace("-", "_")
        if reboot or name not in loaded_before:
            shown = {key: {"1": "Y", "0": "N"}.get(value, value) for key, value in entry.options.items()}
            now["module_parameters"][name] = shown
    now["kernel_modules"] = sorted(loaded_before | modules)


def _pages(now: dict[str, Any], plan: HostPlan, *, reboot: bool) -> None:
    pools = {(pool.node, pool.size_bytes): pool for pool in plan.desired.hugepages}
    for node in now["nodes"]:
        for page in node["hugepages"]:
            pool = pools.get((node["id"], page["size_bytes"]))
            if pool and (reboot or pool.when == "runtime"):
                used = page["total"] - page["free"]
                page["total"], page["free"] = pool.count, pool.count - used


def _ports(now: dict[str, Any], plan: HostPlan) -> None:
    nics = {nic["address"]: nic for nic in now["nics"]}
    for pf in plan.desired.pfs:
        nic = nics[pf.address]
        if pf.admin_up and nic["admin_up"] is False:
            nic["admin_up"] = True
        sriov = nic["sriov"]
        if sriov["num_vfs"] != pf.num_vfs:
            sriov["num_vfs"] = pf.num_vfs
            sriov["vfs"] = [_new_vf(nic, index) for index in range(pf.num_vfs)]
        for vf, target in zip(sriov["vfs"], pf.vfs, strict=True):
            _set_vf(vf, target.model_dump())


def _new_vf(nic: dict[str, Any], index: int) -> dict[str, Any]:
    bus = nic["address"].split(":")[1]
    fresh = dict(DEFAULTS) if nic["name"] else dict.fromkeys(DEFAULTS)
    if nic["driver"] not in ("igb", "ixgbe", "i40e", "ice") and nic["name"]:
        fresh["spoofchk"] = False
    return fresh | {
        "index": index, "address": f"0000:{bus}:10.{index}", "name": f"vf{bus}{index}", "driver": "igbvf",
        "driver_override": None, "device_id": "10ca", "node": nic["node"], "iommu_group": None, "holder": None,
    }  # fmt: skip


def _set_vf(vf: dict[str, Any], target: dict[str, Any]) -> None:
    for name, default in DEFAULTS.items():
        wanted = target[name]
        # A driver that does not report an attribute is only asked to set it when it is not the default anyway.
        if wanted is not None and not (vf[name] is None and wanted == default):
            vf[name] = wanted
    if target["driver"]:
        vf["driver"], vf["driver_override"] = target["driver"], target["driver"]
        vf["name"] = None if target["driver"] == "vfio-pci" else vf["name"]
    elif not (vf["holder"] and vf["holder"]["kind"] == "libvirt"):
        vf["driver_override"] = None
        if vf["driver"] in (None, "vfio-pci"):
            vf["driver"] = "igbvf"
