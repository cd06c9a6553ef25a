# SPDX-License-Identifier: Apache-2.0
"""Generator and capture as two processes of this machine over a memif link: no NIC, no root, no huge pages.

A memif ring lies in memory that both sides share, so a frame that finds it full is refused to the sender, which drops
it and counts it, as a wire would: every loss has exactly one place where it is seen.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path as FilePath

from nfvcap.agent.client import Agent
from nfvcap.agent.options import CaptureOptions
from nfvcap.scratch import scratch
from nfvcap.verify.packets.path import Path
from nfvcap.verify.packets.points.local import LocalPoint
from nfvcap.verify.packets.sources.agent import AgentSource, Sink

RING_BITS = 12  # 4096 frames, as the ring of a NIC
NOTE = (
    "Virtual devices on one machine: the figures are those of the agent on its CPU and of its storage; no NIC, no PCI "
    "and no hypervisor is in the path."
)


@contextmanager
def vdev_path(
    agent: Agent, directory: FilePath, link_mbps: int, *, ring_bits: int = RING_BITS, omit_every: int = 0,
    capture_options: tuple[str, ...] = (),
) -> Iterator[Path]:  # fmt: skip
    """A path that exists as long as the block: its socket has a directory of its own."""
    with scratch("nfvcap-memif-") as sockets:
        link = f"socket={sockets}/link,socket-abstract=no,rsize={ring_bits}"
        server, client = f"vdev:net_memif0,role=server,{link}", f"vdev:net_memif0,role=client,{link}"
        sending, capturing = cpus()
        sink = _sink(agent, server, capturing)
        yield Path(
            name="vdev",
            source=AgentSource(agent, client, "agent generator over memif", cpu=sending, sink=sink,
                               omit_every=omit_every, drops=True),
            point=LocalPoint(agent, server, "net_memif", directory, str(capturing), capture_options),
            attachment="virtual device (memif)", engine="DPDK", link_mbps=link_mbps, label="virtual", label_note=NOTE,
            ring_seen_by_source=True,
        )  # fmt: skip


def cpus() -> tuple[int, int]:
    """CPUs for the sender and the capture: two that are not hyper-threads of one core, where there are."""
    allowed = sorted(os.sched_getaffinity(0), reverse=True)
    first = allowed[0]
    siblings = FilePath(f"/sys/devices/system/cpu/cpu{first}/topology/thread_siblings_list")
    beside = set(_list(siblings.read_text())) if siblings.exists() else {first}
    others = [cpu for cpu in allowed if cpu not in beside] or [cpu for cpu in allowed if cpu != first] or [first]
    return first, others[0]


def _list(text: str) -> Iterator[int]:
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def _sink(agent: Agent, port: str, cpu: int) -> Sink:
    @contextmanager
    def counting() -> Iterator[Callable[[], object]]:
        with scratch("nfvcap-count-") as place:
            options = CaptureOptions(ports=(port,), lcores=str(cpu))
            with agent.start(options, place) as running:
                yield running.stop

    return counting
