# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from nfvcap.apply.plans import roles_with_work
from nfvcap.model.plan import Change, Disruption, HostPlan


def plan(*roles: str) -> HostPlan:
    """A plan with one change for each of these roles."""
    changes = tuple(
        Change(id=str(number), role=role, title="", before=0, after=1, disruption=Disruption.NONE,
               survives_reboot=True, reason="")
        for number, role in enumerate(roles)
    )  # fmt: skip
    return HostPlan.model_construct(host="host1", changes=changes)


@pytest.mark.parametrize(
    ("changed", "run"),
    [
        ((), []),
        (("iommu", "iommu", "hugepages"), ["iommu", "hugepages"]),
        (("sriov",), ["sriov", "driver_binding"]),
        (("sriov", "driver_binding", "record"), ["sriov", "driver_binding", "record"]),
    ],
)
def test_only_roles_with_work_are_run_and_new_vfs_get_their_drivers(changed: tuple[str, ...], run: list[str]) -> None:
    assert roles_with_work(plan(*changed)) == run
