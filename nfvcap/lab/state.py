# SPDX-License-Identifier: Apache-2.0
"""What is written down about a running lab, and what `lab status` says."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from nfvcap.lab import access
from nfvcap.lab.topology import PORTS, Paths


@dataclass(frozen=True)
class State:
    """Facts of one start that cannot be asked of the process later.

    Args:
        image: recipe id of the image under the disk.
        port: ssh port on 127.0.0.1, 0 until QEMU has told it.
        accelerator, accelerator_why: ``kvm`` or ``tcg``, and the reason.
        qemu, qemu_origin, qemu_why: version, where it came from, and the reason.
        boot_s: seconds until root could log in, 0 as long as that has not happened.
    """

    image: str
    port: int
    accelerator: str
    accelerator_why: str
    qemu: str
    qemu_origin: str
    qemu_why: str
    boot_s: float = 0.0

    @classmethod
    def load(cls, paths: Paths) -> Self | None:
        """The recorded state, None when there is none that can be read."""
        try:
            return cls(**json.loads(paths.state.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def save(self, paths: Paths) -> None:
        scratch = paths.state.with_suffix(".new")
        scratch.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        scratch.replace(paths.state)


@dataclass(frozen=True)
class Status:
    """What `lab status` shows; ``state`` is ``down``, ``booting``, ``up``, ``silent`` (runs, ssh does not answer) or
    ``stopped`` (its disk could not be written)."""

    name: str
    state: str
    directory: str
    disk_bytes: int
    pid: int | None = None
    since: str = ""
    ssh: str = ""
    ssh_port: int | None = None
    boot_s: float | None = None
    accelerator: str = ""
    accelerator_why: str = ""
    qemu: str = ""
    qemu_origin: str = ""
    qemu_why: str = ""
    image: str = ""
    console: str = ""
    resets: list[str] = field(default_factory=list)
    ports: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def down(cls, name: str, paths: Paths, disk_bytes: int) -> Self:
        return cls(name, "down", str(paths.directory), disk_bytes)

    @classmethod
    def running(
        cls, name: str, paths: Paths, disk_bytes: int, *, state: State, age_s: float, answering: bool,
        stopped: bool = False, pid: int,
        wires: dict[int, bool], resets: list[str],
    ) -> Self:  # fmt: skip
        word = "stopped" if stopped else "up" if answering else "silent" if state.boot_s else "booting"
        ports = [
            {"port": port.index, "address": port.address, "node": port.node, "mac": port.mac,
             "wire": str(paths.wire(port)), "listener": wires[port.index]}
            for port in PORTS
        ]  # fmt: skip
        return cls(
            name, word, str(paths.directory), disk_bytes, pid,
            (datetime.now(UTC) - timedelta(seconds=age_s)).isoformat(timespec="seconds"),
            f"ssh -F {paths.ssh_config} {access.alias(name)}", state.port, state.boot_s or None,
            state.accelerator, state.accelerator_why, state.qemu, state.qemu_origin, state.qemu_why, state.image,
            str(paths.console), resets, ports,
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        return {"schema": "nfvcap/lab-status/1", **asdict(self)}
