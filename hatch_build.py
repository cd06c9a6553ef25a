# SPDX-License-Identifier: Apache-2.0
"""What managed hosts need travels inside the wheel as nfvcap/data/, so that the command works outside a checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SHIPPED = ("plugins", "roles", "playbooks", "templates", "inventory", "agent", "ansible.cfg")


class ShipData(BuildHookInterface):  # type: ignore[type-arg]
    """An editable install reads the checkout itself (see nfvcap.paths.data_dir), so only a real wheel gets copies."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version != "standard":
            return
        for name in SHIPPED:
            source = Path(self.root) / name
            for path in [source] if source.is_file() else sorted(source.rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    target = Path("nfvcap/data") / path.relative_to(self.root)
                    build_data["force_include"][str(path)] = str(target)
