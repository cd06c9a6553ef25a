# SPDX-License-Identifier: Apache-2.0
"""The judge judged: break one thing of a provisioned host by hand, and exactly the right check goes red.

Takes over and leaves: provisioned, with all PFs. What is broken and how: breaks.py. The same for recorded snapshots:
tests/unit/verify/test_break_one_thing.py.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nfvcap import catalogue
from nfvcap.inventory import load
from nfvcap.lab import Lab
from nfvcap.model.result import Check, Verdict
from nfvcap.verify.session import WORDS
from nfvcap.verify.state import verify_hosts
from tests.lab.breaks import PLAN, SPARE, Provisioned, never_broken
from tests.lab.conftest import FIRST_PF, HOST, Controller, ProvisionedLab, write_inventory
from tests.lab.host import Host

pytestmark = pytest.mark.lab

RED = {Verdict.FAIL, Verdict.WARN, Verdict.ERROR, Verdict.INCONCLUSIVE}


@pytest.fixture(scope="module")
def provisioned_lab(provisioned_lab: ProvisionedLab, lab: Lab, nfvcap: Controller) -> ProvisionedLab:
    """With all PFs, whether the tests that add the second one have run before or not."""
    if FIRST_PF not in nfvcap.inventory.read_text():
        write_inventory(nfvcap.top, lab, nfvcap.inventory, all_pfs=True)
        nfvcap("provision", HOST, "--yes", "--reboot", "auto")
    return provisioned_lab


def test_the_command_line_tells_it_too(provisioned_lab: ProvisionedLab, host: Host, nfvcap: Controller) -> None:
    pf = Provisioned(host)
    nfvcap("status", HOST)
    host.run(f"ip link set {pf.net} vf 0 trust on")
    junit = "/tmp/nfvcap-state.xml"
    said = nfvcap("verify", HOST, "--state-only", "--junit", junit, expect=4)
    drawn = nfvcap("status", HOST, expect=3).splitlines()
    host.run(f"ip link set {pf.net} vf 0 trust off")
    marked = [number for number, line in enumerate(drawn) if "✗" in line]
    port = next(number for number, line in enumerate(drawn) if pf.address in line)
    assert [drawn[number].strip("│ ") for number in marked] == ["✗ trust on → off"]
    # Below the first VF of its port.
    assert marked == [port + 2] and "vf0" in drawn[port + 1]
    assert "NFV-STATE-063" in said and f"ip link set {pf.net} vf 0 trust off" in said
    assert said.strip().splitlines()[-1].startswith(f"{HOST} is not as planned: 1 FAIL")
    assert 'failures="1"' in Path(junit).read_text()
    nfvcap("verify", HOST, "--state-only")


def test_doctor_finds_a_provisioned_host_fit_and_says_what_it_found(
    provisioned_lab: ProvisionedLab, host: Host, nfvcap: Controller
) -> None:
    found = {
        (check["id"], check["subject"].partition(" ")[0]): check
        for part in nfvcap.json("doctor", HOST)["hosts"]
        for check in part["checks"]
        if part["host"] == HOST
    }
    assert {check["verdict"] for check in found.values()} <= {"PASS", "WARN", "SKIP"}
    assert found["NFV-DOC-105", ""]["found"].startswith("on, ")
    for pf in host.desired()["pfs"]:
        assert found["NFV-DOC-117", pf["address"]]["found"] == f"0 of {pf['num_vfs']} VFs share a group"


@pytest.mark.timeout(1800)  # every break is a verification of its own
def test_exactly_the_right_check_goes_red(provisioned_lab: ProvisionedLab, host: Host) -> None:
    verify = _verifier(provisioned_lab)
    plan = _plan_file(host)
    assert _red(verify({})) == set(), "the host is not as planned to begin with"
    host.run(f"mkdir -p {SPARE}")
    mend = "true"
    breaks = Provisioned(host).breaks()
    known = {entry.id.removeprefix("NFV-STATE-") for entry in catalogue.read(WORDS)}
    wrong = [f"NFV-STATE-{number} is never broken" for number in sorted(never_broken(breaks, known))]
    try:
        for one in breaks:
            # One connection for both: mending the last and breaking the next.
            done = host.lab.ssh(["sh", "-c", shlex.quote(f"{mend}; set -e; {one.do}")], check=False)
            mend = one.undo
            if not done.ok:
                wrong.append(f"{one.name}: cannot be broken like this: {done.stderr}")
                continue
            red = _red(verify(plan if one.given else {}))
            if red != one.red:
                wrong.append(f"{one.name}: wanted {sorted(one.red)}, red {sorted(red)}")
    finally:
        host.run(f"{mend}; rm -rf {SPARE}")
    assert not wrong, "\n".join(wrong)
    assert _red(verify({})) == set(), "the last thing was not mended"


def _verifier(provisioned: ProvisionedLab) -> Callable[[Any], tuple[Check, ...]]:
    """Verify in this process: a program start for each of the breaks would double the time."""
    variables = {HOST: load([provisioned.inventory]).connection(HOST)}

    def verify(plans: Any) -> tuple[Check, ...]:
        return verify_hosts([HOST], [provisioned.inventory], plans, hostvars=variables).hosts[0].checks

    return verify


def _plan_file(host: Host) -> Any:
    from nfvcap.model.plan import Plan

    return {HOST: next(iter(Plan.from_json(host.read(PLAN)).nfvcap_plan.values()))}


def _red(checks: tuple[Check, ...]) -> set[tuple[str, str]]:
    return {(check.id.removeprefix("NFV-STATE-"), check.subject) for check in checks if check.verdict in RED}
