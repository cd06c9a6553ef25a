# SPDX-License-Identifier: Apache-2.0
"""Asking a running guest what it sees: programs, files and interfaces inside, through the QEMU guest agent.

The agent answers on a virtio-serial channel that libvirt holds, so neither the guest's network nor a login is needed.
"""

from __future__ import annotations

import base64
import json
import time
from typing import Any

from .nfvcap_command import Completed
from .nfvcap_failure import Failure
from .nfvcap_libvirt import binding

# One command of the agent; on a processor that is emulated twice it takes a second.
CALL_TIMEOUT_S = 30
# libvirt says so when the agent did not answer its greeting within five seconds, which nobody can lengthen. The command
# itself was not sent then, so that it may be tried again.
_NOT_GREETED = "synchronization"
RUN_TIMEOUT_S = 60.0
# One write into a guest's file: 64 KiB went through in 0.1 s on the lab's guests; 256 KiB, 341 in base64, had no answer
# within 120 s.
_CHUNK_BYTES = 48 * 1024
_PCI_OF_INTERFACES = 'for i in /sys/class/net/*; do p=$(readlink -f "$i/device") && echo "${i##*/} ${p##*/}"; done; :'


class GuestAgent:
    """The agent of one running guest.

    Args:
        domain: libvirt's ``virDomain``.
    """

    def __init__(self, domain: Any) -> None:
        self._domain = domain
        self.name: str = domain.name()

    def call(self, command: str, timeout_s: int = CALL_TIMEOUT_S, **arguments: Any) -> Any:
        """One command of the agent's protocol (``guest-ping``); returns what it answers.

        A guest that is too busy to answer libvirt's greeting is asked again until ``timeout_s`` is over.

        Raises:
            Failure: NFV-GUEST-010 no answer, NFV-GUEST-011 the agent refuses the command.
        """
        libvirt = binding()
        import libvirt_qemu

        words = json.dumps({"execute": command, **({"arguments": arguments} if arguments else {})})
        deadline = time.monotonic() + timeout_s
        try:
            while True:
                try:
                    answer = libvirt_qemu.qemuAgentCommand(self._domain, words, timeout_s, 0)
                    break
                except libvirt.libvirtError as error:
                    if _NOT_GREETED not in str(error) or time.monotonic() >= deadline:
                        raise
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_INTERNAL_ERROR:
                raise Failure(
                    "NFV-GUEST-011",
                    f"the agent in guest {self.name} refuses {command}",
                    str(error),
                    "see /etc/sysconfig/qemu-ga or /etc/qemu/qemu-ga.conf in the guest: commands can be blocked there",
                ) from error
            raise Failure(
                "NFV-GUEST-010",
                f"the agent in guest {self.name} does not answer",
                str(error),
                "install and start qemu-guest-agent in the guest; it needs the channel org.qemu.guest_agent.0",
            ) from error
        return json.loads(answer)["return"]

    def answers(self, timeout_s: int = 5) -> bool:
        """Whether the agent answers now."""
        try:
            self.call("guest-ping", timeout_s)
        except Failure:
            return False
        return True

    def wait(self, timeout_s: float) -> bool:
        """Wait until the agent answers; False when it did not within ``timeout_s``."""
        deadline = time.monotonic() + timeout_s
        while not self.answers():
            if time.monotonic() > deadline or not self._domain.isActive():
                return False
            time.sleep(0.5)
        return True

    def run(self, argv: list[str], timeout_s: float = RUN_TIMEOUT_S, stdin: bytes | None = None) -> Completed:
        """Run a program in the guest to its end. It goes on in the guest when its time is over (status 124).

        Raises:
            Failure: as :meth:`call`; a program that does not exist is one of the agent's refusals (NFV-GUEST-011).
        """
        pid = self.start(argv, stdin)
        deadline, pause_s = time.monotonic() + timeout_s, 0.05
        while True:
            state = self.state(pid)
            if state is not None:
                return Completed(argv, *state)
            if time.monotonic() > deadline:
                return Completed(argv, 124, "", f"not finished after {timeout_s:g} s in guest {self.name}")
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, 0.5)

    def start(self, argv: list[str], stdin: bytes | None = None) -> int:
        """Start a program in the guest without waiting for it; returns its process id there."""
        arguments: dict[str, Any] = {"path": argv[0], "arg": argv[1:], "capture-output": True}
        if stdin is not None:
            arguments["input-data"] = base64.b64encode(stdin).decode()
        return int(self.call("guest-exec", **arguments)["pid"])

    def state(self, pid: int) -> tuple[int, str, str] | None:
        """Exit status and output of a program that was started; None while it runs. Can be asked once after its end."""
        answer = self.call("guest-exec-status", pid=pid)
        if not answer["exited"]:
            return None
        out, err = (
            base64.b64decode(answer.get(key, "")).decode("utf-8", "replace") for key in ("out-data", "err-data")
        )
        return answer.get("exitcode", 128 + answer.get("signal", 0)), out, err

    def read_file(self, path: str) -> bytes:
        """Content of a file in the guest."""
        handle = self.call("guest-file-open", path=path, mode="r")
        try:
            data = b""
            while True:
                part = self.call("guest-file-read", handle=handle, count=_CHUNK_BYTES)
                data += base64.b64decode(part["buf-b64"])
                if part["eof"]:
                    return data
        finally:
            self.call("guest-file-close", handle=handle)

    def write_file(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Put a file in place in the guest, whole or not at all."""
        handle = self.call("guest-file-open", path=f"{path}.new", mode="w")
        try:
            for begin in range(0, len(data), _CHUNK_BYTES):
                part = base64.b64encode(data[begin : begin + _CHUNK_BYTES]).decode()
                self.call("guest-file-write", **{"handle": handle, "buf-b64": part})
        finally:
            self.call("guest-file-close", handle=handle)
        done = self.run(["sh", "-c", 'chmod "$1" "$2.new" && mv "$2.new" "$2"', "sh", f"{mode:o}", path])
        if not done.ok:
            raise Failure("NFV-GUEST-012", f"{path} could not be written in guest {self.name}", done.complaint, "")

    def interfaces(self) -> list[dict[str, Any]]:
        """Network interfaces but the loopback, by name: ``name``, ``mac``, ``addresses``, ``pci``, ``packets``.

        ``pci`` is the device's address in the guest, None when there is none or the agent may not run programs.
        ``packets`` are the guest's own counts: ``received``, ``sent``, ``dropped``; None where the agent tells none.
        """
        pci = self._pci_of_interfaces()
        found = []
        for each in self.call("guest-network-get-interfaces"):
            if each["name"] != "lo":
                addresses = [f"{ip['ip-address']}/{ip['prefix']}" for ip in each.get("ip-addresses", [])]
                found.append(
                    {
                        "name": each["name"],
                        "mac": each.get("hardware-address"),
                        "addresses": addresses,
                        "pci": pci.get(each["name"]),
                        "packets": _packets(each.get("statistics")),
                    }
                )
        return sorted(found, key=lambda interface: interface["name"])

    def pci_devices(self) -> dict[str, str]:
        """PCI devices in the guest: address → driver (empty when none has it)."""
        line = 'for d in /sys/bus/pci/devices/*; do r=$(readlink "$d/driver"); echo "${d##*/} ${r##*/}"; done'
        done = self.run(["sh", "-c", line])
        pairs = [(*each.split(), "")[:2] for each in done.stdout.splitlines() if each.strip()]
        return dict(pairs)

    def _pci_of_interfaces(self) -> dict[str, str]:
        try:
            done = self.run(["sh", "-c", _PCI_OF_INTERFACES])
        except Failure:
            return {}
        pairs = [line.split() for line in done.stdout.splitlines()]
        found = dict(pair for pair in pairs if len(pair) == 2)
        # A virtio interface is a child of its PCI device.
        return {name: address for name, address in found.items() if address.count(":") == 2}


def _packets(counts: dict[str, int] | None) -> dict[str, int] | None:
    if not counts:
        return None
    return {
        "received": counts.get("rx-packets", 0),
        "sent": counts.get("tx-packets", 0),
        "dropped": counts.get("rx-dropped", 0) + counts.get("tx-dropped", 0),
    }
