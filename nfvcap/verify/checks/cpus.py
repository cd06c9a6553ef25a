# SPDX-License-Identifier: Apache-2.0
"""CPU isolation: what the kernel isolates, and that interrupts stay on the housekeeping CPUs."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from nfvcap.verify.case import Case
from nfvcap.verify.cmdline import cpu_set, listing, mask_set
from nfvcap.verify.expect import Expect, check
from nfvcap.verify.irqbalance import banned_at_start, banned_now

CPU = "/sys/devices/system/cpu"


def argument(case: Case, key: str) -> str | None:
    """Planned value of a kernel argument; None when the plan does not want it."""
    values = [arg.value for arg in case.desired.kernel_args if arg.key == key]
    return values[-1] if values else None


def if_argument(key: str) -> object:
    """Subjects of a check that is made only when the plan gives this kernel argument."""

    def subjects(case: Case) -> Iterable[tuple[str, frozenset[int]]]:
        value = argument(case, key)
        return [] if value is None else [("", cpu_set(value))]

    return subjects


def if_isolated(case: Case) -> Iterable[tuple[str, frozenset[int]]]:
    isolated = frozenset(case.desired.cpus.isolated)
    return [("", isolated)] if isolated else []


def if_managed(case: Case) -> Iterable[tuple[str, frozenset[int]]]:
    irqbalance = case.desired.irqbalance
    return [("", frozenset(irqbalance.banned_cpus))] if irqbalance.manage else []


@check("NFV-STATE-040", if_isolated)
def check_isolated_in_force(case: Case, item: frozenset[int], expect: Expect) -> None:
    found = cpu_set(case.snapshot.text(f"{CPU}/isolated") or "")
    expect(
        found == item,
        found=listing(found),
        wanted=listing(item),
        fix=f"{case.provision()} (isolation takes effect with a reboot)",
    )


@check("NFV-STATE-041", if_argument("nohz_full"))  # type: ignore[arg-type]
def check_nohz_full_in_force(case: Case, item: frozenset[int], expect: Expect) -> None:
    text = case.snapshot.text(f"{CPU}/nohz_full")
    if text is None:
        pytest.skip("this kernel is built without NO_HZ_FULL")
    found = cpu_set(text)
    expect(
        found == item,
        found=listing(found),
        wanted=listing(item),
        fix=f"{case.provision()} (it takes effect with a reboot)",
    )


@check("NFV-STATE-042", if_argument("irqaffinity"))  # type: ignore[arg-type]
def check_default_irq_affinity(case: Case, item: frozenset[int], expect: Expect) -> None:
    found = mask_set(case.snapshot.text("/proc/irq/default_smp_affinity") or "0")
    online = cpu_set(case.snapshot.text(f"{CPU}/online") or "")
    expect(
        found == item & online,
        found=listing(found),
        wanted=listing(item),
        fix=case.provision(f"echo {sum(1 << cpu for cpu in item):x} > /proc/irq/default_smp_affinity"),
    )


@check("NFV-STATE-043", if_managed)
def check_irqbalance_in_force(case: Case, item: frozenset[int], expect: Expect) -> None:
    unit = case.units.get("irqbalance.service")
    if unit is None or unit.main_pid == 0:
        pytest.skip("irqbalance does not run")
    found = banned_now(case.snapshot, unit.main_pid)
    expect(
        found == item,
        found="nothing banned" if found is None else listing(found),
        wanted=f"{listing(item)} banned in the running daemon",
        fix=case.provision("systemctl restart irqbalance"),
    )


@check("NFV-STATE-044", if_managed)
def check_irqbalance_at_start(case: Case, item: frozenset[int], expect: Expect) -> None:
    found = banned_at_start(case.snapshot)
    expect(
        found == item,
        found="nothing banned" if found is None else listing(found),
        wanted=f"{listing(item)} banned when irqbalance starts",
        fix=case.provision(),
    )


@check("NFV-STATE-045")
def check_cpus_are_online(case: Case, expect: Expect) -> None:
    cpus = case.desired.cpus
    online = cpu_set(case.snapshot.text(f"{CPU}/online") or "")
    missing = frozenset(cpus.housekeeping + cpus.isolated) - online
    expect(
        not missing,
        found=f"{listing(missing)} offline" if missing else f"{listing(online)} online",
        wanted="every planned CPU online",
        fix="on the host: " + "; ".join(f"echo 1 > {CPU}/cpu{cpu}/online" for cpu in sorted(missing)),
    )
