# SPDX-License-Identifier: Apache-2.0
"""``nfvcap/plan/1``: what a host shall be, what has to change for that, and why.

``desired`` is complete: the roles print it, the host checks compare the raw system with it. ``changes`` is the
difference to the facts at planning time; an empty list means that nothing is to be done.
The document travels as Ansible variables: ``ansible-playbook playbooks/provision.yml -e @plan.json``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from nfvcap.model.base import Model

SCHEMA: Literal["nfvcap/plan/1"] = "nfvcap/plan/1"


class Disruption(StrEnum):
    """What a change does to a running host; ordered from harmless to grave."""

    NONE = "none"
    LINK_FLAP = "link-flap"
    REBOOT = "reboot"


class KernelArg(Model):
    """One token of the kernel command line (``value`` None for flags), and the feature that wants it."""

    key: str
    value: str | None
    feature: Literal["iommu", "hugepages", "cpu_isolation", "mirror", "extra"]

    @property
    def token(self) -> str:
        return self.key if self.value is None else f"{self.key}={self.value}"


class HugePagePool(Model):
    """Pages of one size on one node. ``boot``: kernel argument; ``runtime``: sysfs now and a unit at each boot."""

    node: int
    size_bytes: int
    count: int
    when: Literal["boot", "runtime"]


class Cpus(Model):
    housekeeping: tuple[int, ...]
    isolated: tuple[int, ...]  # for guests; empty: no isolation wanted


class VfAttributes(Model):
    """Administrative attributes beside the MAC address; None leaves one alone. Rates in Mbit/s, 0: none."""

    vlan: int | None = None
    qos: int | None = None
    trust: bool | None = None
    spoofchk: bool | None = None
    min_tx_rate_mbps: int | None = None
    max_tx_rate_mbps: int | None = None
    link_state: Literal["auto", "enable", "disable"] | None = None


class VfTarget(VfAttributes):
    """What one VF shall be; a MAC address of None leaves that alone as well."""

    index: int
    address: str  # computed from VF offset and stride when the VF does not exist yet; "" when unknown
    mac: str | None = None
    driver: str  # resolved: "vfio-pci", "igbvf", ...; "" = the kernel's default driver


class PfTarget(Model):
    address: str
    name: str | None  # interface at planning time: for people, never used to address the PF
    node: int | None
    num_vfs: int
    vfs: tuple[VfTarget, ...]
    admin_up: bool = True  # a PF that is down gives its VFs no carrier, or refuses them


class ModuleOptions(Model):
    module: str  # "vfio-pci"
    options: dict[str, str]


class Vfio(Model):
    modules: tuple[str, ...]  # loaded now and at boot, ("vfio-pci",) or ()
    options: tuple[ModuleOptions, ...]


class Irqbalance(Model):
    """``banned_cpus`` () and ``manage`` False: nothing to do (not installed or no isolation)."""

    manage: bool
    banned_cpus: tuple[int, ...]


class Kvm(Model):
    packages: tuple[str, ...]
    services: tuple[str, ...]  # units to enable and start


class Desired(Model):
    kernel_args: tuple[KernelArg, ...]
    hugepages: tuple[HugePagePool, ...]
    cpus: Cpus
    irqbalance: Irqbalance
    vfio: Vfio
    pfs: tuple[PfTarget, ...]
    kvm: Kvm
    units: tuple[str, ...] = ()  # nfvcap's own systemd units that must be enabled: they restore at each boot


class GuestBoot(Model):
    """Paths on the host; either ``kernel`` and ``initrd``, or ``disk`` (a cloud image that is never written to)."""

    kernel: str | None
    initrd: str | None
    disk: str | None
    size_bytes: int | None
    ssh_keys: tuple[str, ...]


class GuestMachine(Model):
    """The virtual machine around the placement."""

    uuid: str  # follows from host and name, so that a guest is recognised as the planned one
    cpu: str  # "host-passthrough" or a model of libvirt
    viommu: bool
    vf_slots: tuple[str, ...]  # slot number → PCI address in the guest of what is plugged there
    network: str | None  # libvirt network of the management NIC
    kernel_args: tuple[str, ...]  # of the guest's own kernel: IOMMU, huge pages, isolation
    boot: GuestBoot | None  # None: nfvcap places the guest but cannot create it


class GuestPlacement(Model):
    name: str
    node: int
    vcpu_pins: dict[int, int]  # vCPU → host CPU, one per physical core
    emulator_cpus: tuple[int, ...]
    memory_bytes: int
    hugepage_size_bytes: int
    vfs: tuple[str, ...]  # "0000:81:00.0:vf0"
    machine: GuestMachine | None = None  # None in plans that an earlier version has left on a host


class Reason(Model):
    """Why a choice was made: ``subject`` is what (``guests.vm1.node``), ``text`` is one sentence."""

    subject: str
    text: str


class Change(Model):
    id: str  # stable: "kernel-args", "hugepages:node1:2048kB", "pf:0000:81:00.0:num_vfs", "vf:0000:81:00.0:0:mac"
    # The role that makes it, in this order: kvm_host, kernel_args, iommu, cpu_isolation, persistence, hugepages,
    # sriov, driver_binding; last "record", the plan left on the host.
    role: str
    title: str  # for people: "huge pages 2 MiB on node 1"
    before: Any
    after: Any
    disruption: Disruption
    survives_reboot: bool = False  # something that the plan has as well keeps it (planner/lasting.py)
    reason: str


class HostPlan(Model):
    host: str
    desired: Desired
    # Every text file under nfvcap's management → its exact content, or None when it must not exist.
    files: dict[str, str | None]
    placement: tuple[GuestPlacement, ...]
    reasons: tuple[Reason, ...]
    changes: tuple[Change, ...]
    warnings: tuple[str, ...]
    protected: tuple[str, ...]  # NICs (PCI address) that carry ssh or the default route: never touched
    facts_digest: str  # sha256 of the facts the plan was made from

    @property
    def pending(self) -> bool:
        return bool(self.changes)

    @property
    def reboot_needed(self) -> bool:
        return any(change.disruption is Disruption.REBOOT for change in self.changes)


class Plan(Model):
    schema_: Literal["nfvcap/plan/1"] = Field(default=SCHEMA, alias="nfvcap_plan_schema")
    nfvcap_version: str
    created_at: str  # RFC 3339, UTC
    nfvcap_plan: dict[str, HostPlan]  # inventory name → plan; the name that roles read
