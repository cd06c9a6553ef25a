# SPDX-License-Identifier: Apache-2.0
"""Administrative attributes of virtual functions: compared by one rule, set through the PF's interface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .nfvcap_failure import Failure
from .nfvcap_host import Host
from .nfvcap_links import Links

DEVICES = "/sys/bus/pci/devices"
ATTRIBUTES = ("mac", "vlan", "qos", "trust", "spoofchk", "min_tx_rate_mbps", "max_tx_rate_mbps", "link_state")
# What a VF has when nobody set anything. A driver that does not report an attribute is taken to have these.
KERNEL_DEFAULTS: dict[str, Any] = {
    "vlan": 0, "qos": 0, "trust": False, "spoofchk": True, "min_tx_rate_mbps": 0, "max_tx_rate_mbps": 0,
    "link_state": "auto",
}  # fmt: skip
# To change one of these takes the network away from whoever uses the VF at the moment.
DISRUPTIVE = ("mac", "vlan", "qos", "trust")
CARRIER_TIMEOUT_S = 15.0


@dataclass(frozen=True)
class VfWanted:
    """What one VF shall be; None leaves an attribute alone. ``driver`` "" is the kernel's default driver."""

    index: int
    mac: str | None = None
    vlan: int | None = None
    qos: int | None = None
    trust: bool | None = None
    spoofchk: bool | None = None
    min_tx_rate_mbps: int | None = None
    max_tx_rate_mbps: int | None = None
    link_state: str | None = None
    driver: str = ""


def differing(wanted: VfWanted, reported: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Attribute → (reported, wanted) where they differ."""
    found = {}
    for name in ATTRIBUTES:
        want, have = getattr(wanted, name), reported.get(name)
        if want is None or have == want or (have is None and KERNEL_DEFAULTS.get(name) == want):
            continue
        if name == "mac" and have is not None and str(have).lower() == str(want).lower():
            continue
        found[name] = (have, want)
    return found


def special(wanted: VfWanted) -> dict[str, Any]:
    """What is wanted beyond the defaults: the changes that a VF needs which does not exist yet."""
    return {
        name: getattr(wanted, name)
        for name in ATTRIBUTES
        if getattr(wanted, name) is not None and getattr(wanted, name) != KERNEL_DEFAULTS.get(name)
    }


def pf_interface(host: Host, address: str) -> str | None:
    """The PF's interface at this moment; udev may rename it between two calls, so it is never kept."""
    names = host.listdir(f"{DEVICES}/{address}/net")
    return names[0] if len(names) == 1 else (Links(host).of_device(address) if names else None)


def set_attributes(host: Host, pf: str, wanted: VfWanted, reported: dict[str, Any]) -> None:
    """Set what differs, one attribute at a time, so that a refusal can be told exactly. The caller reads back.

    Raises:
        Failure: NFV-VF-001 the PF has no interface, NFV-VF-002 the driver refuses.
    """
    differences = differing(wanted, reported)
    if not differences:
        return
    if any(differences.get(rate, (0, 0))[1] for rate in ("min_tx_rate_mbps", "max_tx_rate_mbps")):
        # Drivers take rates as a share of the link's speed, which is not known without a link.
        host.wait_until(lambda: _has_carrier(host, pf), CARRIER_TIMEOUT_S)
    for words in _commands(wanted, reported, differences):
        name = pf_interface(host, pf)
        if name is None:
            raise Failure(
                "NFV-VF-001",
                f"VF {wanted.index} of {pf}: {', '.join(differences)} cannot be set",
                "the PF has no network interface: its driver is not a kernel network driver",
                "give the PF back to its kernel driver, or take the attributes out of the inventory",
            )
        done = host.run(["ip", "link", "set", "dev", name, "vf", str(wanted.index), *words])
        if not done.ok:
            driver = host.link_name(f"{DEVICES}/{pf}/driver")
            raise Failure(
                "NFV-VF-002",
                f"VF {wanted.index} of {pf}: the driver {driver} refuses {' '.join(words)}",
                done.complaint,
                "not every driver knows every attribute, and rates need a link; take it out of the inventory, or see "
                "`dmesg` on the host",
            )


def _commands(wanted: VfWanted, reported: dict[str, Any], differences: dict[str, tuple[Any, Any]]) -> list[list[str]]:
    """Arguments for `ip link set dev PF vf N`, trust first: a driver may accept the rest only from a trusted VF."""

    def value(name: str) -> str:
        want = getattr(wanted, name)
        return str(want if want is not None else reported.get(name) or 0)

    found = []
    if "trust" in differences:
        found.append(["trust", "on" if wanted.trust else "off"])
    if "spoofchk" in differences:
        found.append(["spoofchk", "on" if wanted.spoofchk else "off"])
    if "mac" in differences:
        found.append(["mac", str(wanted.mac)])
    if "vlan" in differences or "qos" in differences:
        found.append(["vlan", value("vlan"), "qos", value("qos")])
    if "min_tx_rate_mbps" in differences or "max_tx_rate_mbps" in differences:
        found.append(["min_tx_rate", value("min_tx_rate_mbps"), "max_tx_rate", value("max_tx_rate_mbps")])
    if "link_state" in differences:
        found.append(["state", str(wanted.link_state)])
    return found


def _has_carrier(host: Host, pf: str) -> bool:
    name = pf_interface(host, pf)
    # The file says EINVAL while the interface is down; that is no carrier either.
    return name is not None and host.value(f"/sys/class/net/{name}/carrier") == "1"
