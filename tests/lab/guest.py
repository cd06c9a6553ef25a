# SPDX-License-Identifier: Apache-2.0
"""A guest on the lab server as the tests look into it: through its agent by virsh, not through nfvcap's own code."""

from __future__ import annotations

import base64
import contextlib
import json
import shlex
import time
from dataclasses import dataclass
from typing import Any

from nfvcap.errors import NfvcapError
from tests.lab.host import Host

_CHUNK_BYTES = 65536
# Gives a device to DPDK, as somebody in the guest would by hand.
_TO_VFIO = """
d=/sys/bus/pci/devices/{0}
echo vfio-pci >$d/driver_override; echo {0} >$d/driver/unbind; echo {0} >/sys/bus/pci/drivers_probe
basename $(readlink $d/driver)
"""


@dataclass(frozen=True)
class Guest:
    host: Host
    name: str

    def agent(self, command: str, **arguments: Any) -> Any:
        """One command of the agent's protocol."""
        words = json.dumps({"execute": command, **({"arguments": arguments} if arguments else {})})
        answer = self.host.run(f"virsh -q qemu-agent-command {self.name} {shlex.quote(words)}")
        return json.loads(answer)["return"]

    def run(self, line: str, timeout_s: float = 60) -> str:
        """A shell line in the guest, to its end."""
        pid = self.agent("guest-exec", path="sh", arg=["-c", line], **{"capture-output": True})["pid"]
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            state = self.agent("guest-exec-status", pid=pid)
            if state["exited"]:
                return base64.b64decode(state.get("out-data", "")).decode()
            time.sleep(0.5)
        raise AssertionError(f"{line!r} did not end in the guest")

    def read(self, path: str) -> bytes:
        """Content of a file in the guest."""
        handle, data = self.agent("guest-file-open", path=path, mode="r"), b""
        while True:
            part = self.agent("guest-file-read", handle=handle, count=_CHUNK_BYTES)
            data += base64.b64decode(part["buf-b64"])
            if part["eof"]:
                self.agent("guest-file-close", handle=handle)
                return data

    def to_vfio(self, place: str) -> None:
        """Give the device at a PCI address to vfio-pci."""
        driver = self.run(_TO_VFIO.format(place)).strip()
        assert driver == "vfio-pci", driver

    def answers(self) -> bool:
        ping = shlex.quote('{"execute": "guest-ping"}')
        return self.host.run(f"virsh -q qemu-agent-command {self.name} {ping} 2>&1 || true").startswith("{")

    def wait(self, timeout_s: float = 240) -> None:
        """Until the agent answers."""
        deadline = time.monotonic() + timeout_s
        while not self.answers():
            assert time.monotonic() < deadline, f"guest {self.name} did not come up"
            time.sleep(2)

    def start_again(self) -> None:
        """One that stands still: as by a power button; until it answers again."""
        self.host.run(f"virsh -q destroy {self.name}; virsh -q start {self.name}", timeout_s=300)
        self.wait(300)

    def reboot(self) -> None:
        """From inside, as its own operating system does it; until it answers again."""
        before = self.run("cat /proc/sys/kernel/random/boot_id")
        # Not by run(), which asks whether it has ended: the agent may be gone by then.
        self.agent("guest-exec", path="sh", arg=["-c", "sync; reboot -f"])
        deadline = time.monotonic() + 300
        while True:
            assert time.monotonic() < deadline, f"guest {self.name} did not reboot"
            time.sleep(3)
            # The agent of the old system may answer, and be gone before the next word.
            with contextlib.suppress(NfvcapError):
                if self.answers() and self.run("cat /proc/sys/kernel/random/boot_id") != before:
                    return
