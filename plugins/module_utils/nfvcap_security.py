# SPDX-License-Identifier: Apache-2.0
"""What keeps even root from doing things: UEFI Secure Boot and the kernel's lockdown."""

from __future__ import annotations

import re
from typing import Any

from .nfvcap_machine import Machine

_VARIABLES = "/sys/firmware/efi/efivars"
_SECURE_BOOT = f"{_VARIABLES}/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
_LOCKDOWN = "/sys/kernel/security/lockdown"


def read_security(machine: Machine) -> dict[str, Any]:
    """The part `security` of the facts."""
    return {"secure_boot": _secure_boot(machine), "lockdown": _lockdown(machine)}


def _secure_boot(machine: Machine) -> bool | None:
    if not machine.exists("/sys/firmware/efi"):
        return None  # booted by a BIOS: there is no such thing
    data = machine.read_bytes(_SECURE_BOOT)
    if data is not None and len(data) > 4:  # four bytes of attributes, then the value
        return data[4] == 1
    if data is None and machine.listdir(_VARIABLES):
        return False  # a firmware that has variables, but not this one, knows no Secure Boot
    machine.problem("booted by UEFI, but the variable SecureBoot cannot be read: is efivarfs mounted?")
    return None


def _lockdown(machine: Machine) -> str | None:
    chosen = re.search(r"\[(none|integrity|confidentiality)\]", machine.read(_LOCKDOWN) or "")
    if chosen is None:
        machine.problem(f"{_LOCKDOWN} is not there: securityfs not mounted, or a kernel without lockdown")
    return chosen[1] if chosen else None
