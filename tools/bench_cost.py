#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `nfvcap plan` and a no-change `nfvcap provision` cost, against `ansible -m ping` on the same host.

A provision that has nothing to change reads the facts, plans, and judges the state; it runs no role. What the roles
cost is not in these figures. Wall time is taken in alternating runs; ssh round trips are counted by a wrapper around
ssh. The exit status is 1 when a limit is not met.
"""

from __future__ import annotations

import argparse
import os
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import alternate, report, report_counts

# Wall time as a multiple of the ping's.
LIMITS = {"nfvcap plan": 2.0, "nfvcap provision (no change)": 8.0}
# Calls of ssh: one more than today is a step back, which a fast line would hide.
ROUND_TRIPS = {"nfvcap plan": 1, "nfvcap provision (no change)": 3}
TOP = Path(__file__).resolve().parent.parent


def counting_ssh(folder: Path) -> Path:
    """A program that notes each call and then becomes the real ssh."""
    wrapper = folder / "ssh"
    wrapper.write_text(f'#!/bin/sh\necho x >>"{folder}/calls"\nexec /usr/bin/ssh "$@"\n')
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    return wrapper


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host")
    parser.add_argument("-i", "--inventory", required=True)
    parser.add_argument("--runs", type=int, default=5)
    wanted = parser.parse_args()
    programs = Path(sys.executable).parent
    calls: dict[str, list[int]] = {}

    def contestant(name: str, *argv: str) -> float:
        with tempfile.TemporaryDirectory() as folder:
            wrapper = counting_ssh(Path(folder))
            # First on PATH as well: testinfra and ourselves call plain `ssh`.
            env = {
                **os.environ,
                "ANSIBLE_SSH_EXECUTABLE": str(wrapper),
                "PATH": f"{folder}:{os.environ['PATH']}",
                "ANSIBLE_CONFIG": str(TOP / "ansible.cfg"),
            }
            since = time.perf_counter()
            done = subprocess.run(argv, env=env, capture_output=True, text=True, cwd=TOP, check=False)
            took = time.perf_counter() - since
            if done.returncode != 0:
                sys.exit(f"{' '.join(argv)} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
            noted = Path(folder) / "calls"
            calls.setdefault(name, []).append(len(noted.read_text().split()) if noted.exists() else 0)
        return took

    host, inventory = wanted.host, wanted.inventory
    ansible, nfvcap = str(programs / "ansible"), str(programs / "nfvcap")
    took = alternate(
        {
            "ansible -m ping": lambda: contestant("ansible -m ping", ansible, host, "-i", inventory, "-m", "ping"),
            "nfvcap plan": lambda: contestant("nfvcap plan", nfvcap, "plan", host, "-i", inventory),
            "nfvcap provision (no change)": lambda: contestant(
                "nfvcap provision (no change)", nfvcap, "provision", host, "-i", inventory, "--yes", "--reboot", "never"
            ),
        },
        wanted.runs,
    )
    met = report(took, "ansible -m ping", LIMITS)
    met &= report_counts(calls, "ssh round trips", ROUND_TRIPS)
    print("A provision without a change is facts + plan + state checks: no role is run, so none is in these figures.")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
