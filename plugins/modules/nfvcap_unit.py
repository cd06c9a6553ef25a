#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.nfvcap_host import Host
from ansible.module_utils.nfvcap_outcome import Outcome, conclude
from ansible.module_utils.nfvcap_unit import WantedUnit, set_units

DOCUMENTATION = r"""
module: nfvcap_unit
short_description: Enable, start and refresh systemd units, keeping their former state in the host's ledger
description:
  - Asks systemd once for all units, reloads it when it has not yet read a changed file, changes what differs,
    and asks again.
options:
  units:
    description: Units.
    type: list
    elements: dict
    required: true
    suboptions:
      name: {description: Full name of the unit., type: str, required: true}
      enabled: {description: Whether it starts at boot; left alone when not given., type: bool}
      started: {description: Whether it runs now; left alone when not given., type: bool}
      fresh: {description: Restart it when its environment is not what its files give., type: bool, default: false}
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
    units:
      - {name: libvirtd.service, enabled: true, started: true}
"""

RETURN = r"""
nfvcap_changes: {description: What was changed (id, before, after)., type: list, returned: success}
"""

UNIT = {
    "name": {"type": "str", "required": True},
    "enabled": {"type": "bool"},
    "started": {"type": "bool"},
    "fresh": {"type": "bool", "default": False},
}
SPEC = {
    "units": {"type": "list", "elements": "dict", "required": True, "options": UNIT},
    "tolerate_absent": {"type": "bool", "default": False},
    "root": {"type": "path", "default": "/"},
}


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    wanted = [WantedUnit(**unit) for unit in module.params["units"]]

    def work(host: Host, outcome: Outcome, check: bool) -> None:
        set_units(host, wanted, outcome, check, module.params["tolerate_absent"])

    conclude(module, "nfvcap_unit", work)


if __name__ == "__main__":
    main()
