#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.nfvcap_conclude import conclude
from ansible.module_utils.nfvcap_host import Host
from ansible.module_utils.nfvcap_hostfile import WantedFile, set_files
from ansible.module_utils.nfvcap_outcome import Outcome

DOCUMENTATION = r"""
module: nfvcap_file
short_description: Put files of nfvcap in place, keeping their originals in the host's ledger
description:
  - Compares whole content and mode, replaces each different file in one step (rename), and reads it back.
  - The original, byte for byte, is in C(/var/lib/nfvcap/ledger.json) before the file is touched.
options:
  files:
    description: Files, in the order in which they are written.
    type: list
    elements: dict
    required: true
    suboptions:
      path: {description: Absolute path., type: path, required: true}
      content: {description: Whole text; without it there shall be no such file., type: str}
      mode: {description: Permission bits., type: str, default: "0644"}
  root: {description: Directory that stands for C(/)., type: path, default: /}
author: nfvcap maintainers
"""

EXAMPLES = r"""
- name: Load vfio-pci at boot
  nfvcap_file:
    files:
      - path: /etc/modules-load.d/nfvcap.conf
        content: "vfio-pci\n"
"""

RETURN = r"""
nfvcap_changes: {description: What was changed (id, before, after)., type: list, returned: success}
"""

FILE = {
    "path": {"type": "path", "required": True},
    "content": {"type": "str"},
    "mode": {"type": "str", "default": "0644"},
}
SPEC = {
    "files": {"type": "list", "elements": "dict", "required": True, "options": FILE},
    "root": {"type": "path", "default": "/"},
}


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    wanted = [WantedFile(file["path"], file["content"], int(file["mode"], 8)) for file in module.params["files"]]

    def work(host: Host, outcome: Outcome, check: bool) -> None:
        set_files(host, wanted, outcome, check)

    conclude(module, "nfvcap_file", work)


if __name__ == "__main__":
    main()
