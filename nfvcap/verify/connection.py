# SPDX-License-Identifier: Apache-2.0
"""How a host is reached: testinfra over plain ssh where the inventory says only what is understood here, else Ansible.

Plain ssh costs one channel of a connection that Ansible has open anyway; a run of the ``ansible`` program costs a
second and more. So the short way is taken only when every variable that has a say is known to be obeyed on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SSH_ARGS = "-o ControlMaster=auto -o ControlPersist=120s"

# Obeyed on the short way.
_KNOWN = {
    "ansible_connection", "ansible_host", "ansible_ssh_host", "ansible_port", "ansible_ssh_port", "ansible_user",
    "ansible_ssh_user", "ansible_private_key_file", "ansible_ssh_private_key_file", "ansible_ssh_args",
    "ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_host_key_checking",
    "ansible_ssh_host_key_checking", "ansible_become", "ansible_become_user", "ansible_become_method",
    "ansible_python_interpreter",
}  # fmt: skip
# Of no consequence for one command over ssh.
_HARMLESS = {
    "ansible_pipelining", "ansible_ssh_pipelining", "ansible_ssh_retries", "ansible_ssh_transfer_method",
    "ansible_remote_tmp", "ansible_timeout", "ansible_ssh_timeout", "ansible_scp_extra_args",
    "ansible_sftp_extra_args", "ansible_scp_if_ssh", "ansible_facts", "ansible_check_mode", "ansible_version",
    "ansible_playbook_python", "ansible_config_file", "ansible_async_dir", "ansible_diff_mode", "ansible_forks",
    "ansible_inventory_sources", "ansible_limit", "ansible_run_tags", "ansible_skip_tags", "ansible_verbosity",
}  # fmt: skip
# Variables of the environment that change how Ansible connects.
_ENVIRONMENT = (
    "ANSIBLE_BECOME", "ANSIBLE_REMOTE_", "ANSIBLE_PRIVATE_KEY_FILE", "ANSIBLE_SSH_", "ANSIBLE_TRANSPORT",
    "ANSIBLE_HOST_KEY_CHECKING", "ANSIBLE_SCP_", "ANSIBLE_PYTHON_INTERPRETER",
)  # fmt: skip


@dataclass(frozen=True)
class Connection:
    """Which testinfra backend, and with which options; ``why`` tells what keeps a host off the short way."""

    backend: str  # ssh | local | ansible
    spec: str
    options: dict[str, Any] = field(default_factory=dict)
    python: str = "python3"
    why: str = ""


def resolve(
    host: str, variables: Mapping[str, Any], environment: Mapping[str, str], control_dir: Path | None = None
) -> Connection:
    """Decide the way to a host.

    Args:
        host: inventory name.
        variables: its ``ansible_*`` variables; what is still a template is left to Ansible.
        environment: environment of this process.
        control_dir: where Ansible keeps the sockets of shared ssh connections; None: connections are not shared.
    """
    python = str(variables.get("ansible_python_interpreter", "python3"))
    python = python if python.startswith("/") else "python3"  # "auto_silent" and the like
    why = _obstacle(variables, environment)
    if why:
        return Connection("ansible", host, python=python, why=why)
    get = _first(variables)
    become = _true(variables.get("ansible_become", False))
    options: dict[str, Any] = {"sudo": become}
    if get("connection") == "local":
        return Connection("local", "local", options, python)
    address, port, user = str(get("host", "ssh_host") or host), get("port", "ssh_port"), get("user", "ssh_user")
    words = [
        str(variables.get("ansible_ssh_args", SSH_ARGS)),
        str(variables.get("ansible_ssh_common_args", "")),
        str(variables.get("ansible_ssh_extra_args", "")),
        "-o BatchMode=yes -o ServerAliveInterval=5 -o ServerAliveCountMax=4",
    ]
    if not _true(get("host_key_checking", "ssh_host_key_checking", default=True)):
        words.append("-o StrictHostKeyChecking=no")
    extra = " ".join(filter(None, words))
    options["ssh_extra_args"] = extra
    if control_dir is not None and "ControlPersist" in extra and "ControlPath" not in extra:
        options["controlpath"] = str(control_dir / shared_socket(address, port, user))
    key = get("private_key_file", "ssh_private_key_file")
    if key:
        options["ssh_identity_file"] = str(Path(str(key)).expanduser())
    name = f"[{address}]" if ":" in address else address
    spec = (f"{user}@" if user else "") + name + (f":{port}" if port else "")
    return Connection("ssh", spec, options, python)


def shared_socket(address: str, port: object, user: object) -> str:
    """Name of the socket under which Ansible's ssh plugin shares its connection to a host."""
    return hashlib.sha1(f"{address}-{port}-{user}".encode(), usedforsecurity=False).hexdigest()[:10]


def shared_dir() -> Path | None:
    """Where Ansible shares its connections; None when the directory cannot be had."""
    directory = Path.home() / ".ansible" / "cp"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return None
    return directory


def _obstacle(variables: Mapping[str, Any], environment: Mapping[str, str]) -> str:
    """What cannot be obeyed on the short way; "" when nothing is in the way."""
    for name, value in variables.items():
        if not name.startswith("ansible_") or name in _HARMLESS:
            continue
        if name not in _KNOWN:
            return f"the inventory sets {name}"
        if not isinstance(value, str | int | bool) or (isinstance(value, str) and ("{{" in value or "{%" in value)):
            return f"{name} has to be evaluated by Ansible"
    for name in environment:
        if name.startswith(_ENVIRONMENT):
            return f"the environment sets {name}"
    get = _first(variables)
    if get("connection", default="ssh") not in {"ssh", "smart", "local"}:
        return f"the connection is {get('connection')}"
    becomes = (variables.get("ansible_become_method", "sudo"), variables.get("ansible_become_user", "root"))
    if _true(variables.get("ansible_become", False)) and becomes != ("sudo", "root"):
        return f"becomes {becomes[1]} by {becomes[0]}"
    return ""


def _first(variables: Mapping[str, Any]) -> Any:
    """Look a connection variable up under its names, the usual one first."""

    def get(*names: str, default: Any = None) -> Any:
        for name in names:
            if f"ansible_{name}" in variables:
                return variables[f"ansible_{name}"]
        return default

    return get


def _true(value: Any) -> bool:
    """Ansible's idea of a boolean."""
    return str(value).strip().lower() in {"1", "true", "yes", "on", "y", "t"}
