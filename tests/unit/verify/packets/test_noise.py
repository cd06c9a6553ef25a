# SPDX-License-Identifier: Apache-2.0
"""What rt-tests say about a machine: a number is judged, everything else is skipped with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from nfvcap.model.verdict import Verdict
from nfvcap.run import Completed
from nfvcap.verify.packets.engines.noise import TOOLS, noise

SAID = {
    # rt-tests 2.4 on a busy machine, shortened
    "oslat": """oslat V 2.40
    032 (us):\t 1149 (including overflows)
     Minimum:\t 1 (us)
     Average:\t 1.085 (us)
     Maximum:\t 67140 (us)
     Max-Min:\t 67139 (us)
""",
    "cyclictest": "T: 0 (31262) P:90 I:1000 C:   1952 Min:     12 Act:   79 Avg:  181 Max:    42\n",
    "hwlatdetect": "Samples recorded: 0\nMax Latency: Below threshold\n",
}  # fmt: skip


class Machine:
    """Programs that say what was recorded."""

    name = "machine"

    def __init__(self, said: dict[str, str], status: int = 0, stderr: str = "") -> None:
        self.said, self.status, self.stderr = said, status, stderr
        self.asked: list[tuple[str, ...]] = []

    def run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        self.asked.append(tuple(argv))
        if argv[0] == "sh":
            return Completed(tuple(argv), int(argv[-1] not in self.said), "", "")
        return Completed(tuple(argv), self.status, self.said[argv[0]], self.stderr)

    def put(self, data: bytes, path: str) -> None:
        raise AssertionError

    def fetch(self, path: str, target: Path) -> int:
        raise AssertionError


def test_each_program_is_judged_by_its_longest_interruption() -> None:
    machine = Machine(SAID)
    found = list(noise(machine, "vm3", 6, 5))
    assert [check.subject for check in found] == ["vm3 oslat", "vm3 cyclictest", "vm3 hwlatdetect"]
    assert [check.verdict for check in found] == [Verdict.WARN, Verdict.PASS, Verdict.PASS]
    assert "67140 us" in found[0].found and "42 us" in found[1].found and "0 us" in found[2].found
    assert ("oslat", "--duration", "5", "--cpu-list", "6") in machine.asked


def test_what_is_not_there_or_cannot_look_is_skipped_with_the_reason() -> None:
    (none,) = noise(Machine({}), "x", 0, 1)  # once, not once for each program
    assert (none.verdict, none.subject) == (Verdict.SKIP, "x") and "apt install rt-tests" in none.reason
    found = list(noise(Machine({"cyclictest": SAID["cyclictest"]}), "x", 0, 1))
    assert [check.verdict for check in found] == [Verdict.SKIP, Verdict.PASS, Verdict.SKIP]
    assert found[0].reason == "oslat is not installed on machine (package rt-tests)"
    broken = Machine(dict.fromkeys(SAID, ""), 1, "Traceback\nhwlat tracer not available\n")
    assert [check.reason for check in noise(broken, "x", 0, 1)][
        2
    ] == "hwlatdetect could not look: hwlat tracer not available"


@pytest.mark.parametrize(("said", "longest"), [("Max Latency: 310us", 310), ("nothing of that kind", None)])
def test_the_firmware_s_time(said: str, longest: int | None) -> None:
    assert TOOLS[2].longest(said) == longest
