# SPDX-License-Identifier: Apache-2.0
"""The definition of a guest for libvirt (domain XML), from its place in the plan. Pure but for reading the template."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import jinja2

from nfvcap.errors import UsageError
from nfvcap.model.cpulist import format_cpulist
from nfvcap.model.plan import GuestPlacement
from nfvcap.paths import data_dir

# Directories of libvirt where its security drivers let a guest read and write without further rules.
IMAGES = "/var/lib/libvirt/images"
LOGS = "/var/log/libvirt/qemu"
# Root ports are functions of slots 2, 3, …: eight of them in each. Firmware numbers buses in this order.
_FIRST_SLOT, _FUNCTIONS = 2, 8
_KIB = 1024


def domain_xml(host: str, guest: GuestPlacement) -> str:
    """The whole definition, without VFs.

    Args:
        host: the host's name in the inventory.
        guest: the guest's place in the host's plan.

    Raises:
        UsageError: NFV-GUEST-007 the plan is older than guests are.
    """
    return _template("domain.xml.j2").render(_values(host, guest))


def overlay_path(name: str) -> str:
    """The disk of a guest that boots a cloud image."""
    return f"{IMAGES}/nfvcap-{name}.qcow2"


def seed_path(name: str) -> str:
    """The medium from which cloud-init learns what the guest shall be."""
    return f"{IMAGES}/nfvcap-{name}-seed.iso"


def console_path(name: str) -> str:
    """What the guest has said on its serial console since it was started."""
    return f"{LOGS}/nfvcap-{name}-console.log"


def network_mac(uuid: str) -> str:
    """MAC address of the management NIC: locally administered, the same as long as the guest is."""
    digest = hashlib.sha256(uuid.encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x52, 0x54, 0x00, *digest[:3]))


def render(name: str, **values: Any) -> str:
    """Text of a template of ``templates/guest``; values are escaped for XML."""
    return _template(name).render(values)


@cache
def _template(name: str) -> jinja2.Template:
    loader = jinja2.FileSystemLoader(data_dir() / "templates" / "guest")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,
    )  # fmt: skip
    return environment.get_template(name)


def _values(host: str, guest: GuestPlacement) -> dict[str, Any]:
    machine = guest.machine
    if machine is None:
        raise UsageError(
            "NFV-GUEST-007",
            f"this plan does not say what guest {guest.name} is made of",
            "it was made by an earlier version of nfvcap",
            "make a new plan: nfvcap plan",
        )
    boot = machine.boot
    disk = boot is not None and boot.disk is not None
    return {
        "host": host,
        "name": guest.name,
        "uuid": machine.uuid,
        "memory_kib": guest.memory_bytes // _KIB,
        "page_kib": guest.hugepage_size_bytes // _KIB,
        "node": guest.node,
        "vcpus": len(guest.vcpu_pins),
        "vcpu_pins": sorted(guest.vcpu_pins.items()),
        "cell_cpus": format_cpulist(guest.vcpu_pins),
        "emulator_cpus": format_cpulist(guest.emulator_cpus),
        "cpu": machine.cpu,
        "viommu": machine.viommu,
        "ports": [_port(number) for number in range(len(machine.vf_slots))],
        "network": machine.network,
        "network_mac": network_mac(machine.uuid),
        "kernel": boot.kernel if boot else None,
        "initrd": boot.initrd if boot else None,
        "cmdline": " ".join(["console=ttyS0", f"nfvcap.name={guest.name}", *machine.kernel_args]),
        "disk": overlay_path(guest.name) if disk else None,
        "seed": seed_path(guest.name) if disk else None,
        "console_log": console_path(guest.name),
    }


def _port(number: int) -> dict[str, Any]:
    slot, function = divmod(number, _FUNCTIONS)
    return {
        "index": number + 1, "number": f"{number:#x}", "first": function == 0,
        "slot": f"{_FIRST_SLOT + slot:#04x}", "function": f"{function:#x}",
    }  # fmt: skip
