# SPDX-License-Identifier: Apache-2.0
"""The virtual machine of a guest: processor, slots for VFs, and what its own kernel is told."""

from __future__ import annotations

import uuid

from nfvcap.model.cpulist import format_cpulist
from nfvcap.model.facts import Facts
from nfvcap.model.intent import GuestIntent
from nfvcap.model.plan import GuestBoot, GuestMachine
from nfvcap.model.units import MIB, format_size
from nfvcap.planner.reasons import Reasons

# An emulated processor makes up features that virtualisation on it does not bear: 5-level paging, AVX-512 state and the
# like crash or slow down its guests. This model has what DPDK is built for (SSE4.2) and nothing that needs more state.
EMULATED_CPU = "Westmere"
_EMULATED = ("qemu", "bochs")  # words of systemd-detect-virt for a processor without hardware virtualisation
_NAMESPACE = uuid.UUID("6e667663-6170-5000-8000-67756573742e")
_PAGE_BYTES = 2 * MIB
# Buses behind root ports are numbered from 1 in the order of the ports, and every port has exactly one slot.
_FIRST_BUS = 1


def machine(host: str, name: str, intent: GuestIntent, facts: Facts, reasons: Reasons) -> GuestMachine:
    """Everything about a guest that is not placement."""
    return GuestMachine(
        uuid=str(uuid.uuid5(_NAMESPACE, f"{host}/{name}")),
        cpu=_cpu(name, intent, facts, reasons),
        viommu=intent.viommu,
        vf_slots=tuple(slot_address(number) for number in range(intent.slot_count)),
        network=intent.network,
        kernel_args=_kernel_args(name, intent, reasons),
        boot=GuestBoot(**intent.image.model_dump()) if intent.image else None,
    )


def slot_address(number: int) -> str:
    """PCI address in the guest of the device in a VF slot."""
    return f"0000:{_FIRST_BUS + number:02x}:00.0"


def _cpu(name: str, intent: GuestIntent, facts: Facts, reasons: Reasons) -> str:
    subject = f"guests.{name}.cpu"
    if intent.cpu is not None:
        reasons.add(subject, f"{intent.cpu} because the inventory says so.")
        return intent.cpu
    if facts.os.virtualisation in _EMULATED:
        reasons.add(
            subject,
            f"{EMULATED_CPU} because this host's processor is emulated: a guest that is shown all it claims to have is"
            " not reliable.",
        )
        return EMULATED_CPU
    reasons.add(subject, "The host's own processor, with all that it can: a capture guest is not moved between hosts.")
    return "host-passthrough"


def _kernel_args(name: str, intent: GuestIntent, reasons: Reasons) -> tuple[str, ...]:
    inside = intent.inside
    wanted = intent.memory_bytes // 4 if inside.hugepages_bytes is None else inside.hugepages_bytes
    pages = wanted // _PAGE_BYTES
    isolated = format_cpulist(range(1, intent.vcpus)) if inside.isolate else ""
    args = ["intel_iommu=on", "iommu=pt"] if intent.viommu else []
    args += ["hugepagesz=2M", f"hugepages={pages}"] if pages else []
    if isolated:
        args += [f"isolcpus=managed_irq,domain,{isolated}", f"nohz_full={isolated}", f"rcu_nocbs={isolated}"]
    reasons.add(
        f"guests.{name}.inside",
        f"{format_size(pages * _PAGE_BYTES)} of 2 MiB pages"
        + (f", vCPUs {isolated} isolated" if isolated else ", no vCPU isolated")
        + ": what a polling program needs of the host it needs of the guest's own kernel as well.",
    )
    return (*args, *inside.kernel_args)
