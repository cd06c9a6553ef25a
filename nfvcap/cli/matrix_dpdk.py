# SPDX-License-Identifier: Apache-2.0
"""Rows of the matrix that take a PF from its kernel driver: by consent (--dpdk-pf), and it is given back afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nfvcap.agent.build import locate
from nfvcap.agent.deploy import deploy
from nfvcap.cli.matrix_found import Found, at
from nfvcap.cli.matrix_nic import PASSED, keys, plugged
from nfvcap.cli.matrix_room import room
from nfvcap.cli.output import say
from nfvcap.cli.spot import Spot
from nfvcap.door.door import Door
from nfvcap.errors import NfvcapError
from nfvcap.model.facts import Nic
from nfvcap.model.result import Check, Verdict
from nfvcap.verify.packets.cells import BARE_METAL, TRAFFICS, VIRTUAL_FUNCTION, Key
from nfvcap.verify.packets.checks import made
from nfvcap.verify.packets.engines.dpdk_pf import PLACE, Lent, give_back, left, lent
from nfvcap.verify.packets.engines.ports import Choice, by_dpdk, of_dpdk, virtual

if TYPE_CHECKING:
    from nfvcap.cli.verify_guest import Looked

CHECK = "NFV-PKT-024"
WHOLE: Key = (BARE_METAL, "DPDK", "", 0)
VFS: tuple[Key, ...] = tuple((VIRTUAL_FUNCTION, "DPDK", "DPDK", number) for number in (1, 2))
BY_KERNEL: tuple[Key, ...] = tuple((VIRTUAL_FUNCTION, "kernel", "DPDK", number) for number in (1, 2))
_NOT_BY_KERNEL = (
    "VFs of a PF that DPDK drives are given to DPDK only: by hand, in a lab, the kernel's igbvf found no link there"
)


@contextmanager
def whole_port(looked: Looked, choice: Choice, budget_s: float) -> Iterator[Found]:
    """The row for the whole port; DPDK has it as long as the block."""
    with _group(looked, choice, (WHOLE,), 0, budget_s) as (found, nic, _, agent_at):
        if nic is not None:
            spot = Spot(
                looked.host, (by_dpdk(nic),), looked.host_way, kind="host", attachment=BARE_METAL,
                title=f"{looked.host} {nic.address} bare metal", agent_at=agent_at, deaf=True,
            )  # fmt: skip
            found.rows[WHOLE] = at(looked, spot, "dpdk")
        yield found


@contextmanager
def passthrough(looked: Looked, guest: str, choice: Choice, budget_s: float) -> Iterator[Found]:
    """The rows for the whole port in a guest, which has it as long as the block."""
    with _group(looked, choice, keys(PASSED), 0, budget_s) as (found, nic, _, _):
        if nic is None:
            yield found
            return
        with plugged(looked, guest, PASSED, virtual(nic, PASSED, str(nic.mac)), found):
            yield found


@contextmanager
def functions(looked: Looked, choice: Choice, budget_s: float) -> Iterator[Found]:
    """The rows for one and two VFs, captured on the host; DPDK has PF and VFs as long as the block."""
    most = min(len(VFS), choice.nic.sriov.total_vfs) if choice.nic and choice.nic.sriov else 0
    with _group(looked, choice, VFS, most, budget_s) as (found, nic, here, agent_at):
        if nic is not None and here is not None:
            found.reasons |= dict.fromkeys(BY_KERNEL, _NOT_BY_KERNEL)
            found.reasons |= dict.fromkeys(VFS[most:], f"{nic.address} cannot have so many VFs")
            for number, key in enumerate(VFS[:most], 1):
                ports = of_dpdk(nic, here.vfs[:number], here.token)
                title = (
                    f"{looked.host} {number} VF{'s' if number > 1 else ''} of {nic.address} (PF by DPDK) on the host"
                )
                spot = Spot(looked.host, ports, looked.host_way, kind="host", title=title, agent_at=agent_at)
                found.rows[key] = at(looked, spot, "dpdk")
        yield found


@contextmanager
def _group(
    looked: Looked, choice: Choice, keys: tuple[Key, ...], num_vfs: int, budget_s: float
) -> Iterator[tuple[Found, Nic | None, Lent | None, str]]:
    """The PF lent, with the agent on the host; or the reason why it is not, for all these rows."""
    found = Found()
    if choice.nic is None:
        found.reasons = dict.fromkeys(keys, choice.why)
        yield found, None, None, ""
        return
    nic, door = choice.nic, looked.host_door()
    words = f"{looked.host} {nic.address}" + (f" with {num_vfs} VFs" if num_vfs else "")
    # A killed run does not keep the PF for longer than its cells could have taken, and one more.
    longest_s = round(budget_s * (len(keys) * len(TRAFFICS) + 1))
    entered = False
    try:
        with room(door) as place:
            agent = deploy(door, locate(), place)
            say(f"{words}: lent to DPDK …")
            here = None
            try:
                with lent(door, nic, num_vfs, agent.program, longest_s) as here:
                    entered = True
                    yield found, nic, here, agent.program
                    say(f"{words}: goes back to its kernel driver …")
            finally:
                if here is not None:
                    found.checks.append(_judged(words, here))
    except NfvcapError as error:
        if entered:
            raise
        found.reasons = dict.fromkeys(keys, f"{error.what}: {error.why} [{error.code}]")
        yield found, None, None, ""


def reclaim(door: Door, take_out: Callable[[], None]) -> None:
    """A run that was killed may have left a PF with DPDK. It goes back before the host is looked at, which is not as
    planned without it.

    Args:
        take_out: takes it out of a guest that it was passed through to; whoever has it keeps it from coming back.

    Raises:
        NfvcapError: NFV-GUEST-040 the guest keeps it, NFV-GUEST-030 to -032 it does not come back, or the way.
    """
    if left(door):
        say(f"{door.name}: vfio-pci has a PF of a run that was killed, which is given back first …")
        take_out()
        give_back(door)


def _judged(words: str, here: Lent) -> Check:
    wanted = "driver, VFs and their attributes as before"
    if here.given_back:
        fix = f"on the host: sh {PLACE}/give, which the end of its unit has run; or reboot the host"
        return made(CHECK, words, Verdict.ERROR, here.given_back, wanted, fix=fix)
    return made(CHECK, words, Verdict.PASS, "as before", wanted)
