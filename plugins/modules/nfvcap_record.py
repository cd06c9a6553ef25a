#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.nfvcap_conclude import conclude
from ansible.module_utils.nfvcap_host import Host
from ansible.module_utils.nfvcap_outcome import Outcome
from ansible.module_utils.nfvcap_pfspec import PF, POOL, as_pfs, as_pools
from ansible.module_utils.nfvcap_record import record_originals

DOCUMENTATION = r"""
module: nfvcap_record
short_description: Note the originals of huge pages and cards in the host's ledger
description:
  - For what the boot units of nfvcap set; noted while the system runs as its owner set it up. Changes nothing else.
  - Refuses cards that must not be touched before anything is prepared for the next boot.
options:
  pfs:
    description: Physical functions as in M(nfvcap_sriov).
    type: list
    elements: dict
    required: true
    suboptions:
      address: {description: PCI address such as 0000:81:00.0., type: str, required: true}
      num_vfs: {description: Number of VFs., type: int, required: true}
      admin_up: {description: Ignored here., type: bool, default: true}
      vfs:
        description: Ignored here.
        type: list
        elements: dict
        default: []
        suboptions:
          index: {description: Ignored here., type: int, required: true}
          driver: {description: Ignored here., type: str, default: ""}
          mac: {description: Ignored here., type: str}
          vlan: {description: Ignored here., type: int}
          qos: {description: Ignored here., type: int}
          trust: {description: Ignored here., type: bool}
          spoofchk: {description: Ignored here., type: bool}
          min_tx_rate_mbps: {description: Ignored here., type: int}
          max_tx_rate_mbps: {description: Ignored here., type: int}
          link_state: {description: Ignored here., type: str, choices: [auto, enable, disable]}
          address: {description: Ignored; where the plan expects the VF., type: str}
      name: {description: Ignored; interface name at planning time., type: str}
      node: {description: Ignored; NUMA node at planning time., type: int}
  pools:
    description: Pools of huge pages as in M(nfvcap_hugepages).
    type: list
    elements: dict
    default: []
    suboptions:
      node: {description: NUMA node., type: int, required: true}
      size_bytes: {description: Size of one page., type: int, required: true}
      count: {description: Ignored here., type: int, required: true}
      when: {description: Those of the boot are left out., type: str, choices: [boot, runtime], default: runtime}
  protected:
    description: PCI addresses that are refused. The module looks for NICs that must not be touched by itself, too.
    type: list
    elements: str
    default: []
  root: {description: Directory that stands for C(/)., type: path, default: /}
author: nfvcap maintainers
"""

EXAMPLES = r"""
- name: Note what is there
  nfvcap_record:
    pools: [{node: 1, size_bytes: 2097152, count: 512}]
    pfs: [{address: "0000:81:00.0", num_vfs: 2}]
"""

RETURN = r"""
nfvcap_changes: {description: Always empty., type: list, returned: success}
"""

SPEC = {
    "pfs": {"type": "list", "elements": "dict", "required": True, "options": PF},
    "pools": {"type": "list", "elements": "dict", "default": [], "options": POOL},
    "protected": {"type": "list", "elements": "str", "default": []},
    "root": {"type": "path", "default": "/"},
}


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    params = module.params

    def work(host: Host, outcome: Outcome, check: bool) -> None:
        record_originals(host, as_pools(params["pools"]), as_pfs(params["pfs"]), params["protected"], check)

    conclude(module, "nfvcap_record", work)


if __name__ == "__main__":
    main()
