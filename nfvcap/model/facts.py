# SPDX-License-Identifier: Apache-2.0
"""``nfvcap/facts/1``: what one machine is, as returned by the module ``nfvcap_facts`` in one round trip.

``None`` means "could not be read or does not apply", never "no". Sizes are bytes, rates Mbit/s as in `ip link`.
PCI addresses are written with domain, in lower case (``0000:81:00.0``).
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from nfvcap.model.base import Model

SCHEMA: Literal["nfvcap/facts/1"] = "nfvcap/facts/1"


class Os(Model):
    id: str  # /etc/os-release ID: debian, ubuntu, rhel, rocky, ...
    version: str  # VERSION_ID, "" on rolling releases
    family: str  # debian | redhat | suse | arch | other
    name: str  # PRETTY_NAME
    kernel: str  # uname -r
    arch: str
    virtualisation: str  # none | kvm | qemu | ... (systemd-detect-virt words)


class Cpu(Model):
    id: int
    core: int  # topology/core_id, unique only within a socket; -1 while the CPU is offline: the kernel does not tell
    socket: int  # -1 while the CPU is offline
    node: int
    siblings: tuple[int, ...]  # thread_siblings_list, itself included, ascending
    online: bool


class CpuFacts(Model):
    vendor: str  # GenuineIntel | AuthenticAMD | ...
    model: str
    virt: str  # vmx | svm | ""
    page_1g: bool  # CPU flag pdpe1gb
    cpus: tuple[Cpu, ...]
    isolated: tuple[int, ...]  # /sys/devices/system/cpu/isolated
    nohz_full: tuple[int, ...]
    irq_affinity: tuple[int, ...]  # /proc/irq/default_smp_affinity as a list


class HugePages(Model):
    size_bytes: int
    total: int
    free: int
    surplus: int


class Node(Model):
    id: int
    memory_total_bytes: int
    memory_free_bytes: int
    memory_available_bytes: int  # free + reclaimable page cache: what huge pages could be made from
    distances: tuple[int, ...]
    hugepages: tuple[HugePages, ...]  # one per size that the kernel offers


class Cmdline(Model):
    running: str  # /proc/cmdline
    configured: str | None  # what the default boot entry will give at the next boot; None: unknown loader
    boot_loader: Literal["grub", "grub-bls", "unknown"]
    config_source: str | None  # the file that `configured` was read from


class IommuGroup(Model):
    id: int
    devices: tuple[str, ...]


class Iommu(Model):
    in_acpi: bool | None  # DMAR or IVRS table present; None: ACPI tables unreadable
    kind: Literal["intel", "amd", "other"] | None
    enabled: bool  # the kernel has IOMMU units (/sys/class/iommu not empty)
    interrupt_remapping: bool | None
    groups: tuple[IommuGroup, ...]


class Security(Model):
    secure_boot: bool | None  # None: no EFI variables
    lockdown: Literal["none", "integrity", "confidentiality"] | None


class Holder(Model):
    """Who uses a VF now: a libvirt guest, or any process with the device's VFIO group open."""

    kind: Literal["libvirt", "vfio"]
    name: str  # guest name, or process name
    pid: int | None


class Vf(Model):
    index: int
    address: str
    name: str | None  # network interface, when a kernel network driver has it
    driver: str | None
    driver_override: str | None
    device_id: str  # "10ca"
    node: int | None
    iommu_group: int | None
    # Administrative attributes as the PF reports them (`ip -j -d link show PF`); None: the PF has no interface.
    mac: str | None
    vlan: int | None  # 0: none
    qos: int | None
    trust: bool | None
    spoofchk: bool | None
    min_tx_rate_mbps: int | None  # 0: unlimited
    max_tx_rate_mbps: int | None
    link_state: Literal["auto", "enable", "disable"] | None
    holder: Holder | None


class Sriov(Model):
    total_vfs: int
    num_vfs: int
    drivers_autoprobe: bool
    vf_device_id: str  # sriov_vf_device, "10ca"
    vfs: tuple[Vf, ...]
    offset: int | None = None  # sriov_offset, sriov_stride: VF i has routing id PF + offset + i * stride
    stride: int | None = None


class Nic(Model):
    address: str
    name: str | None
    altnames: tuple[str, ...] = ()  # other names of the interface, which `ip` takes as well
    mac: str | None
    driver: str | None
    driver_override: str | None
    vendor_id: str
    device_id: str
    node: int | None  # None: the firmware does not say (numa_node -1)
    iommu_group: int | None
    firmware: str | None
    admin_up: bool | None
    link_up: bool | None
    speed_mbps: int | None
    mtu: int | None
    eswitch_mode: Literal["legacy", "switchdev"] | None
    physfn: str | None  # set when this NIC is itself a VF (nested use)
    sriov: Sriov | None
    carries: tuple[Literal["ssh", "default-route"], ...]  # through bond, bridge, VLAN, ...
    carries_via: tuple[str, ...] = ()  # the interfaces between this NIC and the address: ("bond0", "br0")
    holder: Holder | None = None  # a process that drives this NIC itself through VFIO, or a guest that has it

    @property
    def names(self) -> tuple[str, ...]:
        """All that it may be called: PCI address, interface name, alternative names."""
        return (self.address, *([self.name] if self.name else []), *self.altnames)


class Guest(Model):
    name: str
    uuid: str
    state: Literal["running", "paused", "shutoff", "other"]
    persistent: bool
    vcpus: int
    memory_bytes: int
    vcpu_pins: dict[int, tuple[int, ...]]  # vCPU → host CPUs; absent: not pinned
    emulator_pins: tuple[int, ...]
    memory_nodes: tuple[int, ...]  # numatune nodeset, () when unset
    hugepage_size_bytes: int | None
    hostdevs: tuple[str, ...]  # PCI addresses in the live (running) or persistent definition


class Unit(Model):
    """A systemd unit; ``load`` is ``not-found`` when it does not exist."""

    load: str
    active: str
    enabled: str


class BoundFile(Model):
    """A file that nfvcap manages or could manage: its content decides about persistence."""

    sha256: str
    mode: str  # "0644"
    content: str | None  # text of files up to 64 KiB


class Facts(Model):
    schema_: Literal["nfvcap/facts/1"] = Field(default=SCHEMA, alias="schema")
    hostname: str
    collected_at_s: float
    os: Os
    cpu: CpuFacts
    nodes: tuple[Node, ...]
    cmdline: Cmdline
    iommu: Iommu
    security: Security
    nics: tuple[Nic, ...]
    guests: tuple[Guest, ...]
    units: dict[str, Unit]
    packages: dict[str, str | None]  # asked-for package → installed version
    files: dict[str, BoundFile | None]  # asked-for path → content, None: absent
    kernel_modules: tuple[str, ...]  # loaded or built in, of those asked for (underscores)
    # Live parameters of the asked-for modules that are loaded: {"vfio_pci": {"disable_idle_d3": "N"}}
    module_parameters: dict[str, dict[str, str]] = Field(default_factory=dict)
    # PCI address → driver that driverctl binds the device to at each boot (/etc/driverctl.d)
    driverctl: dict[str, str] = Field(default_factory=dict)
    ledger: dict[str, Any] | None  # /var/lib/nfvcap/ledger.json
    notes: tuple[str, ...]  # what could not be read, in words
