# SPDX-License-Identifier: Apache-2.0
"""The way back. Takes over: provisioned. Leaves: as before the first provision."""

from __future__ import annotations

import pytest

from tests.lab.conftest import HOST, Controller, ProvisionedLab
from tests.lab.host import Host

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]


def test_deprovision_restores_the_original_byte_for_byte(
    provisioned_lab: ProvisionedLab, nfvcap: Controller, host: Host, pristine: dict[str, str]
) -> None:
    nfvcap("deprovision", HOST, "--yes", "--reboot", "auto")
    after = host.fingerprint()
    different = {path for path in pristine | after if pristine.get(path) != after.get(path)}
    assert not different, {path: (pristine.get(path), after.get(path)) for path in sorted(different)}
    assert "iommu" not in host.read("/proc/cmdline")


def test_deprovision_of_a_host_without_a_ledger_changes_nothing(
    nfvcap: Controller, host: Host, pristine: dict[str, str]
) -> None:
    nfvcap("deprovision", HOST, "--yes", "--reboot", "never")
    assert host.fingerprint() == pristine


@pytest.mark.soak  # two minutes; `make demo` does it as well
def test_provision_again_in_one_go(nfvcap: Controller) -> None:
    nfvcap("provision", HOST, "--yes", "--reboot", "auto")
    nfvcap("verify", HOST, "--state-only")
