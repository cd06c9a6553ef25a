#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.nfvcap_conclude import conclude
from ansible.module_utils.nfvcap_host import Host
from ansible.module_utils.nfvcap_hostfile import WantedFile
from ansible.module_utils.nfvcap_outcome import Outcome
from ansible.module_utils.nfvcap_unitset import WantedUnits, set_units

DOCUMENTATION = r"""
module: nfvcap_unit
short_description: Enable, start and refresh systemd units, keeping their former state in the host's ledger
description:
  - Asks systemd once for all units, reloads it when it has not yet read a changed file, changes what differs,
    and asks again.
options:
  names: {description: Full names of units., type: list, elements: str, required: true}
  enabled: {description: Whether they start at boot; left alone when not given., type: bool}
  started: {description: Whether they run now; left alone when not given., type: bool}
  files:
    description:
      - Files and drop-ins of these units. A running unit is restarted when its drop-in changes.
      - A unit whose own file has no content is disabled and stopped, and the file removed.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Absolute path below /etc/systemd/system., type: path, required: true}
      content: {description: Whole text; without it there shall be no such file., type: str}
  tolerate_absent:
    description: In check mode, only note units that do not exist, because their package is not installed yet.
    type: bool
    default: false
  root: {description: Directory that stands for C(/)., type: path, default: /}
author: nfvcap maintainers
"""

EXAMPLES = r"""
- name: Serve guests now and after each boot
  nfvcap_unit:
    names: [libvirtd.socket]
    enabled: true
    started: true
"""

RETURN = r"""
nfvcap_changes: {description: What was changed (id, before, after)., type: list, returned: success}
"""

FILE = {"path": {"type": "path", "required": True}, "content": {"type": "str"}}
SPEC = {
    "names": {"type": "list", "elements": "str", "required": True},
    "enabled": {"type": "bool"},
    "started": {"type": "bool"},
    "files": {"type": "list", "elements": "dict", "default": [], "options": FILE},
    "tolerate_absent": {"type": "bool", "default": False},
    "root": {"type": "path", "default": "/"},
}


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    params = module.params
    files = tuple(WantedFile(file["path"], file["content"]) for file in params["files"])
    wanted = WantedUnits(tuple(params["names"]), files, params["enabled"], params["started"])

    def work(host: Host, outcome: Outcome, check: bool) -> None:
        set_units(host, wanted, outcome, check, params["tolerate_absent"])

    conclude(module, "nfvcap_unit", work)


if __name__ == "__main__":
    main()
