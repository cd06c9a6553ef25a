#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.nfvcap_conclude import conclude
from ansible.module_utils.nfvcap_host import Host
from ansible.module_utils.nfvcap_modules import set_modules
from ansible.module_utils.nfvcap_outcome import Outcome

DOCUMENTATION = r"""
module: nfvcap_modules
short_description: Load kernel modules with the options that /etc/modprobe.d gives them
description:
  - Loads what is not loaded, and loads anew what has other option values and is not in use.
options:
  names:
    description: Kernel modules.
    type: list
    elements: str
    required: true
  options:
    description: Module name to option name to value, as in the files below /etc/modprobe.d.
    type: dict
    default: {}
  root: {description: Directory that stands for C(/)., type: path, default: /}
author: nfvcap maintainers
"""

EXAMPLES = r"""
- name: Load vfio-pci
  nfvcap_modules:
    names: [vfio-pci]
    options:
      vfio-pci: {disable_idle_d3: "1"}
"""

RETURN = r"""
nfvcap_changes: {description: What was changed (id, before, after)., type: list, returned: success}
reboot_required: {description: A module in use keeps its old values until then., type: bool, returned: success}
"""

SPEC = {
    "names": {"type": "list", "elements": "str", "required": True},
    "options": {"type": "dict", "default": {}},
    "root": {"type": "path", "default": "/"},
}


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)

    def work(host: Host, outcome: Outcome, check: bool) -> None:
        set_modules(host, module.params["names"], module.params["options"], outcome, check)

    conclude(module, "nfvcap_modules", work)


if __name__ == "__main__":
    main()
