# SPDX-License-Identifier: Apache-2.0
"""A source that was named, opened for frames to VFs of a guest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from nfvcap.lab import Lab
from nfvcap.verify.packets.engines.vf import GuestVf
from nfvcap.verify.packets.path import Source
from nfvcap.verify.packets.sources.origin import Origin, wire_to
from nfvcap.verify.packets.sources.wire import wire_source


@contextmanager
def opened(origin: Origin, vfs: Sequence[GuestVf], omit_every: int = 0) -> Iterator[Source]:
    """The source for frames to these VFs, each a flow of its own, as long as the block.

    Raises:
        UsageError: NFV-PKT-211 no frames come to them from there.
        LabError: the lab does not run, or somebody else has its wire.
        NfvcapError: NFV-AGENT-006 the agent does not run there; the way there fails.
    """
    if origin.kind == "lab":
        wire = Lab(origin.what).wire(wire_to(vf.pf for vf in vfs))
        with wire_source(wire, str(origin), [vf.layout for vf in vfs], omit_every) as source:
            yield source
        return
    from nfvcap.agent.brought import brought
    from nfvcap.agent.build import locate
    from nfvcap.agent.client import Agent
    from nfvcap.verify.packets.sources.agent import AgentSource

    with ExitStack() as stack:
        there = stack.enter_context(brought(origin.door, locate())) if origin.door else None
        yield AgentSource(
            Agent(locate()), origin.what, str(origin), omit_every=omit_every, to=[(vf.mac, vf.vlan) for vf in vfs],
            there=there,
        )  # fmt: skip
