# SPDX-License-Identifier: Apache-2.0
"""Kernel arguments: which ones are wanted, compared token by token with what runs and what is configured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nfvcap.model.cpulist import format_cpulist
from nfvcap.model.facts import Facts
from nfvcap.model.intent import Intent
from nfvcap.model.plan import Cpus, HugePagePool, KernelArg
from nfvcap.model.units import format_size, kernel_size
from nfvcap.planner.misfits import Misfits
from nfvcap.planner.reasons import Reasons
from nfvcap.planner.tokens import Setting, missing, settings

# Keys of settings that nfvcap decides about; the inventory's kernel_args may not name them.
_MANAGED = frozenset({"intel_iommu", "iommu", "isolcpus", "nohz_full", "rcu_nocbs", "irqaffinity"})
_PAGES = "hugepages:"
_ONE_VALUE = frozenset({"isolcpus", "nohz_full", "rcu_nocbs", "irqaffinity"})
_OFF = {"intel_iommu": {"off"}, "iommu": {"off", "soft"}, "amd_iommu": {"off"}}


def managed(key: str) -> bool:
    """Whether nfvcap decides about this setting."""
    return key in _MANAGED or key.startswith(_PAGES)


@dataclass(frozen=True)
class TokenState:
    """The wanted tokens against the running and the configured command line."""

    missing_running: tuple[str, ...]
    missing_configured: tuple[str, ...]
    stale_running: tuple[str, ...]  # run now, but nobody wants them any more
    stale_configured: tuple[str, ...]

    @property
    def reboot(self) -> bool:
        return bool(self.missing_running or self.stale_running)

    @property
    def configure(self) -> bool:
        return bool(self.missing_configured or self.stale_configured)


def compare(wanted: Sequence[str], running: str, configured: str | None, ours: Sequence[str]) -> TokenState:
    """Compare setting by setting.

    Args:
        wanted: tokens that shall be there.
        running: the running kernel's command line.
        configured: the next boot's command line; None when the boot loader is unknown.
        ours: tokens that an earlier plan added.
    """
    want, made, next_boot = settings(wanted), settings(ours), settings(configured or "")
    keys = {setting.key for setting in made}
    users = [setting for setting in next_boot if setting not in made]

    def stale(setting: Setting) -> bool:
        return (managed(setting.key) or setting.key in keys) and setting not in want and setting not in users

    return TokenState(
        missing_running=missing(running, wanted),
        missing_configured=() if configured is None else missing(configured, wanted),
        stale_running=() if configured is None else _words(filter(stale, settings(running))),
        stale_configured=_words(setting for setting in next_boot if setting in made and setting not in want),
    )


def _words(found: Iterable[Setting]) -> tuple[str, ...]:
    return tuple(" ".join(setting.tokens) for setting in found)


def iommu_vendor(facts: Facts, misfits: Misfits) -> str:
    """``intel``, ``amd`` or ``other``: what the firmware's tables say, the CPU's vendor only without them."""
    if facts.iommu.kind is not None:
        return facts.iommu.kind
    if facts.iommu.in_acpi is None:
        misfits.warn("the ACPI tables cannot be read, so the kind of IOMMU is taken from the CPU's vendor")
    return {"GenuineIntel": "intel", "AuthenticAMD": "amd", "HygonGenuine": "amd"}.get(facts.cpu.vendor, "other")


def _iommu_args(intent: Intent, facts: Facts, misfits: Misfits, reasons: Reasons) -> list[KernelArg]:
    args = []
    vendor = iommu_vendor(facts, misfits)
    if vendor == "intel":
        args.append(KernelArg(key="intel_iommu", value="on", feature="iommu"))
        reasons.add(
            "kernel_args.intel_iommu",
            "The firmware describes an Intel IOMMU (ACPI table DMAR), which many kernels leave off unless told: without"
            " it a device given to a guest could write anywhere in memory.",
        )
    elif vendor == "amd":
        reasons.add(
            "kernel_args.amd_iommu",
            "The firmware describes an AMD IOMMU (ACPI table IVRS), which the kernel switches on by itself;"
            " amd_iommu=on does not exist.",
        )
    if intent.iommu.passthrough:
        args.append(KernelArg(key="iommu", value="pt", feature="iommu"))
        reasons.add(
            "kernel_args.iommu",
            "iommu=pt: devices that stay with the host bypass the translation and lose no speed.",
        )
    return args


def _page_args(pools: tuple[HugePagePool, ...], reasons: Reasons) -> list[KernelArg]:
    args = []
    boot = [pool for pool in pools if pool.when == "boot" and pool.count]
    for size in sorted({pool.size_bytes for pool in boot}):
        counts = ",".join(f"{pool.node}:{pool.count}" for pool in boot if pool.size_bytes == size)
        # The order matters: hugepages= counts pages of the size named just before it.
        args.append(KernelArg(key="hugepagesz", value=kernel_size(size), feature="hugepages"))
        args.append(KernelArg(key="hugepages", value=counts, feature="hugepages"))
        reasons.add(
            f"kernel_args.hugepages.{kernel_size(size)}",
            f"Pages of {format_size(size)} are reserved by the kernel at boot, node by node: later on memory is too"
            " fragmented to find so much in one piece.",
        )
    return args


def _isolation_args(cpus: Cpus, reasons: Reasons) -> list[KernelArg]:
    if not cpus.isolated:
        return []
    isolated, rest = format_cpulist(cpus.isolated), format_cpulist(cpus.housekeeping)
    reasons.add(
        "kernel_args.isolcpus",
        f"isolcpus keeps the scheduler and managed interrupts off CPUs {isolated}, nohz_full stops their timer tick,"
        f" rcu_nocbs moves the kernel's deferred work away, irqaffinity sends interrupts to CPUs {rest}.",
    )
    return [
        KernelArg(key="isolcpus", value=f"managed_irq,domain,{isolated}", feature="cpu_isolation"),
        KernelArg(key="nohz_full", value=isolated, feature="cpu_isolation"),
        KernelArg(key="rcu_nocbs", value=isolated, feature="cpu_isolation"),
        KernelArg(key="irqaffinity", value=rest, feature="cpu_isolation"),
    ]


def _mirror_args(intent: Intent, facts: Facts, misfits: Misfits, reasons: Reasons) -> list[KernelArg]:
    if not intent.mirror.registers:
        return []
    if facts.security.lockdown not in (None, "none"):
        misfits.add(
            "NFV-PLAN-054",
            f"registers of cards cannot be written: the kernel is locked down ({facts.security.lockdown})",
            "lockdown keeps even root from the memory of devices, and iomem=relaxed does not change that",
            "take `mirror: {registers: true}` out of the inventory, or boot without lockdown (comes with Secure Boot)",
        )
        return []
    reasons.add(
        "kernel_args.iomem",
        "iomem=relaxed: a kernel built with CONFIG_IO_STRICT_DEVMEM otherwise keeps the registers of a card with a"
        " driver from every program, and the inventory allows mirror rules to be written there.",
    )
    return [KernelArg(key="iomem", value="relaxed", feature="mirror")]


def kernel_args(
    intent: Intent,
    facts: Facts,
    cpus: Cpus,
    pools: tuple[HugePagePool, ...],
    *,
    iommu: bool,
    misfits: Misfits,
    reasons: Reasons,
) -> tuple[KernelArg, ...]:
    """The kernel arguments that the plan wants, in the order in which they are written."""
    args = _iommu_args(intent, facts, misfits, reasons) if iommu else []
    args += _page_args(pools, reasons) + _isolation_args(cpus, reasons) + _mirror_args(intent, facts, misfits, reasons)
    for token in intent.kernel_args:
        key, equals, value = token.partition("=")
        args.append(KernelArg(key=key, value=value if equals else None, feature="extra"))
        reasons.add(f"kernel_args.{key}", "The inventory asks for it.")
    return tuple(args)


def check_conflicts(args: tuple[KernelArg, ...], facts: Facts, ours: Sequence[str], misfits: Misfits) -> None:
    """Refuse when the configured command line already says something else that is not ours."""
    want, made = settings([arg.token for arg in args]), settings(ours)
    needs_iommu = any(arg.feature == "iommu" for arg in args)
    source = facts.cmdline.config_source or "the boot configuration"
    for other in settings(facts.cmdline.configured or ""):
        if other in made or other in want:
            continue
        off = needs_iommu and other.key in _OFF and bool(_OFF[other.key] & set((other.value or "").split(",")))
        # The kernel takes isolated CPUs from the first such argument and pages of one size from the first pair.
        against = [setting for setting in want if setting.key == other.key] if _exclusive(other.key) else []
        if off or against:
            word = " ".join(other.tokens)
            misfits.add(
                "NFV-PLAN-050",
                f"the boot configuration already says {word}, which contradicts"
                f" {' '.join(_words(against)) or 'the IOMMU that VFs need'}",
                f"read from {source}, and not written by nfvcap",
                f"remove {word} from the boot configuration (/etc/default/grub), or adapt the inventory",
            )


def _exclusive(key: str) -> bool:
    return key in _ONE_VALUE or key.startswith(_PAGES)


def check_loader(args: tuple[KernelArg, ...], facts: Facts, misfits: Misfits) -> None:
    """Without a boot loader that nfvcap can write to, the arguments must be there already."""
    known = (facts.os.family == "debian" and facts.cmdline.boot_loader == "grub") or (
        facts.os.family == "redhat" and facts.cmdline.boot_loader in ("grub", "grub-bls")
    )
    lacking = missing(facts.cmdline.running, [arg.token for arg in args])
    if lacking and not known:
        misfits.add(
            "NFV-PLAN-051",
            f"the kernel arguments {' '.join(lacking)} are missing and nfvcap cannot set them here",
            f"boot loader: {facts.cmdline.boot_loader} on {facts.os.name}; supported: GRUB on the Debian and RHEL"
            " families",
            "add them to the kernel command line by hand and reboot",
        )
