# SPDX-License-Identifier: Apache-2.0
"""A lab's status in words."""

from __future__ import annotations

from nfvcap.lab.state import Status

_MIB = 1024 * 1024


def lines(status: Status) -> list[str]:
    """The status, one fact per line."""
    if status.state == "down":
        return [f"{status.name}: down (disk {status.disk_bytes / _MIB:.0f} MiB in {status.directory})"]
    words = {
        "up": "up", "booting": "booting, ssh does not answer yet", "silent": "running, but ssh does not answer",
        "stopped": "stopped: its disk could not be written; make room on this machine's, then nfvcap lab up",
    }  # fmt: skip
    booted = f", ssh answered after {status.boot_s:.0f} s" if status.boot_s else ""
    return [
        f"{status.name}: {words[status.state]} since {status.since}{booted}",
        f"  accelerator  {status.accelerator}: {status.accelerator_why}",
        f"  QEMU         {status.qemu} ({status.qemu_origin}): {status.qemu_why}",
        f"  ssh          {status.ssh}   (127.0.0.1 port {status.ssh_port})",
        f"  disk         {status.disk_bytes / _MIB:.0f} MiB on image {status.image}",
        f"  console      {status.console}",
        f"  process      {status.pid}",
        *(f"  watchdog     {line}" for line in status.resets),
        *(f"  {line}" for line in port_lines(status)),
    ]


def port_lines(status: Status) -> list[str]:
    """The network ports and who listens on their wires."""
    return [
        f"port {port['port']}       {port['address']} on node {port['node']}, {port['mac']}, wire "
        + ("has a listener" if port["listener"] else "has no listener: what the port sends has no receiver")
        for port in status.ports
    ]
