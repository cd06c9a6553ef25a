#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `nfvcap verify localhost --engine vdev` finds, run after run: its figure with its spread.

tools/bench_vdev.py [RUNS [OPTION OF VERIFY...]]
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

RUNS = 5


def measured(*options: str) -> Any:
    """One run's only measurement; a verdict that is not green is a figure all the same."""
    nfvcap = str(Path(sys.executable).parent / "nfvcap")
    argv = [nfvcap, "verify", "localhost", "--engine", "vdev", "--format", "json", "--no-keep", *options]
    done = subprocess.run(argv, check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    (host,) = json.loads(done.stdout)["hosts"]
    (measurement,) = host["measurements"]
    return measurement


def main() -> int:
    runs, options = int((sys.argv[1:] or [str(RUNS)])[0]), sys.argv[2:]
    found: dict[str, list[int]] = {}
    unsure = 0
    for run in range(1, runs + 1):
        m = measured(*options)
        goal = m["goals"][0]
        unsure += goal["verdict"] == "INCONCLUSIVE"
        figures = {
            "the source alone": m["calibration"]["ceiling_pps"],
            "without a lost packet": goal["lower_pps"] or 0,
            "line rate": m["calibration"]["line_pps"],
        }
        print(f"run {run}: {figures} {goal['verdict']} {goal['reason']}", file=sys.stderr)
        for what, pps in figures.items():
            found.setdefault(what, []).append(pps)
    print(f"{'packets/s':<24} {'median':>10} {'least':>10} {'most':>10}   {runs} runs {' '.join(options)}")
    for what, figures_of in found.items():
        print(f"{what:<24} {statistics.median(figures_of):>10.0f} {min(figures_of):>10} {max(figures_of):>10}")
    if unsure:
        print(f"{unsure} of {runs} runs are inconclusive: the machine is not quiet enough for its figure to mean much")
    return 0  # whatever it is, it is a figure and no check


if __name__ == "__main__":
    sys.exit(main())
