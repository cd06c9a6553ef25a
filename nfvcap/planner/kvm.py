# SPDX-License-Identifier: Apache-2.0
"""What a host needs to run guests, by distribution family."""

from __future__ import annotations

from nfvcap.model.facts import Facts
from nfvcap.model.intent import Intent
from nfvcap.model.plan import Kvm
from nfvcap.planner.misfits import Misfits
from nfvcap.planner.reasons import Reasons

# The sockets, not the services: libvirt's daemons end when idle and are started by the next connection.
_ONE_DAEMON = ("libvirtd.socket",)
# python3-libvirt: attach and detach change guests through libvirt's own binding, on the host.
_FAMILIES: dict[str, Kvm] = {
    "debian": Kvm(
        packages=(
            "libvirt-clients",
            "libvirt-daemon-system",
            "ovmf",
            "python3-libvirt",
            "qemu-system-x86",
            "qemu-utils",
        ),
        services=_ONE_DAEMON,
    ),
    "redhat": Kvm(
        packages=(
            "edk2-ovmf",
            "libvirt-client",
            "libvirt-daemon-kvm",
            "python3-libvirt",
            "qemu-img",
            "qemu-kvm",
        ),
        services=("virtqemud.socket", "virtnodedevd.socket", "virtstoraged.socket", "virtnetworkd.socket"),
    ),
}
ALL_PACKAGES = tuple(sorted({package for kvm in _FAMILIES.values() for package in kvm.packages}))
ALL_SERVICES = tuple(sorted({service for kvm in _FAMILIES.values() for service in kvm.services}))


def kvm(intent: Intent, facts: Facts, misfits: Misfits, reasons: Reasons) -> Kvm:
    """Packages and services, empty when no guests are wanted."""
    if not intent.wants_kvm:
        return Kvm(packages=(), services=())
    if facts.os.family not in _FAMILIES:
        misfits.add(
            "NFV-PLAN-060",
            f"{facts.os.name} is not supported as a host for guests",
            f"distribution family {facts.os.family}; supported: {', '.join(_FAMILIES)}",
            "install libvirt and QEMU by hand and say kvm: false",
        )
        return Kvm(packages=(), services=())
    if not facts.cpu.virt:
        misfits.warn(
            "the CPU shows no hardware virtualisation (vmx or svm): switch it on in the firmware, or guests will not"
            " start with KVM"
        )
    reasons.add(
        "kvm",
        "libvirt and QEMU run the guests"
        + ("." if intent.guests else ", which the inventory asks for (kvm: true) although it names no guest yet."),
    )
    found = _FAMILIES[facts.os.family]
    if facts.os.family == "redhat" and facts.os.version.partition(".")[0] == "8":
        return found.model_copy(update={"services": _ONE_DAEMON})
    return found
