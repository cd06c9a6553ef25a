# SPDX-License-Identifier: Apache-2.0
"""The boot loader of a machine, and the kernel command line that its default entry gives at the next boot."""

from __future__ import annotations

import re
from typing import Any

from .nfvcap_bls import FOLDER, default_entry, entry_command_line, parse_entry
from .nfvcap_grub import choose, command_line, default_name, environment, menu
from .nfvcap_machine import Machine

# Debian and Ubuntu; RHEL 9, Fedora, SUSE. On EFI machines with RHEL 8 the real one is on the EFI partition.
_CONFIGS = ("/boot/grub/grub.cfg", "/boot/grub2/grub.cfg")
_EFI = "/boot/efi/EFI"
_SET_VALUE = re.compile(r'^\s*set\s+(kernelopts|tuned_params)="(.*)"', re.M)
_LOADER_INFO = "/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"


def read_cmdline(machine: Machine) -> dict[str, Any]:
    """The part `cmdline` of the facts."""
    running = (machine.read("/proc/cmdline") or "").strip()
    loader, configured, source = _configured(machine)
    if loader != "unknown" and not re.search(r"(^| )BOOT_IMAGE=", running):
        machine.problem("the running kernel was not started by GRUB (no BOOT_IMAGE=), although GRUB is configured")
    return {"running": running, "configured": configured, "boot_loader": loader, "config_source": source}


def _configured(machine: Machine) -> tuple[str, str | None, str | None]:
    if _is_systemd_boot(machine):
        machine.problem("booted by systemd-boot, which nfvcap cannot configure")
        return "unknown", None, None
    path, config = _grub_config(machine)
    entries = [name for name in machine.listdir(FOLDER) if name.endswith(".conf")]
    if config is None:
        machine.problem("no boot loader that nfvcap knows: there is no grub.cfg")
        return "unknown", None, None
    folder = path.rsplit("/", 1)[0]
    env = environment(machine.read(f"{folder}/grubenv"))
    if entries and _uses_bls(machine, config):
        return _from_entries(machine, config, entries, env)
    return _from_menu(machine, path, config, env)


def _is_systemd_boot(machine: Machine) -> bool:
    info = machine.read_bytes(_LOADER_INFO)
    return info is not None and info[4:].decode("utf-16-le", "replace").startswith("systemd-boot")


def _grub_config(machine: Machine) -> tuple[str, str | None]:
    """The grub.cfg with a menu in it; one on the EFI partition that only leads to another one does not count."""
    paths = [*_CONFIGS, *(f"{_EFI}/{name}/grub.cfg" for name in machine.listdir(_EFI))]
    for path in paths:
        text = machine.read(path)
        if text and ("menuentry" in text or "blscfg" in text):
            return path, text
    return "", None


def _uses_bls(machine: Machine, config: str) -> bool:
    if re.search(r"^\s*blscfg\b", config, re.M):
        return True
    return bool(re.search(r"^\s*GRUB_ENABLE_BLSCFG=\W*true", machine.read("/etc/default/grub") or "", re.M))


def _from_menu(machine: Machine, path: str, config: str, env: dict[str, str]) -> tuple[str, str | None, str | None]:
    entry = choose(menu(config), default_name(config, env))
    if entry is None or not entry.linux:
        machine.problem(f"{path}: the default entry starts no Linux kernel directly")
        return "grub", None, path
    # Ubuntu's cloud images try without initrd first: the last line is the one that is taken normally.
    return "grub", command_line(entry.linux[-1], env), path


def _from_entries(
    machine: Machine, config: str, names: list[str], env: dict[str, str]
) -> tuple[str, str | None, str | None]:
    entries = {name: parse_entry(machine.read(f"{FOLDER}/{name}") or "") for name in names}
    chosen = default_entry(entries, default_name(config, env) or "0")
    if chosen is None or not entries[chosen].get("linux"):
        machine.problem(f"{FOLDER}: the default entry starts no Linux kernel")
        return "grub-bls", None, None
    variables = {**dict(_SET_VALUE.findall(config)), **env}
    return "grub-bls", entry_command_line(entries[chosen], variables), f"{FOLDER}/{chosen}"
