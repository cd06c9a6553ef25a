# SPDX-License-Identifier: Apache-2.0
"""Reboot policy: who may be rebooted, what is left when nobody may, and what a reboot did not bring."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

from nfvcap.errors import ExitCode, NfvcapError
from nfvcap.model.facts import Facts
from nfvcap.model.plan import Disruption, HostPlan
from nfvcap.planner.tokens import missing


class Policy(StrEnum):
    ASK = "ask"
    AUTO = "auto"
    NEVER = "never"


def consenting(
    policy: Policy, plans: Mapping[str, HostPlan], ask: Callable[[tuple[str, ...]], bool]
) -> tuple[str, ...]:
    """Hosts that may be rebooted, of those that have to be.

    Args:
        policy: what the user said beforehand.
        plans: plans of all hosts.
        ask: asks about the named hosts; not called when the answer is known.
    """
    needy = tuple(host for host, plan in plans.items() if plan.reboot_needed)
    if not needy or policy is Policy.NEVER:
        return ()
    return needy if policy is Policy.AUTO or ask(needy) else ()


def still_to_reboot(plan: HostPlan) -> NfvcapError:
    """The statement for a host whose boot settings are written and that was not rebooted."""
    titles = [change.title for change in plan.changes]
    return NfvcapError(
        "NFV-BOOT-103",
        f"{plan.host} has to be rebooted before the rest can be done",
        "the settings for the boot are written; still open: " + "; ".join(titles),
        f"reboot it when it suits, then run the same command again; or: nfvcap provision {plan.host} --reboot auto",
        ExitCode.REBOOT_REQUIRED,
    )


def did_not_take(plan: HostPlan, facts: Facts) -> NfvcapError:
    """The error for a host that still wants a reboot after it was rebooted: once more would not help either."""
    absent = missing_arguments(plan, facts.cmdline.running)
    if absent:
        return NfvcapError(
            "NFV-BOOT-104",
            f"{plan.host}: kernel arguments do not show up after the reboot: {' '.join(absent)}",
            f"the running command line is: {facts.cmdline.running.strip()}",
            "another boot entry may be the default, the boot loader may read another configuration, or the machine "
            f"may boot over the network; it was configured in {facts.cmdline.config_source or 'no file that is known'}",
            ExitCode.CHECK_FAILED,
        )
    left = [change.title for change in plan.changes if change.disruption is Disruption.REBOOT]
    return NfvcapError(
        "NFV-BOOT-105",
        f"{plan.host}: the reboot did not bring what it was for: {'; '.join(left)}",
        "after the reboot the plan still has these changes",
        f"nfvcap plan {plan.host} --why shows what is found and what is wanted",
        ExitCode.CHECK_FAILED,
    )


def missing_arguments(plan: HostPlan, running: str) -> tuple[str, ...]:
    """Wanted tokens that the running command line lacks, in the order of the plan."""
    return missing(running, [argument.token for argument in plan.desired.kernel_args])
