# SPDX-License-Identifier: Apache-2.0
"""Ports and their VFs: which NIC an inventory entry means, whether it may be touched, what each VF shall be."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field

from nfvcap.model.facts import Facts, Nic, Sriov
from nfvcap.model.intent import Intent, PfIntent, VfIntent
from nfvcap.model.plan import PfTarget, VfTarget
from nfvcap.planner.misfits import Misfits
from nfvcap.planner.reasons import Reasons

# Kernel drivers that check the source MAC of a VF unless told otherwise; with others the driver's choice is kept.
SPOOFCHK_BY_DEFAULT = frozenset({"igb", "ixgbe", "i40e", "ice"})
VFIO = "vfio-pci"


@dataclass
class Port:
    """One entry of ``pfs`` with the NIC that it means, and who takes which VF."""

    intent: PfIntent
    nic: Nic
    takers: dict[int, str] = field(default_factory=dict)  # VF index → guest

    @property
    def address(self) -> str:
        return self.nic.address

    @property
    def label(self) -> str:
        return f"{self.nic.address} ({self.nic.name})" if self.nic.name else self.nic.address

    def free_vfs(self) -> list[int]:
        return [index for index in range(self.intent.vfs) if index not in self.takers]

    def driver_of(self, index: int) -> str:
        """Driver wanted for a VF; "" is the kernel's default."""
        name = self.intent.vf.get(index, VfIntent()).driver or self.intent.driver
        return "" if name == "kernel" else name


def protected_nics(facts: Facts) -> tuple[str, ...]:
    """Addresses of the NICs that carry ssh or the default route."""
    return tuple(sorted(nic.address for nic in facts.nics if nic.carries))


def find_nic(name: str, facts: Facts) -> Nic | None:
    """The NIC with this PCI address or interface name (also an alternative one)."""
    return next((nic for nic in facts.nics if name in nic.names), None)


def resolve_ports(intent: Intent, facts: Facts, misfits: Misfits) -> dict[str, Port]:
    """Usable ports by PCI address, in the order of the inventory; every other entry is a misfit."""
    ports: dict[str, Port] = {}
    for entry in intent.pfs:
        nic = find_nic(entry.pf, facts)
        if nic is None:
            _unknown_nic(entry.pf, facts, misfits)
        elif nic.address in ports:
            misfits.add(
                "NFV-PLAN-012",
                f"{entry.pf} and {ports[nic.address].intent.pf} are the same port {nic.address}",
                fix="keep one of the two entries",
            )
        elif _usable(entry, nic, misfits):
            ports[nic.address] = Port(entry, nic)
    return ports


def _unknown_nic(name: str, facts: Facts, misfits: Misfits) -> None:
    able = [nic for nic in facts.nics if nic.sriov and not nic.carries]
    names = [word for nic in able for word in nic.names]
    near = difflib.get_close_matches(name, names, n=1)
    listing = ", ".join(f"{nic.address} ({nic.name or nic.driver or 'no driver'})" for nic in able) or "none"
    misfits.add(
        "NFV-PLAN-010",
        f"there is no NIC {name}",
        f"NICs that can have VFs: {listing}",
        f"did you mean {near[0]}?" if near else "name one of them",
    )


def _usable(entry: PfIntent, nic: Nic, misfits: Misfits) -> bool:
    if nic.carries:
        way = f" through {' → '.join(nic.carries_via)}" if nic.carries_via else ""
        load = " and ".join("the ssh connection" if what == "ssh" else "the default route" for what in nic.carries)
        misfits.add(
            "NFV-PLAN-011",
            f"{nic.address} ({nic.name or 'no interface'}) is never touched: it carries {load}{way}",
            "creating VFs resets the port, and the host could no longer be reached",
            "take this port out of pfs, or move ssh and the default route to another NIC first",
        )
    elif nic.physfn:
        misfits.add("NFV-PLAN-013", f"{nic.address} is itself a VF of {nic.physfn}", fix=f"name the port {nic.physfn}")
    elif nic.sriov is None:
        misfits.add(
            "NFV-PLAN-014",
            f"{nic.address} ({nic.name or 'no interface'}, driver {nic.driver or 'none'}) has no SR-IOV",
            "its PCI configuration has no SR-IOV capability",
            "enable SR-IOV in the firmware of the machine and of the NIC, or use another port",
        )
    elif entry.vfs > nic.sriov.total_vfs:
        misfits.add(
            "NFV-PLAN-015",
            f"{nic.address} can have {nic.sriov.total_vfs} VFs, {entry.vfs} are wanted:"
            f" {entry.vfs - nic.sriov.total_vfs} too many",
            fix=f"ask for at most {nic.sriov.total_vfs}, or raise the limit in the NIC's firmware",
        )
    elif entry.vfs and nic.driver is None:
        misfits.add(
            "NFV-PLAN-016",
            f"{nic.address} has no driver, so nobody can create its VFs",
            fix="load the NIC's kernel driver (see dmesg for why it did not bind)",
        )
    else:
        return True
    return False


def check_driverctl(ports: dict[str, Port], facts: Facts, misfits: Misfits) -> None:
    """Refuse what driverctl would undo at the next boot; a record that says the same as the plan is welcome."""
    for port in ports.values():
        # A port's driver is nobody's wish: it has to keep the one that makes its VFs now.
        wanted = {port.address: (port.label, port.nic.driver or "")}
        for index in range(port.intent.vfs):
            wanted[vf_address(port.nic, index)] = (f"VF {index} of {port.label}", port.driver_of(index))
        for address, (label, driver) in wanted.items():
            kept = facts.driverctl.get(address)
            if kept is not None and kept != driver:
                misfits.add(
                    "NFV-PLAN-061",
                    f"driverctl gives {label} to {kept} at each boot, the plan needs"
                    f" {driver or 'the driver that the kernel chooses'}",
                    f"/etc/driverctl.d/pci-{address}",
                    f"driverctl unset-override {address}"
                    + ("" if address == port.address else f", or ask for driver: {kept} in the inventory"),
                )


def take_vfs(guest: str, port: Port, count: int) -> tuple[str, ...]:
    """Give the guest the first free VFs of the port; the caller has checked that there are enough."""
    chosen = port.free_vfs()[:count]
    for index in chosen:
        port.takers[index] = guest
    return tuple(f"{port.address}:vf{index}" for index in chosen)


def targets(ports: dict[str, Port], reasons: Reasons) -> tuple[PfTarget, ...]:
    """What the ports and their VFs shall be, in the order of the inventory."""
    return tuple(_pf_target(port, reasons) for port in ports.values())


def _pf_target(port: Port, reasons: Reasons) -> PfTarget:
    indexes = range(port.intent.vfs)
    reasons.add(
        f"pfs.{port.address}",
        f"{port.intent.vfs} VFs on {port.label} as the inventory says"
        + (f", of at most {port.nic.sriov.total_vfs}" if port.nic.sriov else "")
        + "; the port is set up because VFs of a port that is down have no link.",
    )
    for index in indexes:
        taker = port.takers.get(index)
        if taker:
            reasons.add(f"pfs.{port.address}.vf{index}", f"VF {index} goes to guest {taker}, its first free VF.")
        elif port.driver_of(index) == VFIO:
            reasons.add(
                f"pfs.{port.address}.vf{index}",
                f"VF {index} is bound to vfio-pci so that a program on the host (DPDK) or a guest can drive it;"
                " the IOMMU confines what the device may reach.",
            )
    return PfTarget(
        address=port.address,
        name=port.nic.name,
        node=port.nic.node,
        num_vfs=port.intent.vfs,
        vfs=tuple(_vf_target(port, index) for index in indexes),
    )


def _vf_target(port: Port, index: int) -> VfTarget:
    own, common = port.intent.vf.get(index, VfIntent()), port.intent.vf_defaults

    def pick(name: str, default: object) -> object:
        for source in (own, common):
            value: object = getattr(source, name)
            if value is not None:
                return value
        return default

    return VfTarget.model_validate(
        {
            "index": index,
            "address": vf_address(port.nic, index),
            "mac": own.mac,
            "vlan": pick("vlan", 0),
            "qos": pick("qos", 0),
            "trust": pick("trust", False),
            "spoofchk": pick("spoofchk", True if port.nic.driver in SPOOFCHK_BY_DEFAULT else None),
            "min_tx_rate_mbps": pick("min_tx_rate_mbps", 0),
            "max_tx_rate_mbps": pick("max_tx_rate_mbps", 0),
            "link_state": pick("link_state", "auto"),
            "driver": port.driver_of(index),
        }
    )


def vf_address(nic: Nic, index: int) -> str:
    """Address of a VF: as found, else computed from offset and stride; "" when neither is known."""
    if nic.sriov is None:
        return ""
    for vf in nic.sriov.vfs:
        if vf.index == index:
            return vf.address
    return _computed_address(nic.address, nic.sriov, index)


def _computed_address(pf: str, sriov: Sriov, index: int) -> str:
    if sriov.offset is None or sriov.stride is None:
        return ""
    domain, bus, slot = pf.split(":")
    device, function = slot.split(".")
    routing_id = (int(bus, 16) << 8 | int(device, 16) << 3 | int(function)) + sriov.offset + index * sriov.stride
    if routing_id > 0xFFFF:
        return ""
    return f"{domain}:{routing_id >> 8:02x}:{routing_id >> 3 & 0x1F:02x}.{routing_id & 7}"
