#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.nfvcap_conclude import conclude
from ansible.module_utils.nfvcap_host import Host
from ansible.module_utils.nfvcap_outcome import Outcome
from ansible.module_utils.nfvcap_restore import restore_state

DOCUMENTATION = r"""
module: nfvcap_restore_state
short_description: Bring back what a host was before nfvcap, from the host's own ledger
description:
  - Goes backwards through C(/var/lib/nfvcap/ledger.json), restores each entry, and removes it. Nothing else is touched.
  - A run that was stopped half way goes on where it stopped. At the end the ledger is gone.
options:
  remove_packages:
    description: Also remove the packages that came by nfvcap; otherwise they are listed in RV(left_packages).
    type: bool
    default: false
  who: {description: Who asks for it; named in the host's journal., type: str, default: ""}
  root: {description: Directory that stands for C(/)., type: path, default: /}
author: nfvcap maintainers
"""

EXAMPLES = r"""
- name: Undo everything
  nfvcap_restore_state:
"""

RETURN = r"""
nfvcap_changes: {description: What was changed (id, before, after)., type: list, returned: success}
nfvcap_notes: {description: What could not be restored without being an error., type: list, returned: success}
left_packages: {description: Packages that came by nfvcap and stay., type: list, returned: success}
reboot_required: {description: The running kernel still has our arguments., type: bool, returned: success}
"""

SPEC = {
    "remove_packages": {"type": "bool", "default": False},
    "who": {"type": "str", "default": ""},
    "root": {"type": "path", "default": "/"},
}


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)

    def work(host: Host, outcome: Outcome, check: bool) -> None:
        restore_state(host, module.params["remove_packages"], outcome, check, module.params["who"])

    conclude(module, "nfvcap_restore_state", work)


if __name__ == "__main__":
    main()
