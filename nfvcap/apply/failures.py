# SPDX-License-Identifier: Apache-2.0
"""Why a host failed, in words: what modules and ssh said becomes an explained error."""

from __future__ import annotations

import re
from typing import Any

from nfvcap.apply.events import Status, TaskEnded
from nfvcap.errors import ExitCode, NfvcapError
from nfvcap.run import tail

# What ssh says when a host cannot be reached → catalogue id and what to do; the first match wins.
_SSH: tuple[tuple[str, str, str], ...] = (
    (r"host key verification failed|REMOTE HOST IDENTIFICATION", "NFV-SSH-002",
     "compare the host's key and accept it once: ssh {host}; after a reinstallation: ssh-keygen -R {host}"),
    (r"permission denied|too many authentication failures", "NFV-SSH-003",
     "set ansible_user and ansible_ssh_private_key_file in the inventory, or load the key: ssh-add"),
    (r"could not resolve|name or service not known", "NFV-SSH-004",
     "set ansible_host of {host} in the inventory to an address that resolves"),
    (r"failed to create temporary directory|no space left", "NFV-SSH-006",
     "look at the free space and the rights of ~/.ansible on {host}"),
)  # fmt: skip
_BECOME = re.compile(r"missing sudo password|incorrect sudo password|a password is required|not in the sudoers", re.I)
_PYTHON = re.compile(r"python3?[\w.]*: (command )?not found|no such file or directory.*python|interpreter", re.I)


def explain(event: TaskEnded, inventory: str = "-i INVENTORY") -> NfvcapError:
    """The error of a task that failed on a host, or of a host that could not be reached.

    Args:
        inventory: options that name the inventory in commands that are proposed.
    """
    message = _message(event.data)
    if event.status is Status.UNREACHABLE:
        return _unreachable(event.host, message, inventory)
    where = f"{event.role}: {event.name}" if event.role else event.name
    own = event.data.get("nfvcap_error")
    if isinstance(own, dict):
        # Our own modules explain themselves: they refused, or read back something else than they wrote.
        why, fix = (str(own.get(part, "")) for part in ("why", "fix"))
        return NfvcapError(str(own["code"]), f"{event.host}: {own['what']}", why, fix, ExitCode.CHECK_FAILED)
    if event.action.rsplit(".", 1)[-1] == "reboot":
        return _reboot(event, message)
    if _BECOME.search(message):
        return NfvcapError(
            "NFV-SSH-005", f"{event.host}: cannot become root", message,
            "give the user password-less sudo, or set ansible_become_password (for instance from a vault)",
            ExitCode.UNREACHABLE,
        )  # fmt: skip
    if event.data.get("rc") == 127 and _PYTHON.search(_evidence(event.data)):
        return NfvcapError(
            "NFV-SSH-007", f"{event.host}: no usable Python", _evidence(event.data),
            f"install python3 on {event.host}, or set ansible_python_interpreter in the inventory",
            ExitCode.UNREACHABLE,
        )  # fmt: skip
    return NfvcapError(
        "NFV-RUN-008",
        f"{event.host}: the step '{where}' failed",
        "\n".join(filter(None, (message, _evidence(event.data)))),
    )


def _reboot(event: TaskEnded, message: str) -> NfvcapError:
    if event.data.get("rebooted"):
        return NfvcapError(
            "NFV-BOOT-102", f"{event.host} was told to reboot but did not come back in time", message,
            f"look at the console of {event.host}; when it is up again, run the same command again",
            ExitCode.UNREACHABLE,
        )  # fmt: skip
    return NfvcapError("NFV-BOOT-101", f"{event.host} could not be told to reboot", message, "reboot it by hand")


def _unreachable(host: str, message: str, inventory: str) -> NfvcapError:
    for pattern, code, fix in _SSH:
        if re.search(pattern, message, re.I):
            return NfvcapError(code, f"cannot log in to {host}", message, fix.format(host=host), ExitCode.UNREACHABLE)
    return NfvcapError(
        "NFV-SSH-001",
        f"cannot reach {host}",
        message,
        f"is it up, and is ansible_host right? Try: ansible {inventory} {host} -m ansible.builtin.ping -vvv",
        ExitCode.UNREACHABLE,
    )


def _message(data: dict[str, Any]) -> str:
    text = str(data.get("msg", "")).strip() or "no message"
    items = [str(item).strip() for item in data.get("items", [])]
    return "\n".join([text, *items])


def _evidence(data: dict[str, Any]) -> str:
    said = str(data.get("module_stderr") or data.get("stderr") or data.get("module_stdout") or "").strip()
    return tail(said) if said else ""
