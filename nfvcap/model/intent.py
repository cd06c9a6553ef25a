# SPDX-License-Identifier: Apache-2.0
"""What the user wants of one host: the variable ``nfvcap`` of an Ansible inventory, typed.

Sizes are bytes, rates Mbit/s. Where the inventory may say ``auto``, the value here is None.
Rules between fields are in :mod:`nfvcap.model.intent_rules`; :func:`nfvcap.model.intent_parse.parse_intent`
applies both.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler

from nfvcap.model import intent_fields as kind


class IntentModel(BaseModel):
    """Immutable; only the names of the inventory are accepted, so that every error can point at them."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class IommuIntent(IntentModel):
    passthrough: bool = Field(
        default=True, description="iommu=pt: the host's own devices are not translated, only those given to guests"
    )


class PoolIntent(IntentModel):
    """Huge pages of one size on one NUMA node, by number or by memory."""

    size_bytes: kind.PageSize = Field(alias="size", description="size of one page: 2M or 1G")
    node: kind.Count = Field(description="NUMA node")
    count: kind.Count | None = Field(default=None, description="number of pages; or say memory")
    memory_bytes: kind.Size | None = Field(
        default=None, alias="memory", description="how much memory the pages make up; or say count"
    )

    @property
    def pages(self) -> int:
        """Number of pages (the rules see to it that exactly one of count and memory is given)."""
        return self.count if self.count is not None else (self.memory_bytes or 0) // self.size_bytes


class CpusIntent(IntentModel):
    housekeeping: kind.Housekeeping = Field(
        default=None, description="CPUs for the host itself; auto leaves the first core and one core per guest node"
    )
    isolate: kind.Isolate = Field(
        default=None, description="CPUs taken from the scheduler; auto: the guests' cores; none: pin only"
    )


class VfDefaults(IntentModel):
    """Administrative attributes of a VF. What is not said is the kernel's default."""

    vlan: kind.Vlan | None = Field(default=None, description="VLAN id; 0: none")
    qos: kind.Qos | None = Field(default=None, description="VLAN priority 0 to 7; needs a vlan")
    trust: bool | None = Field(default=None, description="the guest may set promiscuous mode and its own MAC")
    spoofchk: bool | None = Field(default=None, description="drop frames sent with another source MAC")
    min_tx_rate_mbps: kind.Rate | None = Field(
        default=None, alias="min_tx_rate", description="guaranteed send rate, Mbit/s or 1Gbit; 0: none"
    )
    max_tx_rate_mbps: kind.Rate | None = Field(
        default=None, alias="max_tx_rate", description="limit of the send rate, Mbit/s or 1Gbit; 0: no limit"
    )
    link_state: kind.LinkState | None = Field(default=None, description="auto follows the port")


class VfIntent(VfDefaults):
    mac: kind.Mac | None = Field(
        default=None, description="MAC address that the guest sees; unsaid: the driver chooses"
    )
    driver: kind.Driver | None = Field(default=None, description="overrides the driver of the PF's other VFs")


class PfIntent(IntentModel):
    pf: kind.PfName = Field(description="PCI address of the port, or the name of its interface")
    vfs: kind.Count = Field(
        description="number of VFs; 0 removes those of an earlier plan, which a port that is not listed keeps until the"
        " next boot"
    )
    driver: kind.Driver = Field(
        default="kernel", description="driver of the VFs: kernel (its default), vfio-pci, or a driver by name"
    )
    vf_defaults: VfDefaults = Field(default=VfDefaults(), description="attributes of all VFs")
    vf: dict[kind.Count, VfIntent] = Field(default={}, description="single VFs by index")


class GuestImage(IntentModel):
    """What a guest boots: files on the host, put there by the user (the lab's image brings those of its guest)."""

    kernel: kind.HostPath | None = Field(default=None, description="kernel to boot directly, with initrd")
    initrd: kind.HostPath | None = Field(default=None, description="its initial root file system")
    disk: kind.HostPath | None = Field(
        default=None, description="cloud image (qcow2); each guest gets an overlay of its own, the image is not changed"
    )
    size_bytes: kind.Size | None = Field(
        default=None, alias="size", description="size of the overlay; default: that of the image"
    )
    ssh_keys: tuple[kind.SshKey, ...] = Field(default=(), description="public keys that may log in to the cloud image")


class GuestInside(IntentModel):
    """What holds inside of the guest."""

    hugepages_bytes: kind.Reserve | None = Field(
        default=None, alias="hugepages", description="memory in 2M pages; default a quarter of the guest's, 0: none"
    )
    isolate: bool = Field(default=True, description="isolate all vCPUs but the first for polling programs")
    kernel_args: tuple[kind.KernelToken, ...] = Field(default=(), description="more kernel arguments of the guest")


class GuestIntent(IntentModel):
    vcpus: kind.Positive = Field(description="virtual CPUs, each on a physical core of its own")
    memory_bytes: kind.Size = Field(alias="memory", description="memory, backed by huge pages")
    hugepage_size_bytes: kind.PageSizeOrAuto = Field(default=None, alias="hugepage_size", description="2M, 1G or auto")
    pf: kind.PfName | None = Field(default=None, description="port that the guest's VFs come from")
    vfs: kind.Count | None = Field(default=None, description="number of VFs; default 1 when pf is given")
    node: kind.NodeOrAuto = Field(default=None, description="NUMA node; auto: where the port is")
    image: GuestImage | None = Field(default=None, description="what it boots; needed by nfvcap guest create")
    cpu: kind.CpuModel = Field(
        default=None, description="auto: host-passthrough, on an emulated processor Westmere; or a model of libvirt"
    )
    viommu: bool = Field(default=True, description="an IOMMU for the guest: vfio-pci and DPDK inside need it")
    vf_slots: kind.SlotCount | None = Field(
        default=None, description="slots for VFs, each with a fixed address in the guest; default 4, or as many as vfs"
    )
    network: kind.NetworkName | None = Field(
        default=None, description="libvirt network for a management NIC; default: no such NIC"
    )
    inside: GuestInside = Field(default=GuestInside(), description="huge pages and isolated vCPUs in the guest itself")

    @property
    def vf_count(self) -> int:
        return self.vfs if self.vfs is not None else int(self.pf is not None)

    @property
    def slot_count(self) -> int:
        return self.vf_slots if self.vf_slots is not None else max(4, self.vf_count)


class MirrorIntent(IntentModel):
    """Consent to what copying frames may need beyond the documented interfaces of drivers."""

    registers: bool = Field(
        default=False,
        description="allow writing mirror registers of igb and ixgbe cards behind their driver; adds iomem=relaxed to"
        " the kernel arguments, and is never done under lockdown",
    )
    promisc: bool = Field(
        default=False, description="allow a trusted promiscuous VF, which sees the frames of all VFs of its port"
    )


class VfioIntent(IntentModel):
    options: dict[kind.OptionName, kind.OptionValue] = Field(default={}, description="options of vfio-pci")


def _pools(value: Any) -> Any:
    if value == kind.AUTO:
        return None
    if not isinstance(value, list | tuple):
        raise kind.bad(f"{value!r} is neither auto nor a list", "write auto, or - {size: 2M, node: 0, memory: 4G}")
    return value


class _AutoInSchema:
    """In the JSON Schema the word ``auto`` stands where the model has None."""

    def __get_pydantic_json_schema__(self, core: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = dict(handler(core))
        schema["anyOf"] = [{"const": kind.AUTO} if part == {"type": "null"} else part for part in schema["anyOf"]]
        return schema


Pools = Annotated[tuple[PoolIntent, ...] | None, BeforeValidator(_pools), _AutoInSchema()]


class Intent(IntentModel):
    iommu: IommuIntent = Field(default=IommuIntent(), description="address translation for devices")
    hugepages: Pools = Field(default=None, description="auto (from the guests) or a list of pools")
    hugepages_reserve_bytes: kind.Reserve | None = Field(
        default=None, alias="hugepages_reserve", description="memory per node that stays ordinary pages"
    )
    cpus: CpusIntent = Field(default=CpusIntent(), description="who runs where")
    pfs: tuple[PfIntent, ...] = Field(default=(), description="ports that hand out VFs")
    guests: dict[kind.GuestName, GuestIntent] = Field(default={}, description="guests to place, by name")
    vfio: VfioIntent = Field(default=VfioIntent(), description="user-space drivers")
    mirror: MirrorIntent = Field(default=MirrorIntent(), description="consent to ways of copying guests' frames")
    kvm: bool | None = Field(
        default=None, description="install and start libvirt and QEMU; default: when there are guests"
    )
    kernel_args: tuple[kind.KernelToken, ...] = Field(default=(), description="more kernel arguments")

    @property
    def wants_kvm(self) -> bool:
        return self.kvm if self.kvm is not None else bool(self.guests)
