# SPDX-License-Identifier: Apache-2.0
"""KVM and libvirt: packages, services, and a kernel that really answers."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from nfvcap.verify.case import Case
from nfvcap.verify.expect import Expect, check
from nfvcap.verify.snapshot import CannotJudge

API_VERSION = 12  # has never been another since 2007; programs must refuse to run on another


def services(case: Case) -> Iterable[tuple[str, str]]:
    return [(name, name) for name in case.desired.kvm.services]


def packages(case: Case) -> Iterable[tuple[str, str]]:
    return [(name, name) for name in case.desired.kvm.packages]


@check("NFV-STATE-080", lambda case: [("", None)] if case.desired.kvm.packages or case.desired.kvm.services else [])
def check_kvm_answers(case: Case, expect: Expect) -> None:
    kvm = case.snapshot.raw["kvm"]
    expect(
        kvm["api_version"] == API_VERSION,
        found=f"KVM API {kvm['api_version']}" if kvm["api_version"] else f"/dev/kvm: {kvm['error']}",
        wanted=f"KVM API {API_VERSION} on /dev/kvm",
        fix="enable VT-x or AMD-V in the firmware setup, then on the host: modprobe kvm_intel (or kvm_amd)",
    )


@check("NFV-STATE-081", packages)
def check_package_is_installed(case: Case, item: str, expect: Expect) -> None:
    said = case.snapshot.said("packages")
    if said.rc not in {0, 1} or (said.rc and not said.stdout and "no packages found" not in said.stderr):
        raise CannotJudge(f"`{said.argv[0]}` failed: {said.stderr.strip()}")
    found = "not installed"
    for line in said.stdout.splitlines():
        words = line.split()
        if words[:1] == [item] and len(words) > 1:
            found = words[1] if words[1] != "installed" else f"installed {' '.join(words[2:])}".strip()
    expect(found.startswith("installed"), found=found, wanted="installed", fix=case.provision())


@check("NFV-STATE-082", services)
def check_service_runs(case: Case, item: str, expect: Expect) -> None:
    unit = case.units.get(item)
    if unit is None or not unit.exists:
        expect(False, found="no such unit", wanted="running", fix=case.provision())
        return
    # A daemon that a socket starts on demand rests in between.
    sockets = [name for name in unit.triggered_by if name in case.units and case.units[name].active == "active"]
    good = unit.active == "active" or (bool(sockets) and unit.active in {"inactive", "activating"})
    found = f"{unit.active} ({unit.sub})" + (f", started on demand by {sockets[0]}" if sockets else "")
    expect(good, found=found, wanted="running", fix=case.provision(f"systemctl start {item}"))


@check("NFV-STATE-083", services)
def check_service_is_enabled(case: Case, item: str, expect: Expect) -> None:
    unit = case.units.get(item)
    if unit is None or not unit.exists:
        pytest.skip(f"{item} does not exist (NFV-STATE-082)")
    expect(
        unit.starts_at_boot,
        found=unit.enabled or "not enabled",
        wanted="enabled",
        fix=case.provision(f"systemctl enable {item}"),
    )
