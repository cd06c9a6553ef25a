#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.nfvcap_conclude import conclude
from ansible.module_utils.nfvcap_host import Host
from ansible.module_utils.nfvcap_kernelargs import set_kernel_args
from ansible.module_utils.nfvcap_outcome import Outcome

DOCUMENTATION = r"""
module: nfvcap_kernel_args
short_description: Set the kernel arguments of the next boot, token by token
description:
  - GRUB on Debian and Ubuntu through a file of its own and C(update-grub); GRUB on SUSE through C(/etc/default/grub);
    boot loader entries of the RHEL family through the entries and the files that new entries are made from.
  - Reads back what the default boot entry will pass to the kernel, and fails when a token is not there.
  - Never reboots; RV(reboot_required) says whether the running kernel lacks something.
options:
  args:
    description: Tokens that the kernel shall get. Tokens of earlier runs that are not in the list are taken out.
    type: list
    elements: dict
    required: true
    suboptions:
      key: {description: Name of the argument., type: str, required: true}
      value: {description: Its value; none for a flag., type: str}
      feature: {description: What wants it, for people., type: str}
  drop_in: {description: Text of nfvcap's own GRUB file on Debian and Ubuntu., type: str}
  root: {description: Directory that stands for C(/)., type: path, default: /}
author: nfvcap maintainers
"""

EXAMPLES = r"""
- name: Switch the IOMMU on at the next boot
  nfvcap_kernel_args:
    args:
      - {key: intel_iommu, value: "on", feature: iommu}
      - {key: iommu, value: pt, feature: iommu}
    drop_in: |
      GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX intel_iommu=on iommu=pt"
"""

RETURN = r"""
nfvcap_changes: {description: What was changed (id, before, after)., type: list, returned: success}
configured: {description: The command line of the next boot., type: str, returned: success}
reboot_required: {description: Whether the running kernel has other arguments., type: bool, returned: success}
"""

ARG = {"key": {"type": "str", "required": True, "no_log": False}, "value": {"type": "str"}, "feature": {"type": "str"}}
SPEC = {
    "args": {"type": "list", "elements": "dict", "required": True, "options": ARG},
    "drop_in": {"type": "str"},
    "root": {"type": "path", "default": "/"},
}


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    tokens = [arg["key"] if arg["value"] is None else f"{arg['key']}={arg['value']}" for arg in module.params["args"]]

    def work(host: Host, outcome: Outcome, check: bool) -> None:
        set_kernel_args(host, tokens, module.params["drop_in"], outcome, check)

    conclude(module, "nfvcap_kernel_args", work)


if __name__ == "__main__":
    main()
