# SPDX-License-Identifier: Apache-2.0
"""Which driver has a PCI device: bound through ``driver_override``, checked, and rolled back when it does not take."""

from __future__ import annotations

from dataclasses import dataclass

from .nfvcap_failure import Failure
from .nfvcap_host import Host

DEVICES = "/sys/bus/pci/devices"
DRIVERS = "/sys/bus/pci/drivers"
PROBE = "/sys/bus/pci/drivers_probe"
# Where driverctl keeps the overrides that it re-applies at boot, one file per device.
DRIVERCTL = "/etc/driverctl.d"
DEFAULT = ""
VFIO = "vfio-pci"
# A driver's probe talks to hardware; a network driver may wait for firmware.
BIND_TIMEOUT_S = 30.0
# Other members of an IOMMU group that do not keep VFIO from handing out the group.
_HARMLESS = (None, VFIO, "pci-stub", "pcieport", "shpchp")


@dataclass(frozen=True)
class Binding:
    """Driver and override of a device as they are."""

    driver: str | None
    override: str | None


def read_binding(host: Host, address: str) -> Binding:
    """What sysfs says of one device."""
    override = host.value(f"{DEVICES}/{address}/driver_override")
    return Binding(host.link_name(f"{DEVICES}/{address}/driver"), None if override == "(null)" else override)


def is_satisfied(binding: Binding, wanted: str, held_by_guest: bool = False) -> bool:
    """Whether the device has the driver it shall have; "" stands for the kernel's default driver.

    A device that a libvirt guest has borrowed is on vfio-pci until the guest gives it back: that is no difference.
    """
    if wanted != DEFAULT:
        return binding.driver == wanted
    return held_by_guest or (binding.driver not in (None, VFIO) and binding.override is None)


def refuse_without_vfio(host: Host) -> None:
    """What VFIO needs whatever the device is.

    Raises:
        Failure: NFV-DRV-001 driver not loaded, NFV-DRV-003 no IOMMU.
    """
    if not host.listdir("/sys/class/iommu"):
        raise Failure(
            "NFV-DRV-003",
            f"nothing can go to {VFIO}: this kernel runs without an IOMMU",
            "/sys/class/iommu is empty: it is off in the firmware, or on the kernel command line that is running",
            "enable VT-d or AMD-Vi in the firmware, apply the kernel arguments, reboot",
        )
    if not host.exists(f"{DRIVERS}/{VFIO}"):
        raise Failure(
            "NFV-DRV-001",
            f"nothing can go to {VFIO}: the driver is not loaded",
            f"there is no {DRIVERS}/{VFIO}",
            "apply the role `iommu` first; `modprobe vfio-pci` on the host says why it does not load",
        )


def refuse(host: Host, address: str, wanted: str, together: frozenset[str]) -> None:
    """Everything that is known to go wrong is said before anything is touched.

    Args:
        together: devices that go to VFIO in the same run, so they do not stand in each other's way.

    Raises:
        Failure: NFV-DRV-001 driver not loaded, NFV-DRV-002 contradicts driverctl, NFV-DRV-003 no IOMMU group,
            NFV-DRV-004 others in the IOMMU group, NFV-DRV-005 no such device.
    """
    if not host.exists(f"{DEVICES}/{address}"):
        raise Failure(
            "NFV-DRV-005",
            f"there is no PCI device {address}",
            f"nothing at {DEVICES}/{address}",
            "run `nfvcap plan` again",
        )
    kept = host.value(f"{DRIVERCTL}/pci-{address}")
    if kept is not None and kept != wanted:
        raise Failure(
            "NFV-DRV-002",
            f"driverctl has an override for {address} that says something else",
            f"{DRIVERCTL}/pci-{address} says {kept}, the plan says {wanted or 'the default driver'}",
            f"`driverctl unset-override {address}`, or ask for `driver: {kept}` in the inventory",
        )
    if wanted == VFIO:
        _refuse_vfio(host, address, together)


def _refuse_vfio(host: Host, address: str, together: frozenset[str]) -> None:
    refuse_without_vfio(host)
    group = host.link_name(f"{DEVICES}/{address}/iommu_group")
    if group is None:
        raise Failure(
            "NFV-DRV-003",
            f"{address} cannot go to {VFIO}: it has no IOMMU group",
            "the kernel has an IOMMU, but does not use it for this device",
            "see `dmesg | grep -i -e dmar -e iommu` on the host; firmware tables may leave the slot out",
        )
    others = [
        f"{other} ({driver})"
        for other in host.listdir(f"/sys/kernel/iommu_groups/{group}/devices")
        for driver in [host.link_name(f"{DEVICES}/{other}/driver")]
        if other != address and other not in together and driver not in _HARMLESS
    ]
    if others:
        raise Failure(
            "NFV-DRV-004",
            f"{address} cannot go to {VFIO}: it shares IOMMU group {group}",
            f"the group also holds {', '.join(others)}, and VFIO hands out whole groups only",
            "use a slot with ACS, or give the other devices to vfio-pci, too",
        )


def bind(host: Host, address: str, wanted: str) -> None:
    """Give the device to a driver and read it back; on failure the former driver has it again.

    Raises:
        Failure: NFV-DRV-006.
    """
    former = read_binding(host, address)
    trouble = _try_bind(host, address, wanted)
    if trouble is None:
        return
    back = _back(host, address, former)
    raise Failure(
        "NFV-DRV-006",
        f"{address} could not be given to {wanted or 'its default driver'}",
        f"{trouble}; {back}",
        "the kernel log of the host (`dmesg`) has the driver's own words",
    )


def _try_bind(host: Host, address: str, wanted: str) -> str | None:
    """None on success, else what went wrong."""
    try:
        if wanted in (DEFAULT, VFIO):
            _rebind(host, address, wanted)
        else:
            # An override would hide this device from everybody else's rules; it is the last resort.
            _rebind(host, address, DEFAULT)
            if read_binding(host, address).driver != wanted:
                _rebind(host, address, wanted)
    except OSError as error:
        return str(error)
    host.wait_until(lambda: is_satisfied(read_binding(host, address), wanted), BIND_TIMEOUT_S)
    found = read_binding(host, address)
    if is_satisfied(found, wanted):
        return None
    return f"after the binding it has {found.driver or 'no driver'} (override {found.override or 'none'})"


def _rebind(host: Host, address: str, override: str) -> None:
    """Override first: from the moment the device is free, only the wanted driver can take it."""
    device = f"{DEVICES}/{address}"
    host.write(f"{device}/driver_override", f"{override}\n")
    if host.link_name(f"{device}/driver") not in (None, override):
        host.write_bounded(f"{device}/driver/unbind", address, BIND_TIMEOUT_S)
    if host.link_name(f"{device}/driver") is None:
        _probe(host, address, override)


def _probe(host: Host, address: str, override: str) -> None:
    """Let the kernel look for a driver. For a VF without an override it does so only while its PF says autoprobe."""
    switch = f"{DEVICES}/{address}/physfn/sriov_drivers_autoprobe"
    closed = override == DEFAULT and host.value(switch) == "0"
    if closed:
        host.write(switch, "1\n")
    try:
        host.write_bounded(PROBE, address, BIND_TIMEOUT_S)
    finally:
        if closed:
            host.write(switch, "0\n")


def _back(host: Host, address: str, former: Binding) -> str:
    """Undo a failed binding; tells in words whether it worked."""
    device = f"{DEVICES}/{address}"
    try:
        host.write(f"{device}/driver_override", f"{former.override or ''}\n")
        now = host.link_name(f"{device}/driver")
        if now != former.driver:
            if now is not None:
                host.write_bounded(f"{device}/driver/unbind", address, BIND_TIMEOUT_S)
            if former.driver is not None:
                host.write_bounded(f"{DRIVERS}/{former.driver}/bind", address, BIND_TIMEOUT_S)
    except OSError as error:
        return f"and {former.driver or 'the former state'} could not be restored: {error}"
    found = read_binding(host, address)
    if found != former:
        return f"and it has {found.driver or 'no driver'} now instead of {former.driver or 'none'}"
    return f"{former.driver} has it again" if former.driver else "it has no driver, as before"


def restore_binding(host: Host, address: str, driver: str | None, override: str | None) -> None:
    """Back to a recorded driver and override; a device that has gone has nothing to restore.

    Raises:
        Failure: NFV-DRV-006.
    """
    before = Binding(driver, override)
    if not host.exists(f"{DEVICES}/{address}") or read_binding(host, address) == before:
        return
    said = _back(host, address, before)
    if read_binding(host, address) != before:
        raise Failure(
            "NFV-DRV-006", f"{address} did not get its former driver back", said, "the kernel log of the host says more"
        )


def reload(host: Host, address: str) -> None:
    """Take the device from its driver and give it back, so that the driver starts anew.

    Raises:
        Failure: NFV-DRV-006.
    """
    former = read_binding(host, address)
    try:
        host.write_bounded(f"{DEVICES}/{address}/driver/unbind", address, BIND_TIMEOUT_S)
        host.write_bounded(f"{DRIVERS}/{former.driver}/bind", address, BIND_TIMEOUT_S)
    except OSError as error:
        raise Failure(
            "NFV-DRV-006",
            f"{address}: the driver {former.driver} could not be started anew",
            str(error),
            "the kernel log of the host (`dmesg`) has the driver's own words; then run again",
        ) from error
