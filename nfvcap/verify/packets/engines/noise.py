# SPDX-License-Identifier: Apache-2.0
"""Does the machine leave the capture's CPU alone? Programs of rt-tests say so, where they are installed.

Before the network is blamed: what takes a polling CPU away for longer than the receive ring lasts loses packets,
however fast the rest is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from nfvcap.door.door import Door, shell
from nfvcap.errors import NfvcapError
from nfvcap.model.result import Check
from nfvcap.model.verdict import Verdict
from nfvcap.verify.packets.checks import made, skipped

LIMIT_US = 275
"""So long 4096 receive descriptors last at 10 Gb/s of 64-byte frames."""
CHECK = "NFV-PKT-030"
_THERE = 'command -v "$1" >/dev/null'
_SLACK_S = 30.0


@dataclass(frozen=True)
class Tool:
    """A program, its words, and where it says the longest interruption in microseconds (None: it does not)."""

    name: str
    words: Callable[[int, int], list[str]]
    longest: Callable[[str], int | None]
    about: str


def _last(pattern: str) -> Callable[[str], int | None]:
    found = re.compile(pattern, re.MULTILINE)
    return lambda said: max((int(number) for number in found.findall(said)), default=None)


def _hardware(said: str) -> int | None:
    return 0 if "Below threshold" in said else _last(r"^Max Latency:\s*(\d+)us")(said)


TOOLS = (
    Tool("oslat", lambda cpu, s: ["--duration", str(s), "--cpu-list", str(cpu)],
         _last(r"^\s*Maximum:\s+(\d+)"), "a busy loop was interrupted for"),
    Tool("cyclictest", lambda cpu, s: ["-q", "-m", "-p", "90", "-t", "1", "-a", str(cpu), "-D", str(s)],
         _last(r"\bMax:\s*(\d+)"), "a timer woke a task of high priority too late by"),
    Tool("hwlatdetect", lambda cpu, s: [f"--duration={s}", f"--threshold={LIMIT_US}us"], _hardware,
         "the firmware took the CPUs away for"),
)  # fmt: skip


def noise(door: Door, where: str, cpu: int, seconds: int) -> Iterator[Check]:
    """A check for each program: WARN when a CPU was taken away for longer than the ring lasts; where none of them is,
    one check alone.

    Args:
        door: the way to the machine.
        where: for the checks' names.
        cpu: the capture's.
        seconds: how long each program looks.
    """
    there = [tool for tool in TOOLS if shell(door, _THERE, tool.name).ok]
    if not there:
        names = ", ".join(tool.name for tool in TOOLS)
        yield skipped(CHECK, where, f"none of {names} is installed on {door.name}: apt install rt-tests")
        return
    for tool in TOOLS:
        subject = f"{where} {tool.name}"
        if tool not in there:
            yield skipped(CHECK, subject, f"{tool.name} is not installed on {door.name} (package rt-tests)")
            continue
        try:
            done = door.run([tool.name, *tool.words(cpu, seconds)], seconds + _SLACK_S)
        except NfvcapError as error:
            yield skipped(CHECK, subject, f"{error.what}: {error.why}")
            continue
        longest = tool.longest(done.stdout)
        if longest is None:
            said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
            yield skipped(CHECK, subject, f"{tool.name} could not look: {said}")
            continue
        found = f"{tool.about} {longest} us at most, in {seconds} s on CPU {cpu}"
        verdict = Verdict.PASS if longest <= LIMIT_US else Verdict.WARN
        reason = "" if longest <= LIMIT_US else "a receive ring of 4096 frames overflows at line rate meanwhile"
        yield made(CHECK, subject, verdict, found, f"at most {LIMIT_US} us", reason=reason)
