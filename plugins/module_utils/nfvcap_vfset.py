# SPDX-License-Identifier: Apache-2.0
"""The set of virtual functions of one PF: how many there are, and how that number is changed.

Writing ``sriov_numvfs`` destroys what is there, can block in a driver for ever, and returns before all is in place.
So it is only written when the number differs, in a child process with a time limit, and waited for afterwards.
"""

from __future__ import annotations

import errno

from .nfvcap_driver import DEVICES
from .nfvcap_failure import Failure
from .nfvcap_host import Host
from .nfvcap_vfattr import pf_interface

LINKS_TIMEOUT_S = 30.0
UP_TIMEOUT_S = 15.0
_WORDS = {
    errno.ENOMEM: "the firmware has not left room for the VFs' memory: `pci=realloc` on the kernel command line, or "
    "'above 4G decoding' and SR-IOV in the firmware setup",
    errno.EBUSY: "VFs are in use, or another program changes the number at this moment",
    errno.ERANGE: "the device does not offer so many",
    errno.EINVAL: "the driver does not take this number",
    errno.ENOENT: "the PF's driver cannot create VFs",
    errno.ENODEV: "the device is gone, or its firmware has SR-IOV switched off",
    errno.EIO: "the device did not answer",
}


def vf_address(host: Host, pf: str, index: int) -> str | None:
    """PCI address of a VF; None while it does not exist."""
    return host.link_name(f"{DEVICES}/{pf}/virtfn{index}")


def bring_up(host: Host, pf: str) -> None:
    """Set the PF's interface up: VFs have no link without it, and some drivers create none.

    Raises:
        Failure: NFV-SRIOV-008.
    """
    name = pf_interface(host, pf)
    if name is None:
        return  # A PF on vfio-pci has no interface; its user brings it up.
    host.must(
        ["ip", "link", "set", "dev", name, "up"],
        "NFV-SRIOV-008",
        f"the interface {name} of {pf} could not be set up",
        "`dmesg` on the host has the driver's own words",
    )
    if not host.wait_until(lambda: is_up(host, pf), UP_TIMEOUT_S):
        raise Failure(
            "NFV-SRIOV-008",
            f"the interface {name} of {pf} does not stay up",
            "it was set up, and is down again",
            "see whether NetworkManager or systemd-networkd on the host takes it down",
        )


def is_up(host: Host, pf: str) -> bool:
    """Whether the PF's interface is set up (IFF_UP)."""
    name = pf_interface(host, pf)
    flags = host.value(f"/sys/class/net/{name}/flags") if name else None
    return flags is not None and bool(int(flags, 16) & 1)


def set_autoprobe(host: Host, pf: str, enabled: bool) -> None:
    """Whether the kernel gives new VFs to a driver by itself; a device without the switch always does."""
    path = f"{DEVICES}/{pf}/sriov_drivers_autoprobe"
    if host.exists(path) and (host.value(path) != "0") != enabled:
        host.write(path, "1\n" if enabled else "0\n")


def recreate(host: Host, pf: str, count: int, timeout_s: float) -> None:
    """Destroy the VFs that are there and create ``count``; they have no driver when autoprobe is off.

    Raises:
        Failure: NFV-SRIOV-006 the write blocks, NFV-SRIOV-007 it fails, NFV-SRIOV-009 VFs do not appear.
    """
    if host.number(f"{DEVICES}/{pf}/sriov_numvfs") != 0:
        _write(host, pf, 0, timeout_s)
    if count:
        _write(host, pf, count, timeout_s)
    if not host.wait_until(lambda: _all_there(host, pf, count), LINKS_TIMEOUT_S):
        there = [index for index in range(count) if _is_there(host, pf, index)]
        raise Failure(
            "NFV-SRIOV-009",
            f"{pf}: {len(there)} of {count} VFs appeared within {LINKS_TIMEOUT_S:g} s",
            f"sriov_numvfs says {host.value(f'{DEVICES}/{pf}/sriov_numvfs')}",
            "`dmesg` on the host has the driver's own words",
        )


def _write(host: Host, pf: str, count: int, timeout_s: float) -> None:
    path = f"{DEVICES}/{pf}/sriov_numvfs"
    try:
        host.write_bounded(path, f"{count}\n", timeout_s)
    except TimeoutError as error:
        raise Failure(
            "NFV-SRIOV-006",
            f"{pf}: the driver does not answer to sriov_numvfs = {count}",
            f"the write was given up after {timeout_s:g} s",
            "`dmesg` on the host has the driver's own words; a driver that hangs lets go only at a reboot",
        ) from error
    except OSError as error:
        raise Failure(
            "NFV-SRIOV-007",
            f"{pf}: the kernel refuses sriov_numvfs = {count}",
            f"{error.strerror}: {_WORDS.get(error.errno or 0, 'see the kernel log')}",
            "`dmesg` on the host has the driver's own words",
        ) from error


def _all_there(host: Host, pf: str, count: int) -> bool:
    number = host.number(f"{DEVICES}/{pf}/sriov_numvfs")
    return number == count and all(_is_there(host, pf, index) for index in range(count))


def _is_there(host: Host, pf: str, index: int) -> bool:
    address = vf_address(host, pf, index)
    return address is not None and host.exists(f"{DEVICES}/{address}")
