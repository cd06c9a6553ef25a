# SPDX-License-Identifier: Apache-2.0
"""Machines for planner tests, hand-made: any number of nodes and cores, with or without SMT, with ports.

``lab_host()`` follows the emulated lab server (two nodes with five cores and 4 GiB each, one 82576 port per node).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nfvcap.model.facts import Facts
from nfvcap.model.units import GIB, MIB
from nfvcap.planner.query import FACTS_QUERY

MANAGEMENT = "0000:00:02.0"
PORT0, PORT1 = "0000:41:00.0", "0000:81:00.0"


@dataclass
class NodeSpec:
    """One NUMA node: physical cores, threads per core, memory; ``cores`` 0 makes it memory only."""

    cores: int = 3
    threads: int = 1
    memory_bytes: int = 4 * GIB


@dataclass
class PortSpec:
    """One SR-IOV port; ``carries`` makes it a protected one."""

    address: str
    node: int | None = 0
    name: str | None = "ens1"
    driver: str | None = "igb"
    total_vfs: int = 7
    carries: tuple[str, ...] = ()
    admin_up: bool = True


@dataclass
class MachineSpec:
    nodes: list[NodeSpec] = field(default_factory=lambda: [NodeSpec(), NodeSpec()])
    ports: list[PortSpec] = field(default_factory=list)
    offline: frozenset[int] = frozenset()
    core_id_step: int = 1  # core ids are rarely 0, 1, 2, ... on real machines
    siblings_far: bool = True  # second threads are numbered after all first ones, as on most servers
    kernel: str = "6.12.48+deb13-amd64"
    iommu_kind: str | None = "intel"
    iommu_in_acpi: bool | None = True
    page_1g: bool = True


def _cpus(spec: MachineSpec) -> list[dict[str, Any]]:
    cores = [(number, core, node) for number, node in enumerate(spec.nodes) for core in range(node.cores)]
    groups: list[list[int]] = [[] for _ in cores]
    number = 0
    if spec.siblings_far:
        for thread in range(max((node.threads for node in spec.nodes), default=1)):
            for group, (_, _, node) in zip(groups, cores, strict=True):
                if thread < node.threads:
                    group.append(number)
                    number += 1
    else:
        for group, (_, _, node) in zip(groups, cores, strict=True):
            group.extend(range(number, number + node.threads))
            number += node.threads
    cpus = [
        {
            "id": cpu, "core": core * spec.core_id_step, "socket": node_id, "node": node_id,
            "siblings": [other for other in group if other not in spec.offline],
            "online": cpu not in spec.offline,
        }
        for group, (node_id, core, _) in zip(groups, cores, strict=True)
        for cpu in group
    ]  # fmt: skip
    return sorted(cpus, key=lambda cpu: int(cpu["id"]))


def _node(spec: MachineSpec, number: int) -> dict[str, Any]:
    memory = spec.nodes[number].memory_bytes
    return {
        "id": number, "memory_total_bytes": memory, "memory_free_bytes": memory * 8 // 10,
        "memory_available_bytes": memory * 9 // 10,
        "distances": [10 if other == number else 20 + abs(other - number) for other in range(len(spec.nodes))],
        "hugepages": [
            {"size_bytes": size, "total": 0, "free": 0, "surplus": 0}
            for size in ((2 * MIB, GIB) if spec.page_1g else (2 * MIB,))
        ],
    }  # fmt: skip


def _nic(port: PortSpec) -> dict[str, Any]:
    return {
        "address": port.address, "name": port.name, "mac": "52:54:00:6e:66:10", "driver": port.driver,
        "driver_override": None, "vendor_id": "8086", "device_id": "10c9", "node": port.node, "iommu_group": None,
        "firmware": None, "admin_up": port.admin_up, "link_up": port.admin_up, "speed_mbps": 1000, "mtu": 1500,
        "eswitch_mode": None, "physfn": None, "carries": list(port.carries),
        "sriov": {
            "total_vfs": port.total_vfs, "num_vfs": 0, "drivers_autoprobe": True, "vf_device_id": "10ca", "vfs": [],
            "offset": 128, "stride": 2,
        } if port.total_vfs else None,
    }  # fmt: skip


def document(spec: MachineSpec) -> dict[str, Any]:
    """The facts as plain data, so that a test can break single fields."""
    management = PortSpec(MANAGEMENT, None, "enp0s2", "virtio_net", 0, ("ssh", "default-route"))
    return {
        "schema": "nfvcap/facts/1", "hostname": "host1", "collected_at_s": 0.0,
        "os": {
            "id": "debian", "version": "13", "family": "debian", "name": "Debian GNU/Linux 13 (trixie)",
            "kernel": spec.kernel, "arch": "x86_64", "virtualisation": "qemu",
        },
        "cpu": {
            "vendor": "AuthenticAMD", "model": "QEMU TCG CPU version 2.5+", "virt": "svm", "page_1g": spec.page_1g,
            "cpus": _cpus(spec), "isolated": [], "nohz_full": [], "irq_affinity": [],
        },
        "nodes": [_node(spec, number) for number in range(len(spec.nodes))],
        "cmdline": {
            "running": "BOOT_IMAGE=/boot/vmlinuz root=LABEL=root ro console=ttyS0",
            "configured": "BOOT_IMAGE=/boot/vmlinuz root=LABEL=root ro console=ttyS0",
            "boot_loader": "grub", "config_source": "/boot/grub/grub.cfg",
        },
        "iommu": {
            "in_acpi": spec.iommu_in_acpi, "kind": spec.iommu_kind, "enabled": False,
            "interrupt_remapping": None, "groups": [],
        },
        "security": {"secure_boot": False, "lockdown": "none"},
        "nics": [_nic(management), *(_nic(port) for port in spec.ports)],
        "guests": [],
        "units": {
            name: {"load": "not-found", "active": "inactive", "enabled": ""} for name in FACTS_QUERY["units"]
        } | {"irqbalance.service": {"load": "loaded", "active": "active", "enabled": "enabled"}},
        "packages": dict.fromkeys(FACTS_QUERY["packages"]) | {"irqbalance": "1.9.4-1"},
        "files": dict.fromkeys(FACTS_QUERY["files"]),
        "kernel_modules": ["kvm", "kvm_amd"], "module_parameters": {}, "ledger": None, "notes": [],
    }  # fmt: skip


def machine(spec: MachineSpec) -> Facts:
    return Facts.model_validate(document(spec))


def lab_spec() -> MachineSpec:
    ports = [PortSpec(PORT0, 0, "enp65s0"), PortSpec(PORT1, 1, "enp129s0", admin_up=False)]
    return MachineSpec(nodes=[NodeSpec(cores=5), NodeSpec(cores=5)], ports=ports)


def lab_host() -> Facts:
    """The lab server before anything was done to it."""
    return machine(lab_spec())
