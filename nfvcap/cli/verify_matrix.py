# SPDX-License-Identifier: Apache-2.0
"""`nfvcap verify HOST --matrix`: every way of attaching and capturing that the host can do, beside the study's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from nfvcap.apply import guestnic
from nfvcap.cli import matrix_dpdk
from nfvcap.cli.guest_run import GuestRun, add
from nfvcap.cli.matrix_found import Found, Group, Measure, by
from nfvcap.cli.matrix_host import XDP, bare_metal
from nfvcap.cli.matrix_nic import PASSED, VIRTUAL, temporary
from nfvcap.cli.matrix_nic import keys as nic_keys
from nfvcap.cli.output import paint, say
from nfvcap.cli.packet_options import PacketOptions
from nfvcap.door.door import shell
from nfvcap.errors import NfvcapError, UsageError
from nfvcap.lab.topology import PORTS
from nfvcap.model.result import Check, HostResult, Verdict
from nfvcap.verify.packets.cells import KEYS, TRAFFICS, Key, There, keys_of, reasons, subject
from nfvcap.verify.packets.checks import cut_short, failed, skipped
from nfvcap.verify.packets.engines.ports import Choice, choose, lendable, lent, no_dpdk_pf, planned
from nfvcap.verify.packets.engines.vf import GuestVf, vfs_of
from nfvcap.verify.packets.run import INTERRUPTED, Wish
from nfvcap.verify.packets.traffic import traffic

if TYPE_CHECKING:
    from nfvcap.cli.verify_guest import Looked

_MOST_VFS = 2
_ENDED = "the run was interrupted before it was measured"
_SILENT = ("[NFV-GUEST-010]", "[NFV-GUEST-032]")
"""Of errors that say that a guest does not answer."""


def local(host: HostResult, wish: Wish, run: Callable[[Wish], HostResult], options: PacketOptions) -> HostResult:
    """This machine: virtual devices, and the reasons for the rest.

    Raises:
        UsageError: NFV-PKT-203 the matrix has no such traffic.
    """
    rows: dict[Key, Measure] = {("virtual device (memif)", "DPDK", "", 0): lambda _, one: run(one)}
    return _measured(host, wish, [Group(lambda: nullcontext(Found(rows)))], There(local=True), _traffics(options))


def guests(looked: Looked, host: HostResult, wish: Wish) -> HostResult:
    """A host: bare metal, the VFs of its guests, virtual NICs for a guest that is named; the reasons for the rest.

    Raises:
        UsageError: NFV-PKT-203 the matrix has no such traffic.
        NfvcapError: NFV-GUEST-040 what a run that was killed has left cannot be taken out.
    """
    traffics = _traffics(looked.options)
    _sweep(looked)
    there = There(no_dpdk_pf=no_dpdk_pf(looked.facts, planned(looked.facts)))
    groups = [Group(partial(bare_metal, looked, _whole_port(looked)))]
    if looked.options.dpdk_pf:
        lends = lendable(looked.facts, looked.options.dpdk_pf)
        groups += [Group(partial(opened, looked, lends, wish.budget_s))
                   for opened in (matrix_dpdk.whole_port, matrix_dpdk.functions)]  # fmt: skip
        if looked.options.guest:
            name = looked.options.guest[0]
            passed = partial(matrix_dpdk.passthrough, looked, name, lends, wish.budget_s)
            groups.append(Group(passed, name, nic_keys(PASSED)))
    for name, seen in looked.seen.items():
        try:
            vfs = vfs_of(seen, looked.facts)
        except UsageError as error:
            say(f"{name}: {error.what}, so it has no cells with VFs")
            continue
        run = GuestRun(looked, name)
        try:
            # Of the guest, not of each cell.
            host = host.model_copy(update={"checks": (*host.checks, *run.noise())})
            run = run.with_options(noise=None)
            ways = _ways(vfs, run)
        except NfvcapError as error:
            host = host.model_copy(update={"checks": (*host.checks, failed(name, error))})
            continue
        for some, engines in ways:
            groups += [Group(partial(_one, key, measure), name, (key,)) for key, measure in _rows(run, some, engines)]
            there = replace(there, engines=there.engines | set(engines.values()))
        there = replace(there, pf_drivers=there.pf_drivers | {vfs[0].pf_driver}, vfs=max(there.vfs, len(vfs)))
    if looked.options.guest:
        name = looked.options.guest[0]
        groups += [Group(partial(temporary, looked, name, model, _port_below(looked, name)), name, nic_keys(model))
                   for model in VIRTUAL]  # fmt: skip
    return _measured(host, wish, groups, there, traffics, answers=partial(_answers, looked))


def _answers(looked: Looked, guest: str) -> bool:
    """Does a guest answer on a new way?"""
    try:
        with looked.guest_way(guest) as door:
            return shell(door, "true").ok
    except NfvcapError:
        return False


@contextmanager
def _one(key: Key, measure: Measure) -> Iterator[Found]:
    yield Found({key: measure})


def _sweep(looked: Looked) -> None:
    """A run that was killed may have left a NIC in a guest."""
    entries = (looked.facts.ledger or {}).get("entries", {}).values()
    left = [entry["guest"]["name"] for entry in entries if entry.get("kind") == guestnic.KIND]
    if left:
        say(f"an earlier run was killed and has left a temporary NIC in {', '.join(left)}: it goes …")
        guestnic.unplug(looked.fleet.target, looked.host)


def _whole_port(looked: Looked) -> Choice:
    """The PF for bare metal: where frames from the source come to, and better one whose VFs nobody has."""
    if looked.source.kind == "lab":
        free = [nic.address for nic in looked.facts.nics if not lent(nic)]
        return choose(looked.facts, free, [port.address for port in PORTS])
    return choose(looked.facts, _pfs(looked, looked.seen))


def _port_below(looked: Looked, guest: str) -> Choice:
    """The PF for a virtual NIC of a guest: the one that it has VFs of, else any that frames come to."""
    among = [port.address for port in PORTS] if looked.source.kind == "lab" else None
    return choose(looked.facts, _pfs(looked, [guest]), among)


def _pfs(looked: Looked, names: Iterable[str]) -> list[str]:
    """PFs that guests have VFs of."""
    lent_now = {entry["address"] for name in names for entry in looked.seen[name]["vfs"]}
    return [
        nic.address for nic in looked.facts.nics if nic.sriov and any(vf.address in lent_now for vf in nic.sriov.vfs)
    ]


def _ways(vfs: tuple[GuestVf, ...], run: GuestRun) -> list[tuple[tuple[GuestVf, ...], dict[str, str]]]:
    """VFs of one PF that one driver has in the guest, and what can capture from them: --engine → the study's word."""
    pf = Counter(vf.pf for vf in vfs).most_common(1)[0][0]
    vfs = tuple(vf for vf in vfs if vf.pf == pf)
    named = tuple(vf for vf in vfs if vf.interface)
    others = tuple(vf for vf in vfs if not vf.interface)
    by_tcpdump = run.tcpdump(named[0].interface) if named else ""
    kernel = {"kernel": "kernel"} | ({"libpcap": by_tcpdump} if by_tcpdump else {})
    kernel |= {"af_xdp": "AF_XDP"} if named and run.says(XDP) else {}
    ways = [(named, kernel), (others, {"dpdk": "DPDK"} if others and run.on_vfio(others) else {})]
    return [(some, engines) for some, engines in ways if some and engines]


def _rows(run: GuestRun, vfs: tuple[GuestVf, ...], engines: dict[str, str]) -> Iterator[tuple[Key, Measure]]:
    for number in range(1, min(len(vfs), _MOST_VFS) + 1):
        some = tuple(vf.address for vf in vfs[:number])
        for option, engine in engines.items():
            for key in keys_of(vfs[0].pf_driver, [number], [engine]):
                yield key, run.with_options(vf=some, **by(option)).result


def _traffics(options: PacketOptions) -> tuple[str, ...]:
    """Those that are asked for."""
    if options.traffic is None:
        return TRAFFICS
    if options.traffic not in TRAFFICS:
        raise UsageError(
            "NFV-PKT-203", f"the matrix has no column for --traffic {options.traffic}",
            f"the study's were {' and '.join(TRAFFICS)}",
            f"--traffic {TRAFFICS[0]}, or measure one path: --guest GUEST",
        )  # fmt: skip
    return (options.traffic,)


@dataclass
class _Filled:
    """What has become of the rows until now."""

    host: HostResult
    done: set[Key] = field(default_factory=set)
    known: dict[Key, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    ended: bool = False

    def add(self, *checks: Check) -> None:
        self.host = self.host.model_copy(update={"checks": (*self.host.checks, *checks)})

    def cut(self) -> None:
        """Interrupted where nothing is measured: a port is prepared, or a way is opened."""
        self.add(cut_short("matrix"))
        self.ended = True


def _measured(
    host: HostResult, wish: Wish, groups: Sequence[Group], there: There, traffics: tuple[str, ...],
    *, answers: Callable[[str], bool] = lambda guest: True,
) -> HostResult:  # fmt: skip
    """Go through the groups.

    Args:
        answers: does a guest that has not answered once do so now? One that does not would cost minutes for each cell.
    """
    filled = _Filled(host)
    for group in groups:
        if group.guest in filled.gone:
            filled.known |= dict.fromkeys(group.keys, f"guest {group.guest} does not answer any more")
            continue
        found, before = Found(), len(filled.host.checks)
        try:
            with group.opened() as found:
                filled.known |= found.reasons
                _cells(filled, wish, found, traffics)
            told = (*filled.host.checks[before:], *found.checks)
            if group.guest and not filled.ended and _silent(told) and not answers(group.guest):
                say(f"{group.guest} does not answer any more: its other cells are left out")
                filled.gone.add(group.guest)
        except KeyboardInterrupt:
            filled.cut()
        filled.add(*found.checks)
        if filled.ended:
            say(paint("interrupted: the report is partial, and says so", "WARN"))
            filled.known = {**dict.fromkeys(KEYS, _ENDED), **filled.known}
            break
    there = replace(there, doable=frozenset(filled.done), known=filled.known)
    filled.add(*(skipped("NFV-PKT-020", subject(*cell), why) for cell, why in reasons(there, traffics).items()))
    return filled.host


def _silent(checks: Iterable[Check]) -> bool:
    """Has a guest not answered in one of them? Before its first frame that is an error, later a partial measurement."""
    return any(word in check.reason for check in checks for word in _SILENT)


def _cells(filled: _Filled, wish: Wish, found: Found, traffics: tuple[str, ...]) -> None:
    """Measure the rows of one group."""
    for key, measure in found.rows.items():
        filled.done.add(key)
        for words in traffics:
            say(paint(f"cell: {subject(key, words)}", "head"))
            try:
                more = measure(filled.host, replace(wish, traffic=traffic(words), behind=f" {words} B"))
            except KeyboardInterrupt:
                filled.done.discard(key)
                filled.cut()
                return
            if why := _not_set_up(key, more):
                filled.known[key] = why
                filled.done.discard(key)
                break
            filled.host = add(filled.host, _said(key, words, more))
            if any(measurement.partial == INTERRUPTED for measurement in filled.host.measurements):
                filled.ended = True
                return


def _said(key: Key, words: str, result: HostResult) -> HostResult:
    """A cell that could not even be tried is an error under the name of its path; under its own it says the same."""
    errors = [check.reason for check in result.checks if check.verdict is Verdict.ERROR]
    if result.measurements or not errors:
        return result
    told = skipped("NFV-PKT-020", subject(key, words), errors[0])
    return result.model_copy(update={"checks": (*result.checks, told)})


def _not_set_up(key: Key, result: HostResult) -> str:
    """AF_XDP is a matter of kernel, driver and memory together: only trying tells. What it said; "" when it works."""
    if key[1] != "AF_XDP" or any(m.trials for m in result.measurements):
        return ""
    refusals = (m.partial for m in result.measurements if "[NFV-AGENT-003]" in m.partial)
    return " ".join(next(refusals, "").split("fix:")[0].split())
