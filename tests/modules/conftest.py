# SPDX-License-Identifier: Apache-2.0
"""Code for managed hosts is imported in tests by the names it has inside Ansible's payload."""

from __future__ import annotations

from pathlib import Path

import ansible.module_utils
import ansible.modules

_PLUGINS = Path(__file__).resolve().parents[2] / "plugins"

for package, folder in ((ansible.module_utils, "module_utils"), (ansible.modules, "modules")):
    path = str(_PLUGINS / folder)
    if path not in package.__path__:
        package.__path__.append(path)
