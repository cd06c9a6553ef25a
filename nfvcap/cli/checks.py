# SPDX-License-Identifier: Apache-2.0
"""The host checks as the last stage of provisioning."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nfvcap.apply.provision import Batch
from nfvcap.cli.fleet import Fleet
from nfvcap.model.plan import HostPlan
from nfvcap.model.result import HostResult


def checker(fleet: Fleet) -> Callable[[Mapping[str, HostPlan]], Batch[HostResult]]:
    """Judges finished hosts of this fleet by the plans that were applied."""

    def check(plans: Mapping[str, HostPlan]) -> Batch[HostResult]:
        # pytest and testinfra take their time to import, and are needed at the end only.
        from nfvcap.verify.state import verify_hosts

        result = verify_hosts(
            tuple(plans), fleet.target.inventory, plans,
            hostvars=fleet.variables, forks=fleet.target.forks, options=fleet.options,
        )  # fmt: skip
        (fleet.target.run_dir.path / "result.json").write_text(result.to_json(), encoding="utf-8")
        return Batch({host.host: host for host in result.hosts}, {})

    return check
