#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.nfvcap_conclude import conclude
from ansible.module_utils.nfvcap_host import Host
from ansible.module_utils.nfvcap_outcome import Outcome
from ansible.module_utils.nfvcap_packages import set_packages

DOCUMENTATION = r"""
module: nfvcap_packages
short_description: Install missing packages in one transaction, noting in the host's ledger what came new
description:
  - Uses the distribution's package manager (apt, dnf, zypper). Installed packages are neither upgraded nor removed.
options:
  names:
    description: Packages that shall be installed.
    type: list
    elements: str
    required: true
  root: {description: Directory that stands for C(/)., type: path, default: /}
author: nfvcap maintainers
"""

EXAMPLES = r"""
- name: Install what runs guests
  nfvcap_packages:
    names: [qemu-system-x86, libvirt-daemon-system, libvirt-clients]
"""

RETURN = r"""
nfvcap_changes: {description: What was changed (id, before, after)., type: list, returned: success}
"""

SPEC = {
    "names": {"type": "list", "elements": "str", "required": True},
    "root": {"type": "path", "default": "/"},
}


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)

    def work(host: Host, outcome: Outcome, check: bool) -> None:
        set_packages(host, module.params["names"], outcome, check)

    conclude(module, "nfvcap_packages", work)


if __name__ == "__main__":
    main()
