# SPDX-License-Identifier: Apache-2.0
"""The operating system of a machine: distribution, kernel, and whether it is a virtual machine itself."""

from __future__ import annotations

from typing import Any

from .nfvcap_machine import Machine

_FAMILIES = {
    "debian": ("debian", "ubuntu"),
    "redhat": ("rhel", "fedora", "centos", "rocky", "almalinux"),
    "suse": ("suse", "opensuse", "opensuse-leap", "opensuse-tumbleweed", "sles"),
    "arch": ("arch",),
}


def read_os(machine: Machine) -> dict[str, Any]:
    """The part `os` of the facts."""
    release = _os_release(machine)
    _, kernel, arch = machine.identity()
    return {
        "id": release.get("ID", "linux"),
        "version": release.get("VERSION_ID", ""),
        "family": family(release),
        "name": release.get("PRETTY_NAME", release.get("NAME", "Linux")),
        "kernel": kernel,
        "arch": arch,
        "virtualisation": _virtualisation(machine),
    }


def family(release: dict[str, str]) -> str:
    """debian, redhat, suse, arch or other, from ID and ID_LIKE."""
    for word in [release.get("ID", ""), *release.get("ID_LIKE", "").split()]:
        for name, members in _FAMILIES.items():
            if word in members:
                return name
    return "other"


def _os_release(machine: Machine) -> dict[str, str]:
    text = machine.read("/etc/os-release") or machine.read("/usr/lib/os-release")
    if text is None:
        machine.problem("no /etc/os-release: the distribution is unknown")
    found = {}
    for line in (text or "").splitlines():
        key, equals, value = line.strip().partition("=")
        if equals and not key.startswith("#"):
            found[key] = value.strip("\"'")
    return found


def _virtualisation(machine: Machine) -> str:
    """systemd-detect-virt asks the CPU, which no file tells; it says "none" with exit status 1."""
    done = machine.run(["systemd-detect-virt"])
    word = done.stdout.strip()
    if not word:
        machine.problem(f"cannot tell whether this is a virtual machine: {done.complaint}")
    return word or "unknown"
