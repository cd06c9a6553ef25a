# SPDX-License-Identifier: Apache-2.0
"""Plans from a file that the user names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from nfvcap.errors import UsageError
from nfvcap.model.plan import HostPlan, Plan

_FIX = "make it with: nfvcap plan HOST -o plan.json"


def plans_from(path: Path, hosts: Sequence[str]) -> dict[str, HostPlan]:
    """The plans of these hosts.

    Raises:
        UsageError: NFV-STATE-202 when the file is missing, is no plan, or lacks one of the hosts.
    """
    try:
        plans = Plan.from_json(path.read_bytes()).nfvcap_plan
    except OSError as error:
        raise UsageError("NFV-STATE-202", f"the plan {path} cannot be read", str(error), _FIX) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError("NFV-STATE-202", f"{path} is no plan", f"{where}: {first['msg']}", _FIX) from error
    missing = [host for host in hosts if host not in plans]
    if missing:
        words = f"it is about {', '.join(plans)}"
        raise UsageError("NFV-STATE-202", f"{path} has no plan for {', '.join(missing)}", words, _FIX)
    return {host: plans[host] for host in hosts}
