#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.nfvcap_conclude import conclude
from ansible.module_utils.nfvcap_host import Host
from ansible.module_utils.nfvcap_outcome import Outcome
from ansible.module_utils.nfvcap_pfspec import PF, as_pfs
from ansible.module_utils.nfvcap_sriov import set_pfs

DOCUMENTATION = r"""
module: nfvcap_sriov
short_description: Create virtual functions and set their administrative attributes
description:
  - PFs are addressed by PCI address, VFs by PF and index; never by interface name or MAC address.
  - An equal number of VFs is left alone. Another number is refused while anybody uses a VF; else VFs are destroyed
    and created in a child process with a time limit, get their attributes, and only then their drivers.
  - A NIC that carries ssh or a default route (also below a bond, bridge or VLAN) is never touched.
options:
  pfs:
    description: Physical functions.
    type: list
    elements: dict
    required: true
    suboptions:
      address: {description: PCI address such as 0000:81:00.0., type: str, required: true}
      num_vfs: {description: Number of VFs., type: int, required: true}
      admin_up: {description: Set the PF's interface up., type: bool, default: true}
      vfs:
        description: Attributes of each VF; one that is not given is left alone.
        type: list
        elements: dict
        default: []
        suboptions:
          index: {description: Number of the VF on its PF., type: int, required: true}
          mac: {description: Administrative MAC address., type: str}
          vlan: {description: VLAN id that the NIC adds and removes (0 for none)., type: int}
          qos: {description: Priority of that VLAN., type: int}
          trust: {description: The VF may ask for promiscuous mode and change its address., type: bool}
          spoofchk: {description: The NIC drops frames with a foreign source address., type: bool}
          min_tx_rate_mbps: {description: Guaranteed rate in Mbit/s (0 for none)., type: int}
          max_tx_rate_mbps: {description: Limit in Mbit/s (0 for none)., type: int}
          link_state: {description: Link state shown to the VF., type: str, choices: [auto, enable, disable]}
          driver: {description: Driver of a new VF; empty for the kernel's default., type: str, default: ""}
          address: {description: Ignored; where the plan expects the VF., type: str}
      name: {description: Ignored; interface name at planning time., type: str}
      node: {description: Ignored; NUMA node at planning time., type: int}
  protected:
    description: PCI addresses that are refused. The module looks for NICs that must not be touched by itself, too.
    type: list
    elements: str
    default: []
  timeout_s: {description: Limit for one write to sriov_numvfs., type: float, default: 120}
  root: {description: Directory that stands for C(/)., type: path, default: /}
author: nfvcap maintainers
"""

EXAMPLES = r"""
- name: Two VFs, the first for a guest
  nfvcap_sriov:
    pfs:
      - address: "0000:81:00.0"
        num_vfs: 2
        vfs:
          - {index: 0, mac: "02:00:00:00:00:01", trust: false, driver: vfio-pci}
          - {index: 1}
"""

RETURN = r"""
nfvcap_changes: {description: What was changed (id, before, after)., type: list, returned: success}
"""

SPEC = {
    "pfs": {"type": "list", "elements": "dict", "required": True, "options": PF},
    "protected": {"type": "list", "elements": "str", "default": []},
    "timeout_s": {"type": "float", "default": 120.0},
    "root": {"type": "path", "default": "/"},
}


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    params = module.params

    def work(host: Host, outcome: Outcome, check: bool) -> None:
        set_pfs(host, as_pfs(params["pfs"]), params["protected"], outcome, check, timeout_s=params["timeout_s"])

    conclude(module, "nfvcap_sriov", work)


if __name__ == "__main__":
    main()
