# SPDX-License-Identifier: Apache-2.0
"""Ports of a host that a measurement may use beside VFs: which, as what, and why not. Pure.

Only a PF that the plan of the host names is used, and never one that carries ssh or a default route.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from nfvcap.model.facts import Facts, Nic
from nfvcap.verify.case import PLAN
from nfvcap.verify.packets.engines.vf import GuestVf

_NO_VF = -1
_VFIO = "vfio_pci"


def planned(facts: Facts) -> tuple[str, ...]:
    """PCI addresses of the PFs in the plan that the host was provisioned with; () without one."""
    record = facts.files.get(PLAN)
    try:
        plans = json.loads((record.content if record else None) or "{}")["nfvcap_plan"]
        return tuple(str(pf["address"]) for plan in plans.values() for pf in plan["desired"]["pfs"])
    except (ValueError, KeyError, TypeError):
        return ()


@dataclass(frozen=True)
class Choice:
    """The port that was chosen, or why none."""

    nic: Nic | None
    why: str = ""


def choose(facts: Facts, preferred: Sequence[str] = (), among: Sequence[str] | None = None) -> Choice:
    """A planned PF whose interface can be used now.

    Args:
        preferred: PFs to be taken before others.
        among: only these; None: all that are planned.
    """
    wanted = [pf for pf in planned(facts) if among is None or pf in among]
    if not wanted:
        return Choice(None, "no port that frames come to is named by the plan of the host: nfvcap provision")
    nics = {nic.address: nic for nic in facts.nics}
    lacks = {pf: _lacks(nics.get(pf)) for pf in wanted}
    usable = sorted((pf for pf, why in lacks.items() if not why), key=lambda pf: pf not in preferred)
    if usable:
        return Choice(nics[usable[0]])
    return Choice(None, "; ".join(f"{pf} {why}" for pf, why in lacks.items()))


def _lacks(nic: Nic | None) -> str:
    if nic is None:
        return "is not there"
    if nic.carries:
        return f"carries {' and '.join(nic.carries)} and is not touched"
    if nic.holder is not None:
        return f"is held by {nic.holder.name}"
    if not nic.name or not nic.mac:
        return f"has no interface: its driver is {nic.driver or 'none'}"
    return "" if nic.admin_up else f"is down ({nic.name}), and is left so"


def lent(nic: Nic) -> tuple[str, ...]:
    """VFs of a PF that somebody has now, in words."""
    vfs = nic.sriov.vfs if nic.sriov else ()
    return tuple(f"VF {vf.index} in {vf.holder.name}" for vf in vfs if vf.holder)


def whole(nic: Nic) -> GuestVf:
    """The PF itself as something that frames from outside reach by its own address."""
    return _port(nic, nic.address, str(nic.mac), str(nic.name), nic.address)


def virtual(nic: Nic, model: str, mac: str) -> GuestVf:
    """A virtual NIC over the PF; what the guest makes of it is not known yet."""
    return _port(nic, f"{model} NIC on {nic.address}", mac, "", "")


def _port(nic: Nic, address: str, mac: str, interface: str, guest_address: str) -> GuestVf:
    return GuestVf(
        address=address, pf=nic.address, pf_driver="", index=_NO_VF, mac=mac.lower(), vlan=0,
        link_mbps=max(0, nic.speed_mbps or 0), interface=interface, guest_address=guest_address,
    )  # fmt: skip


def virtual_mac(uuid: str, model: str) -> str:
    """A locally administered address for a guest's virtual NIC, the same each time."""
    digest = hashlib.sha256(f"{uuid} {model}".encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x02, 0x6E, 0x66, *digest[:3]))


def lendable(facts: Facts, named: str) -> Choice:
    """The PF of this address or name, if it can be lent to DPDK without taking anything from anybody."""
    nic = next((one for one in facts.nics if named in one.names), None)
    if nic is None or nic.address not in planned(facts):
        return Choice(None, f"{named} is no port that the plan of the host names")
    why = _lacks(nic) or next(_ties(facts, nic), "")
    return Choice(None, f"{nic.address} {why}") if why else Choice(nic)


def _ties(facts: Facts, nic: Nic) -> Iterator[str]:
    """Who needs a PF to stay as it is."""
    if nic.sriov is None:
        yield "has no SR-IOV"
        return
    if taken := lent(nic):
        yield f"has VFs that somebody uses: {', '.join(taken)}"
    vfs = {vf.address for vf in nic.sriov.vfs}
    if owners := [guest.name for guest in facts.guests if vfs & set(guest.hostdevs)]:
        yield f"has VFs that guests are defined with: {', '.join(owners)}"
    if busy := [one.name or one.address for one in facts.nics if one.physfn == nic.address and one.carries]:
        yield f"has VFs that carry the host's own traffic: {', '.join(busy)}"
    entries = (facts.ledger or {}).get("entries", {}).values()
    if any(entry.get("kind") == "mirror" and entry["rule"]["pf"] == nic.address for entry in entries):
        yield "has mirror rules: nfvcap mirror remove --all"
    if facts.module_parameters.get(_VFIO, {}).get("enable_sriov") is None:
        yield f"cannot have VFs there: {_support(facts)}"


def of_dpdk(nic: Nic, addresses: Sequence[str], token: str) -> tuple[GuestVf, ...]:
    """VFs of a PF that DPDK drives, for a program on the host itself, which gives each an address of its own."""
    return tuple(
        GuestVf(
            address=address, pf=nic.address, pf_driver="DPDK", index=index,
            mac=(mac := virtual_mac(nic.address, str(index))), vlan=0, link_mbps=max(0, nic.speed_mbps or 0),
            interface="", guest_address=address, keys=f",vf-token={token},mac={mac}",
        )
        for index, address in enumerate(addresses)
    )  # fmt: skip


def by_dpdk(nic: Nic) -> GuestVf:
    """The PF itself, which vfio-pci has."""
    return replace(whole(nic), interface="")


def no_dpdk(nic: Nic) -> str:
    """Why DPDK does not have the whole port: what was read from the host."""
    vfs = nic.sriov.num_vfs if nic.sriov else 0
    return f"{nic.address} is driven by {nic.driver or 'nobody'}, not by vfio-pci" + (
        f", and has {vfs} VFs, which end when its driver is changed{_of(lent(nic))}" if vfs else ""
    )


def no_dpdk_pf(facts: Facts, pfs: Sequence[str]) -> str:
    """Why no PF with VFs is driven by DPDK: what was read from the host, and how to have it."""
    return "; ".join([*_evidence(facts, pfs), _support(facts), "--dpdk-pf PF lends one whose VFs nobody has"])


def _evidence(facts: Facts, pfs: Sequence[str]) -> Iterator[str]:
    for nic in facts.nics:
        if nic.address not in pfs or nic.driver == "vfio-pci":
            continue
        vfs = nic.sriov.num_vfs if nic.sriov else 0
        yield f"{nic.address} is driven by {nic.driver or 'nobody'} with {vfs} VFs{_of(lent(nic))}"


def _support(facts: Facts) -> str:
    parameters = facts.module_parameters.get(_VFIO)
    if parameters is None:
        return "vfio_pci is not loaded: nothing there could drive a PF for DPDK"
    value = parameters.get("enable_sriov")
    if value is None:
        return f"vfio_pci of kernel {facts.os.kernel} has no parameter enable_sriov"
    may = "so it makes no VFs of a PF" if value == "N" else "but it has not been given the PF"
    return f"vfio_pci has enable_sriov={value}, {may}"


def _of(taken: Sequence[str]) -> str:
    return f" ({', '.join(taken)})" if taken else ""
