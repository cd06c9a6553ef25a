# SPDX-License-Identifier: Apache-2.0
"""What is installed on a machine: package versions, states of systemd units, kernel modules and their parameters."""

from __future__ import annotations

import re

from .nfvcap_machine import Machine

_UNIT_PROPERTIES = {"LoadState": "load", "ActiveState": "active", "UnitFileState": "enabled"}
_PACKAGE_MANAGERS = {
    "debian": ["dpkg-query", "-W", "-f", "${Package}\\t${db:Status-Status}\\t${Version}\\n"],
    "redhat": ["rpm", "-q", "--qf", "%{NAME}\\tinstalled\\t%{VERSION}-%{RELEASE}\\n"],
    "suse": ["rpm", "-q", "--qf", "%{NAME}\\tinstalled\\t%{VERSION}-%{RELEASE}\\n"],
}
_READABLE = 0o444


def read_packages(machine: Machine, family: str, names: list[str]) -> dict[str, str | None]:
    """Installed versions of the asked-for packages; None for those that are not installed."""
    command = _PACKAGE_MANAGERS.get(family)
    if not names or command is None:
        if names:
            machine.problem("no package manager that nfvcap knows: installed packages are not known")
        return dict.fromkeys(names)
    # Programs exit with 1 when one of the packages is not installed, so only what they print counts.
    done = machine.run([*command, *names])
    if done.status not in (0, 1) and not done.stdout:
        machine.problem(f"installed packages are not known: {command[0]}: {_last_line(done.stderr)}")
    found: dict[str, str | None] = dict.fromkeys(names)
    for line in done.stdout.splitlines():
        # A removed package keeps its configuration, a name that others provide has no version: neither is installed.
        name, status, version = line.split("\t") if line.count("\t") == 2 else ("", "", "")
        if name in found and status == "installed":
            found[name] = version
    return found


def read_units(machine: Machine, names: list[str]) -> dict[str, dict[str, str]]:
    """States of the asked-for systemd units, by name."""
    if not names:
        return {}
    properties = ",".join(_UNIT_PROPERTIES)
    done = machine.run(["systemctl", "show", f"--property={properties}", "--", *names])
    blocks = [block for block in done.stdout.split("\n\n") if block.strip()]
    if len(blocks) != len(names):
        machine.problem(f"states of systemd units are not known: systemctl: {_last_line(done.stderr)}")
        return {}
    return dict(zip(names, map(_unit, blocks)))  # noqa: B905 - equally long, and Python 3.9 has no `strict`


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no answer"])[-1]


def _unit(block: str) -> dict[str, str]:
    values = dict(line.partition("=")[::2] for line in block.strip().splitlines())
    return {word: values.get(key, "") for key, word in _UNIT_PROPERTIES.items()}


def read_modules(machine: Machine, names: list[str]) -> tuple[list[str], dict[str, dict[str, str]]]:
    """Those of the asked-for kernel modules that are loaded or built in, and their live parameters."""
    names = sorted({name.replace("-", "_") for name in names})
    present, parameters = [], {}
    for name in names:
        folder = f"/sys/module/{name}"
        if machine.exists(folder):
            present.append(name)
            parameters[name] = _parameters(machine, f"{folder}/parameters")
    absent = [name for name in names if name not in present]
    return sorted([*present, *_built_in(machine, absent)]), parameters


def _parameters(machine: Machine, folder: str) -> dict[str, str]:
    readable = [name for name in machine.listdir(folder) if (machine.mode(f"{folder}/{name}") or 0) & _READABLE]
    return {name: machine.value(f"{folder}/{name}") or "" for name in readable}


def _built_in(machine: Machine, names: list[str]) -> list[str]:
    """Modules that are part of the kernel and have no parameters leave no trace in /sys."""
    if not names:
        return []
    listed = machine.read(f"/lib/modules/{machine.identity()[1]}/modules.builtin") or ""
    built_in = {found.replace("-", "_") for found in re.findall(r"([^/\n]+)\.ko", listed)}
    return [name for name in names if name in built_in]
