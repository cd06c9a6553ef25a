# SPDX-License-Identifier: Apache-2.0
"""Puts the capture agent onto another machine, where it is not yet, and sees that it runs there."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

from nfvcap.agent.client import Agent
from nfvcap.door.door import Door, must, shell
from nfvcap.errors import NfvcapError

PLACE = "/usr/local/bin/nfvcap-agent"
"""Where the systemd unit and the manual pages have it."""
_THERE = '[ "$(sha256sum 2>/dev/null <"$1" | cut -d" " -f1)" = "$2" ]'
# In place by renaming: a capture that runs keeps the program that it was started from.
_UNPACK = 'mkdir -p "${1%/*}" && gzip -dc "$1.gz" >"$1.new" && rm "$1.gz" && chmod 755 "$1.new" && mv "$1.new" "$1"'
_UNPACK_S = 120


def deploy(door: Door, program: Path, place: str = PLACE) -> Agent:
    """The agent there, of exactly this build.

    Args:
        door: the way to the machine.
        program: the build on this machine.
        place: where it goes.

    Raises:
        NfvcapError: NFV-GUEST-030 to -032 the way or the file system, NFV-AGENT-006 it does not run there.
    """
    data = program.read_bytes()
    if not shell(door, _THERE, place, hashlib.sha256(data).hexdigest()).ok:
        must(shell(door, 'mkdir -p "${1%/*}"', place), door)
        door.put(gzip.compress(data, 6), f"{place}.gz")
        must(shell(door, _UNPACK, place, timeout_s=_UNPACK_S), door)
    agent = Agent(place, runner=door.run)
    done = door.run([place, "--version"], 60)
    if not done.ok:
        said = (done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}").splitlines()[-1]
        raise NfvcapError(
            "NFV-AGENT-006", f"the capture agent does not run on {door.name}", said,
            "it needs a CPU of x86-64-v2 and a C library not older than that of the machine that built it: build it "
            "on the older one and name it with NFVCAP_AGENT",
        )  # fmt: skip
    return agent
