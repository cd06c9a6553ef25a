# SPDX-License-Identifier: Apache-2.0
"""Ears: a tcpdump at each place of a mirror rule, on the host, in one of its network namespaces, or inside a guest.

An ear ends by itself even if nobody comes back for it; on the host it is a transient unit of systemd.
"""

from __future__ import annotations

from typing import Any

from .nfvcap_failure import Failure
from .nfvcap_guestear import close_in_guest, holder, open_in_guest
from .nfvcap_host import Host
from .nfvcap_mirror_rule import GUEST_NIC, VF, Place
from .nfvcap_mirror_software import device_of
from .nfvcap_numbered import PORT, in_ranges, numbers
from .nfvcap_vfset import vf_address

_FOLDER = "/run/nfvcap-ears"
START_TIMEOUT_S = 20.0
_SNAP_BYTES = 96
_FILTER = f"udp dst port {PORT} or (vlan and udp dst port {PORT})"


def open_ear(host: Host, pf: str, place: Place, token: str, longest_s: int) -> dict[str, Any]:
    """Start listening, for ``longest_s`` at most; returns what :func:`close_ear` needs.

    Raises:
        Failure: NFV-MIRROR-030 there is nothing to listen at, -031 tcpdump does not start.
    """
    if place.kind == VF:
        address = vf_address(host, pf, place.index) or ""
        guest = holder(host, address)
        if guest:
            words = {"path": f"/tmp/nfvcap-ear-{token}.pcap", "snap_bytes": _SNAP_BYTES, "filter": _FILTER}
            return open_in_guest(host, guest, pf, place.index, {**words, "longest_s": longest_s})
        namespace, interface = _interface_of(host, address)
        if not interface:
            raise Failure(
                "NFV-MIRROR-030", f"{place} has no interface on this host to listen at",
                f"{address or 'it does not exist'}: no kernel network driver has it here",
                "a guest is asked through its agent; a program of DPDK counts by itself",
            )  # fmt: skip
    else:
        namespace, interface = "", device_of(host, place, pf) if place.kind == GUEST_NIC else place.interface
    return _listen(host, namespace, interface, token, longest_s)


def _interface_of(host: Host, address: str) -> tuple[str, str]:
    """(network namespace, interface) of a PCI device; a namespace shows only its own interfaces in /sys."""
    names = host.listdir(f"/sys/bus/pci/devices/{address}/net")
    if names:
        return "", names[0]
    for namespace in host.listdir("/run/netns"):
        done = host.run(["ip", "netns", "exec", namespace, "ls", f"/sys/bus/pci/devices/{address}/net"])
        if done.ok and done.stdout.split():
            return namespace, done.stdout.split()[0]
    return "", ""


def _listen(host: Host, namespace: str, interface: str, token: str, longest_s: int) -> dict[str, Any]:
    if host.status(_FOLDER) is None:
        host.make_folder(_FOLDER, 0o700)
    path, unit = f"{_FOLDER}/{token}.pcap", f"nfvcap-ear-{token}"
    dump = ["tcpdump", "-n", "-U", "--immediate-mode", "-Z", "root", "-i", interface, "-s", str(_SNAP_BYTES),
            "-B", "8192", "-w", path, _FILTER]  # fmt: skip
    inside = ["ip", "netns", "exec", namespace] if namespace else []
    done = host.run(["systemd-run", "--quiet", "--collect", f"--unit={unit}", f"--property=RuntimeMaxSec={longest_s}",
                     *inside, *dump])  # fmt: skip
    # tcpdump writes the head of its file when it begins to listen.
    if not done.ok or not host.wait_until(lambda: (host.status(path) or _NO_FILE).st_size > 0, START_TIMEOUT_S):
        said = host.run(["journalctl", "-q", "-u", unit, "-n", "3", "-o", "cat"]).stdout.strip()
        host.run(["systemctl", "stop", unit])
        raise Failure(
            "NFV-MIRROR-031", f"nobody listens at {interface}", said or done.complaint, "install tcpdump on the host"
        )
    return {"unit": unit, "path": path}


class _NoFile:
    st_size = 0


_NO_FILE: Any = _NoFile()


def close_ear(host: Host, ear: dict[str, Any]) -> dict[str, Any]:
    """Stop listening and count the frames of the ear's ``flow``; the capture is removed.

    Raises:
        Failure: NFV-MIRROR-031 there is no capture.
    """
    flow = int(ear.get("flow", 0))
    if "guest" in ear:
        return counted(close_in_guest(ear), flow)
    host.run(["systemctl", "stop", str(ear["unit"])])
    data = host.read_bytes(str(ear["path"])) or b""
    host.remove(str(ear["path"]))
    host.remove_folder(_FOLDER)
    return counted(data, flow)


def counted(data: bytes, flow: int) -> dict[str, Any]:
    """How many frames of a flow are in a capture, and which."""
    try:
        found = numbers(data, flow)
    except ValueError as error:
        raise Failure("NFV-MIRROR-031", "an ear has heard nothing", str(error), "run the test again") from error
    return {"received": len(found), "ranges": in_ranges(found)}
