# SPDX-License-Identifier: Apache-2.0
"""What nfvcap keeps on the host: the plan, the ledger, and what puts the state back at each boot."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from nfvcap.verify.case import LEDGER, PLAN, RESTORE, Case
from nfvcap.verify.expect import Expect, check
from nfvcap.verify.snapshot import CannotJudge
from nfvcap.verify.units import Unit, journal

PROGRAMS = "/usr/local/lib/nfvcap/"


def files(case: Case) -> Iterable[tuple[str, str | None]]:
    """Files that no other check judges by what they mean: the units, and those that must not be there."""
    return [
        (path, content)
        for path, content in case.plan.files.items()
        if content is None or path.startswith("/etc/systemd/system/nfvcap-")
    ]


def own_units(case: Case) -> Iterable[tuple[str, Unit]]:
    """All units of ours that exist."""
    return [(unit.name, unit) for unit in case.units.values() if unit.name.startswith("nfvcap-") and unit.exists]


@check("NFV-STATE-003")
def check_plan_is_recorded(case: Case, expect: Expect) -> None:
    if case.recorded is None and not any(case.plan.files.values()) and not case.plan.desired.kvm.packages:
        pytest.skip("nothing is wanted of this host, so nothing is left on it")
    expect(
        case.recorded is not None,
        found=f"{PLAN} is there" if case.recorded else f"no plan in {PLAN}",
        wanted="the plan of the last provision",
        fix=case.provision(),
    )


@check("NFV-STATE-004")
def check_recorded_plan_is_this_one(case: Case, expect: Expect) -> None:
    if case.recorded is None:
        pytest.skip("no plan is recorded (NFV-STATE-003)")
    mine, theirs = case.plan.desired.model_dump(), case.recorded.desired.model_dump()
    other = sorted(key for key in mine if mine[key] != theirs[key])
    expect.warn_unless(
        not other,
        found=f"another wish for {', '.join(other)}" if other else "the same wishes",
        wanted="the host was provisioned with the plan that is verified",
        fix=case.provision(),
    )


@check("NFV-STATE-005")
def check_ledger_is_there(case: Case, expect: Expect) -> None:
    try:
        document = case.json_file(LEDGER)
        if document is None and not any(case.plan.files.values()):
            pytest.skip("the plan sets nothing whose original state would have to be kept")
        found = "missing" if document is None else str(document.get("schema", "no schema"))
    except (CannotJudge, AttributeError) as error:
        found = str(error)
    expect(
        found == "nfvcap/ledger/1",
        found=found,
        wanted="nfvcap/ledger/1",
        fix=f"restore {LEDGER} of {case.host} from a backup: without it deprovision cannot know the original state",
    )


@check("NFV-STATE-006", own_units)
def check_unit_has_not_failed(case: Case, item: Unit, expect: Expect) -> None:
    expect(
        not item.failed,
        found=f"{item.active} ({item.sub}), result {item.result}",
        wanted="not failed",
        fix=f"on the host: journalctl -b -u {item.name}; then systemctl restart {item.name}",
    )


@check("NFV-STATE-007", lambda case: [(name, name) for name in case.desired.units])
def check_unit_runs_at_boot(case: Case, item: str, expect: Expect) -> None:
    unit = case.units.get(item)
    if unit is None or not unit.exists:
        found, good = "no such unit", False
    else:
        # The interpreter comes with the system; what nfvcap brought along must be there.
        program = next((path for path in unit.programs if path.startswith(PROGRAMS)), PROGRAMS)
        there = program.removeprefix(PROGRAMS) in (case.snapshot.names(PROGRAMS.rstrip("/")) or ())
        good = unit.enabled == "enabled" and there
        found = unit.enabled if there else f"{unit.enabled}, but its program {program} is missing"
    expect(good, found=found, wanted="enabled", fix=case.provision(f"systemctl enable {item}"))


@check("NFV-STATE-008")
def check_journal_has_no_errors(case: Case, expect: Expect) -> None:
    if any(unit.failed for _, unit in own_units(case)):
        pytest.skip("a unit has failed (NFV-STATE-006)")
    # Only the last run of each unit counts: what an earlier run said may have been mended since.
    current = {unit.invocation for _, unit in own_units(case) if unit.invocation}
    entries = [entry for entry in journal(case.snapshot) if entry.get("_SYSTEMD_INVOCATION_ID") in current]
    errors = [str(entry.get("MESSAGE", "")) for entry in entries]
    expect(
        not errors,
        found=f"{len(errors)}, the last: {errors[-1]}" if errors else "0",
        wanted="0",
        fix="on the host: journalctl -b -p err -u 'nfvcap-*'",
    )


@check("NFV-STATE-009", lambda case: [("", None)] if case.plan.files.get(RESTORE) else [])
def check_boot_record_is_there(case: Case, expect: Expect) -> None:
    found = "readable" if isinstance(case.json_file(RESTORE), dict) else "missing"
    expect(found == "readable", found=found, wanted=f"{RESTORE} is readable", fix=case.provision())


@check("NFV-STATE-100", files)
def check_file_is_as_planned(case: Case, item: str | None, subject: str, expect: Expect) -> None:
    content = case.snapshot.text(subject)
    good = content == (item.strip() if item is not None else None)
    other = "there" if item is None else "there, with other content"
    expect(
        good,
        found="missing" if content is None else "as planned" if good else other,
        wanted="missing" if item is None else "as planned",
        fix=case.provision(),
    )
