# SPDX-License-Identifier: Apache-2.0
"""Rows of the matrix on bare metal: the agent on the host itself, at the interface of a PF."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from nfvcap.cli.matrix_found import Found, at
from nfvcap.cli.matrix_libpcap import by_tcpdump
from nfvcap.cli.matrix_libpcap import keys as of_tcpdump
from nfvcap.cli.matrix_room import room
from nfvcap.cli.spot import Spot
from nfvcap.door.door import Door, shell
from nfvcap.errors import NfvcapError
from nfvcap.model.facts import Nic
from nfvcap.verify.packets.cells import BARE_METAL, Key
from nfvcap.verify.packets.checks import failed
from nfvcap.verify.packets.engines.ports import Choice, lent, no_dpdk, whole

if TYPE_CHECKING:
    from nfvcap.cli.verify_guest import Looked

XDP = "grep -q -m 1 ' xsk_bind' /proc/kallsyms"
"""Ends well where the kernel has AF_XDP. A function that is called by its address: others a compiler may put into their
callers (xsk_rcv has no symbol in a 6.18)."""
_QUEUES = 'ls -d "/sys/class/net/$1/queues/rx-"* | wc -l'
KERNEL: Key = (BARE_METAL, "kernel", "", 0)
AF_XDP: Key = (BARE_METAL, "AF_XDP", "", 0)
DPDK: Key = (BARE_METAL, "DPDK", "", 0)


@contextmanager
def bare_metal(looked: Looked, choice: Choice) -> Iterator[Found]:
    """The rows, with the agent on the host as long as the block; nothing else of the host is touched."""
    found = Found()
    if choice.nic is None:
        found.reasons = dict.fromkeys((KERNEL, AF_XDP, *of_tcpdump(BARE_METAL), DPDK), choice.why)
        yield found
        return
    nic, door = choice.nic, looked.host_door()
    found.reasons[DPDK] = no_dpdk(nic)
    with ExitStack() as stack:
        try:
            spot = Spot(
                looked.host, (whole(nic),), looked.host_way, kind="host", attachment=BARE_METAL,
                title=f"{looked.host} {nic.address} bare metal", agent_at=stack.enter_context(room(door)),
            )  # fmt: skip
            why = _no_xdp(door, nic)
            tcpdump = by_tcpdump(looked, spot)
        except NfvcapError as error:
            found.checks.append(failed(f"{looked.host} {nic.address} bare metal", error))
            found.reasons |= dict.fromkeys((KERNEL, AF_XDP, *of_tcpdump(BARE_METAL)), str(error))
        else:
            found.rows |= {KERNEL: at(looked, spot, "kernel"), **tcpdump.rows}
            found.reasons |= tcpdump.reasons
            if why:
                found.reasons[AF_XDP] = why
            else:
                found.rows[AF_XDP] = at(looked, spot, "af_xdp")
        yield found


def _no_xdp(door: Door, nic: Nic) -> str:
    """Why AF_XDP is not measured on the whole port; "" when it is."""
    if not shell(door, XDP).ok:
        return "the host's kernel has no AF_XDP"
    if taken := lent(nic):
        # Loading its program makes drivers restart the port.
        return f"it would take the link of {nic.address} away for a moment, which guests use: {', '.join(taken)}"
    queues = shell(door, _QUEUES, str(nic.name)).stdout.strip()
    if queues != "1":
        return (
            f"{nic.name} has {queues} receive queues, and the agent's AF_XDP captures the first one: "
            f"ethtool -L {nic.name} combined 1"
        )
    return ""
