# SPDX-License-Identifier: Apache-2.0
"""``--from``: which source is meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from nfvcap.errors import UsageError
from nfvcap.lab import Lab
from nfvcap.lab.topology import PORTS
from nfvcap.verify.packets.engines.vf import GuestVf
from nfvcap.verify.packets.path import Source
from nfvcap.verify.packets.sources.wire import wire_source

DEFAULT_LAB = "lab"


@dataclass(frozen=True)
class Origin:
    """A source that is named and not yet opened.

    Args:
        kind: the wire of a lab server, or the agent's generator at a port of this machine.
        what: name of the lab; the port as the agent spells it.
    """

    kind: Literal["lab", "agent"]
    what: str

    @property
    def label(self) -> Literal["functional", "performance"]:
        """What figures are worth that were measured with it."""
        return "functional" if self.kind == "lab" else "performance"

    @contextmanager
    def open(self, vfs: Sequence[GuestVf], omit_every: int = 0) -> Iterator[Source]:
        """The source for frames to these VFs, as long as the block.

        Raises:
            UsageError: NFV-PKT-211 no frames come to them from there.
            LabError: the lab does not run, or somebody else has its wire.
        """
        if self.kind == "lab":
            with wire_source(
                Lab(self.what).wire(self._port(vfs)), f"wire of the lab server {self.what}",
                [vf.layout for vf in vfs], omit_every,
            ) as source:  # fmt: skip
                yield source
            return
        if len(vfs) > 1:
            raise UsageError(
                "NFV-PKT-211", "the generator sends to one VF at a time", f"asked for were {len(vfs)}",
                "name one of them with --vf",
            )  # fmt: skip
        from nfvcap.agent.build import locate
        from nfvcap.agent.client import Agent
        from nfvcap.verify.packets.sources.agent import AgentSource

        (vf,) = vfs
        yield AgentSource(
            Agent(locate()), self.what, f"agent generator at {self.what}", omit_every=omit_every, dst_mac=vf.mac,
            vlan=str(vf.vlan) if vf.vlan else None,
        )  # fmt: skip

    def _port(self, vfs: Sequence[GuestVf]) -> int:
        """Number of the lab's port that the VFs are on."""
        ports = {port.address: port.index for port in PORTS}
        pfs = {vf.pf for vf in vfs}
        if len(pfs) > 1 or not pfs <= ports.keys():
            raise UsageError(
                "NFV-PKT-211", f"no wire of a lab leads to {', '.join(sorted(pfs))}",
                f"ports of a lab server are {', '.join(ports)}; frames go through one of them at a time",
                "--from agent:PORT sends from a port of this machine that is cabled to the host",
            )  # fmt: skip
        return ports[pfs.pop()]


def origin(words: str) -> Origin:
    """Understand ``lab``, ``lab:NAME`` or ``agent:PORT``.

    Raises:
        UsageError: NFV-PKT-211.
    """
    kind, _, what = words.partition(":")
    if kind == "lab":
        return Origin("lab", what or DEFAULT_LAB)
    if kind == "agent" and what:
        return Origin("agent", what)
    raise UsageError(
        "NFV-PKT-211", f"there is no source {words!r}", "frames have to come from outside of the guest's host",
        "lab or lab:NAME for the wire of a lab server; agent:PORT for a port of this machine, such as "
        "agent:af_packet:ens5 or agent:0000:81:00.0",
    )  # fmt: skip
