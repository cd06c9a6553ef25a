# SPDX-License-Identifier: Apache-2.0
"""Rows of the matrix with a NIC of their own: a guest has it for as long as they are measured, and not a moment longer.

The kernel of the guest has it first, then vfio-pci, for DPDK: as it goes afterwards, nobody else uses it there.
"""

from __future__ import annotations

import getpass
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nfvcap.apply import guestnic
from nfvcap.cli.matrix_found import Found, Measure, at
from nfvcap.cli.matrix_libpcap import by_tcpdump
from nfvcap.cli.matrix_libpcap import keys as of_tcpdump
from nfvcap.cli.output import say
from nfvcap.cli.spot import Spot
from nfvcap.door.door import must, shell
from nfvcap.errors import NfvcapError
from nfvcap.model.result import Check, HostResult, Verdict
from nfvcap.verify.packets.cells import E1000, PASSTHROUGH, VIRTIO, Key
from nfvcap.verify.packets.checks import failed, made
from nfvcap.verify.packets.engines.ports import Choice, virtual, virtual_mac
from nfvcap.verify.packets.engines.vf import GuestVf
from nfvcap.verify.packets.run import Wish

if TYPE_CHECKING:
    from nfvcap.cli.verify_guest import Looked

VIRTUAL = ("virtio", "e1000")
PASSED = "passthrough"
MODELS = {"virtio": VIRTIO, "e1000": E1000, PASSED: PASSTHROUGH}
CHECK = "NFV-PKT-021"
_SEEN_S = 30
# Nothing was plugged in, and the message says why that cannot be here.
_REFUSALS = ("NFV-ATTACH-", "NFV-SRIOV-", "NFV-GUEST-041")
_DEVICES = "ls /sys/bus/pci/devices"
# An interface with this address, or else PCI devices that were not there before; with their drivers. Behind an
# interface: its PCI device, and why vfio-pci could not have that one. Feature 33 of VirtIO is VIRTIO_F_ACCESS_PLATFORM:
# without it the device reads and writes memory past the IOMMU, wherever vfio-pci would send it.
_SEEN = """
n=$(($2 * 2)); known=" $3 "
while [ "$n" -gt 0 ]; do
  for i in /sys/class/net/*; do
    [ "$(cat "$i/address" 2>/dev/null)" = "$1" ] || continue
    d=$(readlink -f "$i/device") why=
    if [ -e "$d/features" ]; then
      [ "$(cut -c 34 "$d/features")" = 1 ] || why="it goes past the guest's IOMMU"
      d=${d%/*}
    fi
    [ -e "$d/iommu_group" ] || why="the guest has no IOMMU"
    [ -d /sys/bus/pci/drivers/vfio-pci ] || why="the guest's kernel has not loaded vfio-pci"
    echo "interface ${i##*/} $(basename "$(readlink "$i/device/driver")") ${d##*/} $why"; exit 0
  done
  for d in /sys/bus/pci/devices/*; do
    case $known in *" ${d##*/} "*) continue ;; esac
    [ "$(basename "$(readlink "$d/driver")")" = vfio-pci ] && n=1
  done
  sleep 0.5; n=$((n - 1))
done
for d in /sys/bus/pci/devices/*; do
  case $known in *" ${d##*/} "*) continue ;; esac
  echo "device ${d##*/} $(cat "$d/vendor"):$(cat "$d/device") $(basename "$(readlink "$d/driver")")"
done
"""
_TO_VFIO = """
d=/sys/bus/pci/devices/$1
echo vfio-pci >"$d/driver_override"
has() { [ "$(basename "$(readlink "$d/driver")")" = vfio-pci ]; }
has && exit 0
echo "$1" >"$d/driver/unbind"
echo "$1" >/sys/bus/pci/drivers_probe
has
"""


@dataclass(frozen=True)
class Sight:
    """What a guest has of its new NIC.

    Args:
        interface: name, "" without one.
        device: PCI address, "" when there is none.
        driver: of either; "" without one.
        id: vendor and device of a device without an interface.
        no_vfio: why vfio-pci cannot have it in the guest; "" when it can.
    """

    interface: str = ""
    device: str = ""
    driver: str = ""
    id: str = ""
    no_vfio: str = ""


def understood(lines: list[str]) -> Sight:
    """What the script in the guest has said."""
    for line in lines:
        words = [*line.split(" ", 4), "", "", "", ""]
        if words[0] == "interface":
            return Sight(interface=words[1], driver=words[2], device=words[3], no_vfio=words[4])
        if words[0] == "device":
            return Sight(device=words[1], id=words[2].replace("0x", ""), driver=words[3])
    return Sight()


@contextmanager
def temporary(looked: Looked, guest: str, model: str, choice: Choice) -> Iterator[Found]:
    """The rows of a virtual NIC over the chosen port, as long as the block."""
    if choice.nic is None:
        yield Found(reasons=dict.fromkeys(keys(model), choice.why))
        return
    found, mac = Found(), virtual_mac(looked.seen[guest]["uuid"], model)
    with plugged(looked, guest, model, virtual(choice.nic, model, mac), found):
        yield found


@contextmanager
def plugged(looked: Looked, guest: str, model: str, port: GuestVf, found: Found) -> Iterator[None]:
    """Find the rows of a model; the guest has the NIC as long as the block, whatever ends it."""
    title = f"{guest} {MODELS[model]} on {port.pf}"
    is_there = False
    try:
        try:
            say(f"{guest}: a temporary NIC ({model}) on {port.pf} …")
            with looked.guest_way(guest) as door:
                before = must(shell(door, _DEVICES), door).split()
                is_there = True  # until it is known that it is not
                why = _refused(looked, guest, model, port)
                is_there = not why
                found.reasons |= dict.fromkeys(keys(model), why) if why else {}
                if not why:
                    done = shell(door, _SEEN, port.mac, str(_SEEN_S), " ".join(before), timeout_s=3 * _SEEN_S)
                    sight = understood(must(done, door).splitlines())
                    _fill(found, looked, guest, port, model=model, sight=sight)
        except NfvcapError as error:
            found.checks.append(failed(title, error))
            found.reasons |= dict.fromkeys(keys(model), f"{error.what} [{error.code}]")
        yield
    finally:
        if is_there:
            found.checks.append(_out(looked, title))


def keys(model: str) -> tuple[Key, ...]:
    """Rows of a model; of a port that is passed through, those of tcpdump as well."""
    kernel, dpdk = ((MODELS[model], engine, "", 0) for engine in ("kernel", "DPDK"))
    return (kernel, *(of_tcpdump(PASSTHROUGH) if model == PASSED else ()), dpdk)


def _refused(looked: Looked, guest: str, model: str, port: GuestVf) -> str:
    """Plug it in; why that cannot be, or "" when the guest has it."""
    try:
        guestnic.plug(looked.fleet.target, looked.host, guest=guest, pf=port.pf, model=model, mac=port.mac,
                      by=f"{getpass.getuser()}@{socket.gethostname()}")  # fmt: skip
    except NfvcapError as error:
        if not error.code.startswith(_REFUSALS):
            raise
        return f"{error.what}: {error.why} [{error.code}]"
    return ""


def _fill(found: Found, looked: Looked, guest: str, port: GuestVf, *, model: str, sight: Sight) -> None:
    """The rows that can be measured with what the guest has made of the NIC."""
    found.reasons |= lacks(guest, model, sight)
    port = replace(port, interface=sight.interface, guest_address=sight.device)
    title = f"{guest} {MODELS[model]} on {port.pf}"
    spot = Spot(guest, (port,), lambda: looked.guest_way(guest), attachment=MODELS[model], title=title)
    kernel, *tcpdump, dpdk = keys(model)
    if kernel not in found.reasons:
        found.rows[kernel] = at(looked, spot, "kernel")
        more = by_tcpdump(looked, spot) if tcpdump else Found()
        found.rows |= more.rows
        found.reasons |= more.reasons
    if dpdk not in found.reasons:  # behind the kernel's, which has no interface of it any more
        found.rows[dpdk] = _by_dpdk(looked, replace(spot, ports=(replace(port, interface=""),), deaf=True))


def _by_dpdk(looked: Looked, spot: Spot) -> Measure:
    """Give the NIC to vfio-pci in the guest, and measure there by DPDK."""

    def measure(host: HostResult, wish: Wish) -> HostResult:
        try:
            with spot.way() as door:
                must(shell(door, _TO_VFIO, spot.ports[0].guest_address), door)
        except NfvcapError as error:
            return HostResult(host=host.host, environment=host.environment,
                              checks=(failed(f"{spot.title} DPDK{wish.behind}", error),))  # fmt: skip
        return at(looked, spot, "dpdk")(host, wish)

    return measure


def lacks(guest: str, model: str, sight: Sight) -> dict[Key, str]:
    """Why rows of a model are not measured with what the guest has made of its NIC."""
    *by_kernel, dpdk = keys(model)
    if sight.interface:
        return {dpdk: f"vfio-pci cannot have the NIC in guest {guest}: {sight.no_vfio}"} if sight.no_vfio else {}
    if sight.driver == "vfio-pci":
        why = f"vfio-pci has the NIC in guest {guest}: its kernel makes no interface of it"
        return dict.fromkeys(by_kernel, why)
    device = f"the device {sight.id} at {sight.device} has {sight.driver or 'no driver'}" if sight.device else (
        "it shows no new PCI device"
    )  # fmt: skip
    return dict.fromkeys(
        keys(model), f"the kernel of guest {guest} made no interface of the NIC within {_SEEN_S} s: {device}"
    )


def _out(looked: Looked, title: str) -> Check:
    """Take it out again, and say how that went."""
    say(f"{title}: the temporary NIC goes …")
    wanted = "no temporary NIC in the guest"
    try:
        guestnic.unplug(looked.fleet.target, looked.host)
    except NfvcapError as error:
        return made(CHECK, title, Verdict.ERROR, "it may still be there", wanted, reason=f"{error.what}: {error.why}",
                    fix=error.fix)  # fmt: skip
    return made(CHECK, title, Verdict.PASS, "taken out", wanted)
