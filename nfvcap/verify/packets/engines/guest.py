# SPDX-License-Identifier: Apache-2.0
"""From a wire to a file in a guest: its VFs with the kernel's driver, or with DPDK where vfio-pci has them.

What captures is the agent, or tcpdump where that is asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal

from nfvcap.agent.client import Agent
from nfvcap.door import links
from nfvcap.door.door import Door, shell
from nfvcap.errors import NfvcapError, UsageError
from nfvcap.verify.packets.engines.observers import PfObserver
from nfvcap.verify.packets.engines.vf import GuestVf
from nfvcap.verify.packets.path import Path, Source
from nfvcap.verify.packets.points.away import AgentAway, Away
from nfvcap.verify.packets.points.guest import GuestPoint, Nic
from nfvcap.verify.packets.points.tcpdump import LIBPCAP, TcpdumpAway, look, refused
from nfvcap.verify.packets.profiles import Profile

EMULATED = (
    "An emulated lab server: the figures show that every packet is accounted for, and say nothing about the speed of "
    "real hardware."
)
VIRTUAL_FUNCTION = "virtual function"
# Engines that need an interface of the kernel, and as what the agent spells it; libpcap's programs name it as it is.
_KERNEL = {"kernel": "af_packet", "af_xdp": "af_xdp", "libpcap": "libpcap"}
_WORDS = {"kernel": "kernel", "af_xdp": "AF_XDP", "dpdk": "DPDK", "libpcap": LIBPCAP}
_DEFAULT_MBPS = 10_000
_SLACK_S = 150.0
# A processor that is emulated twice may stand still for longer than a profile's silence.
_DRAIN_S = {"functional": 2.0, "performance": 0.5}
_PROOF_PPS = {"functional": 200, "performance": 10_000}
_PAGES = "sed -n 's/^HugePages_Free: *//p' /proc/meminfo"
_DRIVER = 'basename "$(readlink "/sys/bus/pci/devices/$1/driver")"'


@dataclass(frozen=True)
class Place:
    """Where in a guest things are done."""

    door: Door
    agent: Agent
    directory: str
    options: tuple[str, ...] = ()  # further words for the program that captures


@contextmanager
def guest_path(
    guest: str, vfs: Sequence[GuestVf], place: Place, source: Source, profile: Profile, *,
    engine: str | None, label: Literal["performance", "functional"], host: Door | None = None,
    attachment: str = VIRTUAL_FUNCTION, title: str = "", deaf: bool = False, kind: Literal["guest", "host"] = "guest",
) -> Iterator[Path]:  # fmt: skip
    """A path whose interfaces in the guest are up as long as the block; one that was down is set down again.

    Args:
        engine: "kernel", "af_xdp", "libpcap", "dpdk", or None: the kernel's driver where it has all VFs, else DPDK.
        attachment: how the ports came to who captures.
        title: of the path, without the engine; "" for the guest and its VFs.
        deaf: no driver has the ports while nobody captures.
        kind: what it is that captures.
        host: the way into the guest's host, for the counters of the PF; None: they are not read.

    Raises:
        UsageError: NFV-PKT-210 the engine cannot have the VFs.
        NfvcapError: NFV-PKT-219 there is no tcpdump; the door's own.
    """
    nics = _nics(guest, vfs, place.door, engine)
    word = _WORDS[engine or ("kernel" if nics[0].interface else "dpdk")]
    names = [nic.interface for nic in nics if nic.interface]
    was_down = links.up(place.door, names)
    try:
        by, away = _program(place, nics, word, profile)
        point = GuestPoint(place.door, place.agent, nics, place.directory, away)
        point.sweep()
        observers = tuple(
            PfObserver(host, pf, tuple(vf.index for vf in vfs if vf.pf == pf))
            for pf in dict.fromkeys(vf.pf for vf in vfs) if host is not None
        )  # fmt: skip
        yield Path(
            name=path_name(title or title_of(guest, [vf.address for vf in vfs]), word),
            source=source, point=point, attachment=attachment, engine=by, captured_in=kind,
            link_mbps=min(vf.link_mbps for vf in vfs) or _DEFAULT_MBPS, label=label,
            label_note=EMULATED if label == "functional" else "", pf_driver=vfs[0].pf_driver, vfs=len(vfs),
            observers=observers, proof_pps=_PROOF_PPS[label], drain_s=_DRAIN_S[label], deaf=deaf,
        )  # fmt: skip
    finally:
        # A guest that is gone needs no putting in order, and what was measured in it counts.
        with contextlib.suppress(NfvcapError):
            links.down(place.door, was_down)


def _program(place: Place, nics: Sequence[Nic], word: str, profile: Profile) -> tuple[str, Callable[[str], Away]]:
    """What captures as reports call it, and a capture by the directory that it gets."""
    longest_s = 2 * max([profile.trial_s, *(goal.final_trial_s for goal in profile.goals)]) + _SLACK_S
    if word == LIBPCAP:
        (nic,) = nics
        if word_refused := refused(place.options):
            raise UsageError(
                "NFV-PKT-210", f"tcpdump is not given {word_refused}",
                "it would say what is in the file or where that is, and the recount would take that for a loss",
                "-B, -j, -p, -U and --immediate-mode may be said; filters and rotation are for nfvcap capture",
            )  # fmt: skip
        by = look(place.door, nic.interface).engine
        return by, partial(TcpdumpAway, place.door, nic.interface, longest_s, place.options)
    ports = tuple(nic.port + nic.keys for nic in nics)
    return word, partial(AgentAway, place.door, place.agent.program, ports, longest_s, place.options)


def title_of(guest: str, addresses: Sequence[str]) -> str:
    """What a path into a guest is called, without the engine; the guest alone where nobody knows its VFs."""
    words = [guest, *([f"VF{'s' if len(addresses) > 1 else ''}"] if addresses else []), *addresses]
    return " ".join(words)


def path_name(title: str, word: str) -> str:
    """With the engine, as reports call it; the kernel's goes without saying."""
    return title if word == "kernel" else f"{title} {word}"


def word_of(engine: str | None, interfaces: Iterable[str] = ()) -> str:
    """The engine as reports call it, before it has been tried; see :func:`guest_path`.

    Args:
        interfaces: of the VFs in the guest, "" where there is none; () when nobody knows, and the kernel is as planned.
    """
    if engine is None:
        return "kernel" if all(interfaces) else "DPDK"
    return _WORDS[engine]


def driver_there(door: Door, vf: GuestVf) -> str:
    """The driver of a VF in the guest; "" when nobody knows."""
    return shell(door, _DRIVER, vf.guest_address).stdout.strip() if vf.guest_address else ""


def _nics(guest: str, vfs: Sequence[GuestVf], door: Door, engine: str | None) -> tuple[Nic, ...]:
    lacking = [vf.address for vf in vfs if not vf.interface]
    if engine in _KERNEL and lacking:
        raise UsageError(
            "NFV-PKT-210", f"guest {guest} shows no interface of VF {', '.join(lacking)}",
            "no network driver of its kernel has it, or the guest does not say so",
            "--engine dpdk, or give the VF back to its kernel driver in the guest",
        )  # fmt: skip
    if engine == "libpcap" and len(vfs) > 1:
        raise UsageError(
            "NFV-PKT-210", f"tcpdump captures one interface, and guest {guest} has {len(vfs)} that are asked for",
            ", ".join(vf.address for vf in vfs), f"--vf {vfs[0].address}",
        )  # fmt: skip
    if engine in _KERNEL or (engine is None and not lacking):
        return tuple(Nic(f"{_KERNEL[engine or 'kernel']}:{vf.interface}", vf.interface) for vf in vfs)
    for vf in vfs:
        driver = driver_there(door, vf)
        if driver != "vfio-pci":
            raise UsageError(
                "NFV-PKT-210", f"DPDK cannot have VF {vf.address} in guest {guest}",
                f"its driver there is {driver or 'not known'}, not vfio-pci",
                f"bind {vf.guest_address or 'it'} to vfio-pci in the guest, or --engine kernel",
            )  # fmt: skip
    pages = shell(door, _PAGES).stdout.strip()
    if not pages.isdigit() or int(pages) == 0:
        raise UsageError("NFV-PKT-210", f"DPDK has no huge pages in guest {guest}", f"HugePages_Free: {pages or '?'}",
                         "the plan gives guests with VFs huge pages: create the guest again")  # fmt: skip
    return tuple(Nic(vf.guest_address, keys=vf.keys) for vf in vfs)
