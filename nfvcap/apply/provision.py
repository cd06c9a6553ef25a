# SPDX-License-Identifier: Apache-2.0
"""From facts to a proven host: the order of stages, and what each outcome of a stage leads to.

Pure apart from what it asks of a :class:`Room`. All hosts go through a stage together, since one Ansible process
serves them all; a host that fails drops out with its own error and does not hold up the others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from nfvcap.apply.reboot import did_not_take, still_to_reboot
from nfvcap.errors import ExitCode, NfvcapError, worst
from nfvcap.model.facts import Facts
from nfvcap.model.plan import HostPlan
from nfvcap.model.result import HostResult, Verdict

T = TypeVar("T")


class Stage(StrEnum):
    FACTS = "facts"
    PLAN = "plan"
    BOOT = "boot"
    REBOOT = "reboot"
    RUNTIME = "runtime"
    CHECKS = "checks"
    RESTORE = "restore"  # of deprovision


STAGES = (Stage.FACTS, Stage.PLAN, Stage.BOOT, Stage.REBOOT, Stage.RUNTIME, Stage.CHECKS)


@dataclass(frozen=True)
class Batch(Generic[T]):
    """What a stage gave: a value for each host that got through it, an error for each that did not."""

    values: dict[str, T]
    failures: dict[str, NfvcapError]


class Room(Protocol):
    """Everything outside: Ansible, the planner, the checks, the person at the terminal."""

    def facts(self, hosts: tuple[str, ...]) -> Batch[Facts]: ...

    def plan(self, facts: Mapping[str, Facts]) -> Batch[HostPlan]: ...

    def consent(self, plans: Mapping[str, HostPlan], facts: Mapping[str, Facts]) -> Consent: ...

    def apply(self, plans: Mapping[str, HostPlan], stages: tuple[Stage, ...]) -> Batch[Facts]:
        """Run the stages (BOOT, REBOOT, RUNTIME) and read the facts anew."""

    def check(self, plans: Mapping[str, HostPlan]) -> Batch[HostResult]: ...


@dataclass(frozen=True)
class Consent:
    """The answers, all given before the first change."""

    apply: bool
    reboot: tuple[str, ...] = ()


@dataclass
class HostRun:
    """One host on its way."""

    host: str
    plan: HostPlan | None = None
    facts: Facts | None = None
    error: NfvcapError | None = None
    result: HostResult | None = None
    changes: int = 0  # of the first plan
    pending: bool = False
    rebooted: bool = False
    interrupted: bool = False

    @property
    def alive(self) -> bool:
        return self.error is None

    @property
    def code(self) -> ExitCode:
        if self.interrupted:
            return ExitCode.INTERRUPTED
        if self.error is not None:
            return self.error.exit_code
        pending = ExitCode.CHANGES_PENDING if self.pending else ExitCode.OK
        return worst(pending, self.result.exit_code if self.result else ExitCode.OK)


@dataclass
class Provisioning:
    """The run over all hosts: call :meth:`go` once."""

    hosts: tuple[str, ...]
    room: Room
    on_stage: Callable[[Stage, tuple[str, ...]], None] = lambda _stage, _hosts: None
    on_end: Callable[[Stage, str, NfvcapError | None], None] = lambda _stage, _host, _error: None
    runs: dict[str, HostRun] = field(init=False)
    duration_s: dict[Stage, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.runs = {host: HostRun(host) for host in self.hosts}

    def go(self) -> ExitCode:
        """Bring all hosts as far as they get; the worst outcome wins."""
        try:
            self._go()
        except KeyboardInterrupt:
            for run in self._alive():
                run.interrupted = True
        return worst(*(run.code for run in self.runs.values()))

    def _go(self) -> None:
        self._read(self.hosts)
        self._plan(self.hosts)
        for run in self._alive():
            run.changes = len(run.plan.changes) if run.plan else 0
        plans = self._pending(self.hosts)
        if plans:
            facts = {host: run.facts for host, run in self.runs.items() if run.facts is not None}
            consent = self.room.consent(plans, facts)
            if not consent.apply:
                for host in plans:
                    self.runs[host].pending = True
                return
            self._change(plans, consent)
        self._check()

    def _change(self, plans: Mapping[str, HostPlan], consent: Consent) -> None:
        calm = tuple(host for host, plan in plans.items() if not plan.reboot_needed)
        declined = tuple(host for host, plan in plans.items() if plan.reboot_needed and host not in consent.reboot)
        consented = tuple(host for host in plans if host in consent.reboot and plans[host].reboot_needed)

        self._apply(calm, Stage.BOOT, Stage.RUNTIME)
        self._apply(declined, Stage.BOOT)
        self._apply(consented, Stage.BOOT, Stage.REBOOT)
        for run in self._alive(consented):
            run.rebooted = True
        self._plan((*calm, *declined, *consented))
        for run in self._alive(declined):
            if run.plan and run.plan.pending:
                self._fail(Stage.REBOOT, run.host, still_to_reboot(run.plan))
        for run in self._alive(consented):
            if run.plan and run.facts and run.plan.reboot_needed:
                self._fail(Stage.REBOOT, run.host, did_not_take(run.plan, run.facts))

        later = tuple(self._pending(consented))
        self._apply(later, Stage.RUNTIME)
        self._plan(later)
        for host, plan in self._pending((*calm, *consented)).items():
            self._fail(Stage.RUNTIME, host, _left_over(plan))

    def _read(self, hosts: Iterable[str]) -> None:
        names = tuple(hosts)
        batch = self._timed(Stage.FACTS, names, lambda: self.room.facts(names))
        for host, facts in batch.values.items():
            self.runs[host].facts = facts

    def _plan(self, hosts: Iterable[str]) -> None:
        facts = {run.host: run.facts for run in self._alive(hosts) if run.facts is not None}
        if facts:
            batch = self._timed(Stage.PLAN, tuple(facts), lambda: self.room.plan(facts))
            for host, plan in batch.values.items():
                self.runs[host].plan = plan

    def _apply(self, hosts: Iterable[str], *stages: Stage) -> None:
        plans = {run.host: run.plan for run in self._alive(hosts) if run.plan is not None}
        if plans:
            batch = self._timed(stages[0], tuple(plans), lambda: self.room.apply(plans, stages))
            for host, facts in batch.values.items():
                self.runs[host].facts = facts

    def _check(self) -> None:
        plans = {run.host: run.plan for run in self._alive() if run.plan is not None}
        if plans:
            batch = self._timed(Stage.CHECKS, tuple(plans), lambda: self.room.check(plans), _not_as_planned)
            for host, result in batch.values.items():
                self.runs[host].result = result

    def _timed(
        self,
        stage: Stage,
        hosts: tuple[str, ...],
        work: Callable[[], Batch[T]],
        objection: Callable[[T], NfvcapError | None] = lambda _value: None,
    ) -> Batch[T]:
        self.on_stage(stage, hosts)
        began = time.monotonic()
        try:
            batch = work()
        except NfvcapError as error:
            # The process as such failed: that is the outcome of these hosts, not of the others.
            batch = Batch({}, dict.fromkeys(hosts, error))
        self.duration_s[stage] = self.duration_s.get(stage, 0.0) + time.monotonic() - began
        for host in hosts:
            if host in batch.failures:
                self._fail(stage, host, batch.failures[host])
            elif host not in batch.values:
                self._fail(stage, host, silent(stage, host))
            elif error_of_value := objection(batch.values[host]):
                self._fail(stage, host, error_of_value)
            else:
                self.on_end(stage, host, None)
        return batch

    def _fail(self, stage: Stage, host: str, error: NfvcapError) -> None:
        self.runs[host].error = error
        self.on_end(stage, host, error)

    def _alive(self, hosts: Iterable[str] | None = None) -> list[HostRun]:
        names = self.runs if hosts is None else hosts
        return [self.runs[host] for host in names if self.runs[host].alive]

    def _pending(self, hosts: Iterable[str]) -> dict[str, HostPlan]:
        return {run.host: run.plan for run in self._alive(hosts) if run.plan is not None and run.plan.pending}


def _left_over(plan: HostPlan) -> NfvcapError:
    return NfvcapError(
        "NFV-RUN-009",
        f"{plan.host}: not everything took: {'; '.join(change.title for change in plan.changes)}",
        "all steps ended well, but the facts read afterwards still differ from the plan",
        f"nfvcap plan {plan.host} shows what is found and what is wanted",
        ExitCode.CHECK_FAILED,
    )


def _not_as_planned(result: HostResult) -> NfvcapError | None:
    if result.exit_code is ExitCode.OK:
        return None
    bad = [check for check in result.checks if check.verdict in (Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE)]
    lines = [
        f"    {check.verdict} {check.id} {' '.join(filter(None, (check.title, check.subject)))}: "
        + "; ".join(
            words
            for words in (
                f"found {check.found}" if check.found else "",
                f"wanted {check.wanted}" if check.wanted else "",
                check.reason.splitlines()[0] if check.reason else "",
            )
            if words
        )
        for check in bad
    ]
    return NfvcapError(
        "NFV-RUN-013",
        f"{result.host} is not as planned: {len(bad)} of {len(result.checks)} checks say so",
        "\n" + "\n".join(lines),
        f"nfvcap verify {result.host} --state-only shows all checks and what to do",
        result.exit_code,
    )


def silent(stage: Stage, host: str) -> NfvcapError:
    """The error for a host that a stage said nothing about."""
    return NfvcapError(
        "NFV-RUN-010",
        f"{host}: the stage '{stage}' ended without a word about this host",
        "Ansible matched no such host in the inventory, or skipped it",
        "nfvcap check-config shows the hosts of the inventory",
    )
