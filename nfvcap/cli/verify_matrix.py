# SPDX-License-Identifier: Apache-2.0
"""`nfvcap verify HOST --matrix`: every way of attaching and capturing that the host can do, beside the study's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from nfvcap.cli.output import paint, say
from nfvcap.cli.verify_guest import GuestRun, Looked, add
from nfvcap.errors import NfvcapError, UsageError
from nfvcap.model.result import HostResult
from nfvcap.verify.packets.cells import TRAFFICS, Key, There, keys_of, reasons, subject
from nfvcap.verify.packets.checks import failed, skipped
from nfvcap.verify.packets.engines.vf import GuestVf, vfs_of
from nfvcap.verify.packets.run import INTERRUPTED, Wish
from nfvcap.verify.packets.traffic import traffic

_XDP = "grep -q -m 1 ' xsk_rcv' /proc/kallsyms"
_MOST_VFS = 2


@dataclass(frozen=True)
class _Cell:
    key: Key
    traffic: str
    run: Callable[[HostResult, Wish], HostResult]


def local(host: HostResult, wish: Wish, run: Callable[[Wish], HostResult]) -> HostResult:
    """This machine: virtual devices, and the reasons for the rest."""
    key: Key = ("virtual device (memif)", "DPDK", "", 0)
    cells = [_Cell(key, words, lambda _, one: run(one)) for words in TRAFFICS]
    return _measured(host, wish, cells, There(doable=frozenset({key}), local=True))


def guests(looked: Looked, host: HostResult, wish: Wish) -> HostResult:
    """A host: the VFs of its guests, and the reasons for the rest."""
    cells: list[_Cell] = []
    there = There()
    for name, seen in looked.seen.items():
        try:
            vfs = vfs_of(seen, looked.facts)
        except UsageError as error:
            say(f"{name}: {error.what}, so it has no cells")
            continue
        run = GuestRun(looked, name)
        try:
            engines = _engines(vfs, run)
        except NfvcapError as error:
            host = host.model_copy(update={"checks": (*host.checks, failed(name, error))})
            continue
        found = list(_cells(run, vfs, engines))
        cells += found
        there = There(
            there.doable | {cell.key for cell in found}, False, there.pf_drivers | {vfs[0].pf_driver},
            max(there.vfs, len(vfs)), there.engines | set(engines.values()),
        )  # fmt: skip
    return _measured(host, wish, cells, there)


def _engines(vfs: tuple[GuestVf, ...], run: GuestRun) -> dict[str, str]:
    """--engine → the study's word for it."""
    if not all(vf.interface for vf in vfs):
        return {"dpdk": "DPDK"} if run.on_vfio(vfs) else {}
    return {"kernel": "kernel"} | ({"af_xdp": "AF_XDP"} if run.says(_XDP) else {})


def _cells(run: GuestRun, vfs: tuple[GuestVf, ...], engines: dict[str, str]) -> Iterator[_Cell]:
    for number in range(1, min(len(vfs), _MOST_VFS) + 1):
        some = tuple(vf.address for vf in vfs[:number])
        for option, engine in engines.items():
            for key in keys_of(vfs[0].pf_driver, [number], [engine]):
                for words in TRAFFICS:
                    yield _Cell(key, words, run.with_options(engine=option, vf=some).result)


def _measured(host: HostResult, wish: Wish, cells: list[_Cell], there: There) -> HostResult:
    for number, cell in enumerate(cells, 1):
        say(paint(f"cell {number} of {len(cells)}: {subject(cell.key, cell.traffic)}", "head"))
        host = add(host, _named(cell.run(host, replace(wish, traffic=traffic(cell.traffic))), cell))
        if any(measurement.partial == INTERRUPTED for measurement in host.measurements):
            say(paint("interrupted: the report is partial, and says so", "WARN"))
            break
    checks = [skipped("NFV-PKT-020", subject(*cell), why) for cell, why in reasons(there).items()]
    return host.model_copy(update={"checks": (*host.checks, *checks)})


def _named(result: HostResult, cell: _Cell) -> HostResult:
    """The same path is measured with several kinds of frames: its names say with which."""
    behind = f" {cell.traffic} B"
    measurements = tuple(m.model_copy(update={"name": m.name + behind}) for m in result.measurements)
    names = {m.name: m.name + behind for m in result.measurements}

    def renamed(words: str) -> str:
        return next((new + words[len(old) :] for old, new in names.items() if words.startswith(old)), words)

    checks = tuple(check.model_copy(update={"subject": renamed(check.subject)}) for check in result.checks)
    return result.model_copy(update={"measurements": measurements, "checks": checks})
