# SPDX-License-Identifier: Apache-2.0
"""The order of stages, with hand-made hosts that fail at every boundary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from nfvcap.apply.provision import Batch, Consent, Provisioning, Stage
from nfvcap.errors import ExitCode, NfvcapError, UsageError
from nfvcap.model.facts import Cmdline, Facts
from nfvcap.model.plan import (
    Change,
    Cpus,
    Desired,
    Disruption,
    HostPlan,
    Irqbalance,
    KernelArg,
    Kvm,
    Vfio,
)  # fmt: skip
from nfvcap.model.result import Check, HostResult, Verdict

DESIRED = Desired(
    kernel_args=(KernelArg(key="intel_iommu", value="on", feature="iommu"),),
    hugepages=(), cpus=Cpus(housekeeping=(0,), isolated=()), irqbalance=Irqbalance(manage=False, banned_cpus=()),
    vfio=Vfio(modules=(), options=()), pfs=(), kvm=Kvm(packages=(), services=()),
)  # fmt: skip


@dataclass
class Host:
    """A machine that needs one kernel argument and one VF; ``faults`` name what goes wrong with it."""

    faults: set[str] = field(default_factory=set)
    configured: bool = False
    running: bool = False
    vfs: int = 0
    boots: int = 0

    def facts(self) -> Facts:
        line = "quiet intel_iommu=on" if self.running else "quiet"
        return Facts.model_construct(
            cmdline=Cmdline(running=line, configured=None, boot_loader="grub", config_source="/etc/default/grub"),
        )

    def changes(self) -> tuple[Change, ...]:
        wanted = [("kernel-args", Disruption.REBOOT)] * (not self.running) + [("vf", Disruption.NONE)] * (not self.vfs)
        return tuple(
            Change(id=name, role="r", title=name, before=0, after=1, disruption=disruption,
                   survives_reboot=True, reason="")
            for name, disruption in wanted
        )  # fmt: skip


class FakeRoom:
    def __init__(self, hosts: dict[str, Host], reboot: bool = True, apply: bool = True) -> None:
        self.hosts, self.reboot_allowed, self.apply_allowed = hosts, reboot, apply
        self.calls: list[str] = []

    def facts(self, hosts: tuple[str, ...]) -> Batch[Facts]:
        self.calls.append(f"facts {' '.join(hosts)}")
        away = {name for name in hosts if "unreachable" in self.hosts[name].faults}
        return Batch(
            {name: self.hosts[name].facts() for name in hosts if name not in away},
            {name: NfvcapError("NFV-SSH-001", "away", exit_code=ExitCode.UNREACHABLE) for name in away},
        )

    def plan(self, facts: Mapping[str, Facts]) -> Batch[HostPlan]:
        bad = {name for name in facts if "unplannable" in self.hosts[name].faults}
        plans = {
            name: HostPlan(host=name, desired=DESIRED, files={}, placement=(), reasons=(),
                           changes=self.hosts[name].changes(), warnings=(), protected=(), facts_digest="")
            for name in facts if name not in bad
        }  # fmt: skip
        return Batch(plans, {name: UsageError("NFV-PLAN-001", "does not fit") for name in bad})

    def consent(self, plans: Mapping[str, HostPlan], facts: Mapping[str, Facts]) -> Consent:
        self.calls.append(f"consent {' '.join(plans)}")
        return Consent(self.apply_allowed, tuple(plans) if self.reboot_allowed else ())

    def apply(self, plans: Mapping[str, HostPlan], stages: tuple[Stage, ...]) -> Batch[Facts]:
        self.calls.append(f"{'+'.join(stages)} {' '.join(plans)}")
        values, failures = {}, {}
        for name in plans:
            error = self._apply(self.hosts[name], stages)
            if error:
                failures[name] = error
            elif "forgotten" not in self.hosts[name].faults:
                values[name] = self.hosts[name].facts()
        return Batch(values, failures)

    def _apply(self, host: Host, stages: tuple[Stage, ...]) -> NfvcapError | None:
        for stage in stages:
            if f"ctrl-c {stage}" in host.faults:
                raise KeyboardInterrupt
            if f"crash {stage}" in host.faults:
                raise NfvcapError("NFV-RUN-007", "ansible ended early")
            if f"fail {stage}" in host.faults:
                return NfvcapError("NFV-RUN-008", f"{stage} failed", exit_code=ExitCode.INTERNAL)
            if stage is Stage.BOOT:
                host.configured = "ignored by grub" not in host.faults
            elif stage is Stage.REBOOT:
                host.boots += 1
                host.running = host.configured
                if "does not return" in host.faults:
                    return NfvcapError("NFV-BOOT-102", "did not come back", exit_code=ExitCode.UNREACHABLE)
            elif "vf lost" not in host.faults:
                host.vfs = 1
        return None

    def check(self, plans: Mapping[str, HostPlan]) -> Batch[HostResult]:
        self.calls.append(f"checks {' '.join(plans)}")
        said = {"check": Verdict.FAIL, "doubt": Verdict.WARN}
        faults = {name: self.hosts[name].faults & said.keys() for name in plans}
        verdict = {name: said[next(iter(fault))] if fault else Verdict.PASS for name, fault in faults.items()}
        return Batch(
            {
                name: HostResult(host=name, environment={}, checks=(
                    Check(id="NFV-STATE-001", subject="", title="", verdict=verdict[name], found="", wanted="", fix=""),
                ))
                for name in plans
            },
            {},
        )  # fmt: skip


def go(room: FakeRoom) -> tuple[Provisioning, ExitCode]:
    run = Provisioning(tuple(room.hosts), room)
    return run, run.go()


def test_a_check_that_only_warns_is_no_failure() -> None:
    """VFs of a port that left the inventory are such: the plan says that it leaves them alone."""
    run, code = go(FakeRoom({"a": Host({"doubt"})}))
    assert code is ExitCode.OK and run.runs["a"].error is None


def test_a_fresh_host_reboots_once_and_is_checked() -> None:
    room = FakeRoom({"a": Host()})
    run, code = go(room)
    assert code is ExitCode.OK
    assert room.calls == ["facts a", "consent a", "boot+reboot a", "runtime a", "checks a"]
    assert room.hosts["a"].boots == 1 and run.runs["a"].rebooted and run.runs["a"].changes == 2


def test_a_finished_host_is_only_read_and_checked() -> None:
    room = FakeRoom({"a": Host(running=True, vfs=1)})
    assert go(room)[1] is ExitCode.OK
    assert room.calls == ["facts a", "checks a"]


def test_without_need_for_a_reboot_one_process_does_it() -> None:
    room = FakeRoom({"a": Host(running=True)})
    assert go(room)[1] is ExitCode.OK
    assert room.calls == ["facts a", "consent a", "boot+runtime a", "checks a"]
    assert room.hosts["a"].boots == 0


def test_no_consent_changes_nothing_and_says_pending() -> None:
    room = FakeRoom({"a": Host()}, apply=False)
    assert go(room)[1] is ExitCode.CHANGES_PENDING
    assert room.calls == ["facts a", "consent a"]


def test_no_reboot_writes_the_boot_settings_and_states_what_is_left() -> None:
    room = FakeRoom({"a": Host()}, reboot=False)
    run, code = go(room)
    assert code is ExitCode.REBOOT_REQUIRED
    assert room.calls == ["facts a", "consent a", "boot a"]
    error = run.runs["a"].error
    assert error is not None and error.code == "NFV-BOOT-103" and "vf" in error.why


def test_an_argument_that_does_not_show_up_is_named_and_never_loops() -> None:
    room = FakeRoom({"a": Host(faults={"ignored by grub"})})
    run, code = go(room)
    assert code is ExitCode.CHECK_FAILED
    assert room.hosts["a"].boots == 1
    error = run.runs["a"].error
    assert error is not None and error.code == "NFV-BOOT-104" and "intel_iommu=on" in error.what


def test_what_does_not_take_is_named() -> None:
    run, code = go(FakeRoom({"a": Host(faults={"vf lost"})}))
    error = run.runs["a"].error
    assert code is ExitCode.CHECK_FAILED and error is not None and error.code == "NFV-RUN-009"


@pytest.mark.parametrize(
    ("fault", "code", "catalogue"),
    [
        ("unreachable", ExitCode.UNREACHABLE, "NFV-SSH-001"),
        ("unplannable", ExitCode.USAGE, "NFV-PLAN-001"),
        ("fail boot", ExitCode.INTERNAL, "NFV-RUN-008"),
        ("does not return", ExitCode.UNREACHABLE, "NFV-BOOT-102"),
        ("fail runtime", ExitCode.INTERNAL, "NFV-RUN-008"),
        ("forgotten", ExitCode.INTERNAL, "NFV-RUN-010"),
    ],
)
def test_one_bad_host_does_not_hold_up_the_other(fault: str, code: ExitCode, catalogue: str) -> None:
    room = FakeRoom({"bad": Host(faults={fault}), "good": Host()})
    run, worst = go(room)
    assert worst is code
    error = run.runs["bad"].error
    assert error is not None and error.code == catalogue
    assert run.runs["good"].code is ExitCode.OK
    assert room.hosts["good"].vfs == 1
    assert room.calls[-1] == "checks good"


def test_hosts_with_and_without_need_for_a_reboot_go_together() -> None:
    room = FakeRoom({"a": Host(), "b": Host(running=True)})
    assert go(room)[1] is ExitCode.OK
    assert (room.hosts["a"].boots, room.hosts["b"].boots) == (1, 0)
    assert room.calls[2:] == ["boot+runtime b", "boot+reboot a", "runtime a", "checks a b"]


def test_a_process_that_crashes_is_the_outcome_of_its_hosts_only() -> None:
    room = FakeRoom({"a": Host(faults={"crash reboot"}), "b": Host(running=True)})
    run, code = go(room)
    assert code is ExitCode.INTERNAL
    assert run.runs["b"].code is ExitCode.OK and room.calls[-1] == "checks b"


@pytest.mark.parametrize("stage", [Stage.BOOT, Stage.REBOOT, Stage.RUNTIME])
def test_an_interrupt_ends_the_run_and_the_next_one_converges(stage: Stage) -> None:
    room = FakeRoom({"a": Host(faults={f"ctrl-c {stage}"})})
    run, code = go(room)
    assert code is ExitCode.INTERRUPTED and run.runs["a"].interrupted
    room.hosts["a"].faults.clear()
    assert go(room)[1] is ExitCode.OK
    assert room.hosts["a"].vfs == 1 and room.hosts["a"].boots == 1


def test_a_failed_check_is_the_exit_code() -> None:
    assert go(FakeRoom({"a": Host(running=True, vfs=1, faults={"check"})}))[1] is ExitCode.CHECK_FAILED
