#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.nfvcap_conclude import conclude
from ansible.module_utils.nfvcap_host import Host
from ansible.module_utils.nfvcap_hugepages import set_pools
from ansible.module_utils.nfvcap_outcome import Outcome
from ansible.module_utils.nfvcap_pfspec import POOL, as_pools

DOCUMENTATION = r"""
module: nfvcap_hugepages
short_description: Set the number of huge pages per node and size while the system runs
description:
  - Writes the count, reads back how many came, and asks again after compacting memory.
  - When too few come it restores the former count and says how many are missing.
options:
  pools:
    description: Pools to set; others are left alone.
    type: list
    elements: dict
    required: true
    suboptions:
      node: {description: NUMA node., type: int, required: true}
      size_bytes: {description: Size of one page., type: int, required: true}
      count: {description: Persistent pages., type: int, required: true}
      when:
        description: Pools that are made at boot are accepted and left alone; they come with kernel arguments.
        type: str
        choices: [boot, runtime]
        default: runtime
  root: {description: Directory that stands for C(/)., type: path, default: /}
author: nfvcap maintainers
"""

EXAMPLES = r"""
- name: Give node 1 a gibibyte of huge pages
  nfvcap_hugepages:
    pools:
      - {node: 1, size_bytes: 2097152, count: 512}
"""

RETURN = r"""
nfvcap_changes: {description: What was changed (id, before, after)., type: list, returned: success}
"""

SPEC = {
    "pools": {"type": "list", "elements": "dict", "required": True, "options": POOL},
    "root": {"type": "path", "default": "/"},
}


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    pools = as_pools(module.params["pools"])

    def work(host: Host, outcome: Outcome, check: bool) -> None:
        set_pools(host, pools, outcome, check)

    conclude(module, "nfvcap_hugepages", work)


if __name__ == "__main__":
    main()
