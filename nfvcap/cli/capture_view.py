# SPDX-License-Identifier: Apache-2.0
"""Captures of every day for people and programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nfvcap.agent.everyday import Counts, Status, lost_of
from nfvcap.agent.reports import CaptureReport
from nfvcap.cli.output import paint
from nfvcap.model.units import format_size
from nfvcap.report.numbers import integer, mpps

_WORDS = {
    "lost_buffer": "no buffer before storage", "lost_full": "file system full", "lost_write": "write failed",
    "nic_missed": "missed before the agent", "nic_no_mbuf": "no packet buffer", "nic_errors": "damaged at the NIC",
}  # fmt: skip


def status_lines(status: Status) -> Iterator[str]:
    """State, rate and losses of now, files."""
    now, before = status.second, status.first
    state = paint("running", "PASS") if status.running else paint("ended", "WARN")
    yield f"{status.name}  {state}"
    if status.running:
        yield f"  now       {mpps(_rate(now.received - before.received, status))} received, " \
              f"{mpps(_rate(now.dropped - before.dropped, status))} dropped"  # fmt: skip
    yield f"  received  {integer(now.received)}, stored {integer(now.stored)}, filtered {integer(now.filtered)}"
    lost = _lost(dict(now.lost))
    yield f"  dropped   {integer(now.dropped)}{': ' + lost if lost else ''}"
    free = "in memory" if status.free_bytes is None else f"{format_size(status.free_bytes)} free"
    yield f"  files     {status.files}, {format_size(status.bytes)}; {free}"


def ended_lines(name: str, report: CaptureReport) -> Iterator[str]:
    """The last word of a capture."""
    total, lost = report.total, lost_of(report)
    yield f"{name}  ended: {report.failure or report.stop_reason}"
    yield f"  received  {integer(total.received)}, stored {integer(total.stored)} in {total.files} files, " \
          f"filtered {integer(total.filtered)}"  # fmt: skip
    words = _lost(lost)
    yield f"  dropped   {integer(sum(lost.values()))}{': ' + words if words else ''}"
    if report.nic_missed is None:
        yield "  the driver cannot tell what was missed before the agent"


def status_dict(status: Status) -> dict[str, Any]:
    return {
        "name": status.name, "running": status.running, "received": status.second.received,
        "stored": status.second.stored, "filtered": status.second.filtered, "lost": dict(status.second.lost),
        "received_pps": _rate(status.second.received - status.first.received, status),
        "dropped_pps": _rate(status.second.dropped - status.first.dropped, status),
        "files": status.files, "bytes": status.bytes, "free_bytes": status.free_bytes,
    }  # fmt: skip


def report_dict(name: str, report: CaptureReport) -> dict[str, Any]:
    total = report.total
    return {
        "schema": "nfvcap/capture/1", "name": name, "ended": report.failure or report.stop_reason,
        "received": total.received, "stored": total.stored, "filtered": total.filtered, "files": total.files,
        "lost": lost_of(report), "missed_known": report.nic_missed is not None,
    }  # fmt: skip


def _rate(packets: int, status: Status) -> int:
    return int(packets / status.interval_s) if status.interval_s else 0


def _lost(rows: dict[str, int]) -> str:
    return ", ".join(f"{_WORDS[key]} {integer(count)}" for key, count in rows.items())


__all__ = ["Counts", "ended_lines", "report_dict", "status_dict", "status_lines"]
