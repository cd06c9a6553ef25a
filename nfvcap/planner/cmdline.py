# SPDX-License-Identifier: Apache-2.0
"""Kernel arguments: which ones are wanted, compared token by token with what runs and what is configured."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nfvcap.model.cpulist import format_cpulist
from nfvcap.model.facts import Facts
from nfvcap.model.intent import Intent
from nfvcap.model.plan import Cpus, HugePagePool, KernelArg
from nfvcap.model.units import format_size, kernel_size
from nfvcap.planner.misfits import Misfits
from nfvcap.planner.reasons import Reasons

# Arguments that nfvcap decides about; the inventory's kernel_args may not name them.
MANAGED_KEYS = frozenset(
    {"intel_iommu", "iommu", "isolcpus", "nohz_full", "rcu_nocbs", "irqaffinity", "hugepagesz", "hugepages"}
)
_ONE_VALUE = frozenset({"isolcpus", "nohz_full", "rcu_nocbs", "irqaffinity"})
_OFF = {"intel_iommu": {"off"}, "iommu": {"off", "soft"}, "amd_iommu": {"off"}}


def split_cmdline(text: str) -> list[str]:
    """Tokens of a kernel command line: blanks separate, double quotes hold together (as the kernel does)."""
    tokens, current, quoted = [], "", False
    for char in text:
        if char == '"':
            quoted = not quoted
        if char.isspace() and not quoted:
            if current:
                tokens.append(current)
            current = ""
        else:
            current += char
    return [*tokens, current] if current else tokens


def canonical(token: str) -> str:
    """The kernel takes ``-`` and ``_`` in a parameter's name for the same character."""
    key, equals, value = token.partition("=")
    return key.replace("-", "_") + equals + value


def key_of(token: str) -> str:
    return canonical(token).partition("=")[0]


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


def compare(wanted: Iterable[str], running: str, configured: str | None, ours: Iterable[str]) -> TokenState:
    """Compare token by token.

    Args:
        wanted: tokens that shall be there.
        running: the running kernel's command line.
        configured: the next boot's command line; None when the boot loader is unknown.
        ours: tokens that an earlier plan added.
    """
    want = [canonical(token) for token in wanted]
    runs = [canonical(token) for token in split_cmdline(running)]
    next_boot = None if configured is None else [canonical(token) for token in split_cmdline(configured)]
    made = {canonical(token) for token in ours}
    keys = MANAGED_KEYS | {key_of(token) for token in made}
    users = set(next_boot or ()) - made  # what the next boot gets from someone else

    def stale(token: str) -> bool:
        return key_of(token) in keys and token not in want and token not in users

    return TokenState(
        missing_running=tuple(token for token in want if token not in runs),
        missing_configured=tuple(token for token in want if next_boot is not None and token not in next_boot),
        stale_running=() if next_boot is None else tuple(token for token in runs if stale(token)),
        stale_configured=tuple(token for token in next_boot or () if token in made and token not in want),
    )


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
    args += _page_args(pools, reasons) + _isolation_args(cpus, reasons)
    for token in intent.kernel_args:
        key, equals, value = token.partition("=")
        args.append(KernelArg(key=key, value=value if equals else None, feature="extra"))
        reasons.add(f"kernel_args.{key}", "The inventory asks for it.")
    return tuple(args)


def check_conflicts(args: tuple[KernelArg, ...], facts: Facts, ours: Iterable[str], misfits: Misfits) -> None:
    """Refuse when the configured command line already says something else that is not ours."""
    others = [canonical(token) for token in split_cmdline(facts.cmdline.configured or "")]
    for token in ours:
        if canonical(token) in others:
            others.remove(canonical(token))
    source = facts.cmdline.config_source or "the boot configuration"
    wanted = {key_of(arg.token) for arg in args}
    for token in others:
        key, _, value = token.partition("=")
        same = any(canonical(arg.token) == token for arg in args)
        off = key in _OFF and bool(_OFF[key] & set(value.split(","))) and bool(wanted & {"iommu", "intel_iommu"})
        # The kernel ignores the second hugepagesz= of one size together with its count.
        pages = key == "hugepagesz" and same
        if off or pages or (key in _ONE_VALUE and key in wanted and not same):
            misfits.add(
                "NFV-PLAN-050",
                f"the boot configuration already says {token}, which contradicts"
                f" {' '.join(a.token for a in args if key_of(a.token) == key) or 'the IOMMU that VFs need'}",
                f"read from {source}, and not written by nfvcap",
                f"remove {token} from the boot configuration (/etc/default/grub), or adapt the inventory",
            )


def check_loader(args: tuple[KernelArg, ...], facts: Facts, misfits: Misfits) -> None:
    """Without a boot loader that nfvcap can write to, the arguments must be there already."""
    known = (facts.os.family == "debian" and facts.cmdline.boot_loader == "grub") or (
        facts.os.family == "redhat" and facts.cmdline.boot_loader in ("grub", "grub-bls")
    )
    missing = compare((arg.token for arg in args), facts.cmdline.running, None, ()).missing_running
    if missing and not known:
        misfits.add(
            "NFV-PLAN-051",
            f"the kernel arguments {' '.join(missing)} are missing and nfvcap cannot set them here",
            f"boot loader: {facts.cmdline.boot_loader} on {facts.os.name}; supported: GRUB on the Debian and RHEL"
            " families",
            "add them to the kernel command line by hand and reboot",
        )
