# SPDX-License-Identifier: Apache-2.0
"""Trials, and the command, into a network namespace that stands in for a guest."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from nfvcap.agent.deploy import deploy
from nfvcap.model.measurement import Trial
from nfvcap.verify.packets.engines.guest import Place, guest_path
from nfvcap.verify.packets.engines.vf import GuestVf
from nfvcap.verify.packets.path import Source
from nfvcap.verify.packets.profiles import PROFILES
from nfvcap.verify.packets.sources.named import opened
from nfvcap.verify.packets.sources.origin import Origin
from nfvcap.verify.packets.sources.wire import wire_source
from nfvcap.verify.packets.traffic import traffic
from nfvcap.verify.packets.trials import Trials
from tests.agent.room import Room
from tests.agent.support import Agent

PROFILE = replace(PROFILES["quick"], drain_s=0.3, settle_s=0.0, retries=0)
SMALL = ("--burst-buffer", "16M")
RATE_PPS = 1000


@contextmanager
def trials(
    agent: Agent, guest: Room, directory: Path, words: str = "64", omit_every: int = 0, options: tuple[str, ...] = (),
    vfs: tuple[GuestVf, ...] = (), origin: Origin | None = None, engine: str = "kernel", **path: Any,
) -> Iterator[Trials]:  # fmt: skip
    vfs = vfs or (guest.vf,)
    there = deploy(guest.door, agent.binary, str(directory / "bin" / "nfvcap-agent"))
    place = Place(guest.door, there, str(directory), (*(() if engine == "libpcap" else SMALL), *options))
    with ExitStack() as stack:
        source: Source = stack.enter_context(
            opened(origin, vfs, omit_every)
            if origin
            else wire_source(guest.wire(), "wire", [vf.layout for vf in vfs], omit_every)
        )
        where = stack.enter_context(
            guest_path(guest.name, vfs, place, source, PROFILE, engine=engine, label="functional", **path)
        )
        assert where.captured_in == path.get("kind", "guest")
        yield Trials(replace(where, drain_s=0.5), traffic(words, len(vfs)), PROFILE, time.monotonic() + 120)


def rows(trial: Trial) -> dict[str, int]:
    """Rows of the waterfall in which something was lost; they explain everything."""
    assert trial.waterfall.residual == 0, trial.waterfall
    assert trial.lost == sum(term.packets or 0 for term in trial.waterfall.terms)
    return {term.key: term.packets for term in trial.waterfall.terms if term.packets}


def nfvcap(
    agent: Agent, guest: Room, state: Path, *words: str, whom: tuple[str, ...] = ("--guest", "vm1"),
    vfs: tuple[GuestVf, ...] = (),
) -> subprocess.Popen[str]:  # fmt: skip
    environment = {**os.environ, "NFVCAP_AGENT": str(agent.binary), "XDG_STATE_HOME": str(state), "NO_COLOR": "1"}
    interfaces = ",".join(f"{vf.interface}={vf.mac}" for vf in vfs) or guest.interface
    argv = [sys.executable, "-m", "tests.agent.in_room", guest.name, str(guest.directory), interfaces, "verify",
            "host1", *whom, "--directory", str(state), *words]  # fmt: skip
    return subprocess.Popen(argv, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
