#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.nfvcap_conclude import conclude
from ansible.module_utils.nfvcap_host import Host
from ansible.module_utils.nfvcap_outcome import Outcome
from ansible.module_utils.nfvcap_pfspec import PF, as_pfs
from ansible.module_utils.nfvcap_vfdriver import set_vf_drivers

DOCUMENTATION = r"""
module: nfvcap_driver
short_description: Bind existing virtual functions to their drivers
description:
  - Binds through C(driver_override) and reads back; a VF that the new driver does not take goes back to the former one.
  - Refuses a VF that is in use, one whose IOMMU group holds devices of other drivers, and one for which driverctl
    keeps another override.
  - VFs that do not exist are an error; in check mode they are noted, because M(nfvcap_sriov) would have made them.
options:
  pfs:
    description: Physical functions as in M(nfvcap_sriov); only the drivers of their VFs are looked at.
    type: list
    elements: dict
    required: true
    suboptions:
      address: {description: PCI address such as 0000:81:00.0., type: str, required: true}
      num_vfs: {description: Number of VFs., type: int, required: true}
      admin_up: {description: Ignored here., type: bool, default: true}
      vfs:
        description: VFs and their drivers.
        type: list
        elements: dict
        default: []
        suboptions:
          index: {description: Number of the VF on its PF., type: int, required: true}
          driver: {description: Driver; empty for the kernel's default., type: str, default: ""}
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
  protected:
    description: PCI addresses that are refused. The module looks for NICs that must not be touched by itself, too.
    type: list
    elements: str
    default: []
  root: {description: Directory that stands for C(/)., type: path, default: /}
author: nfvcap maintainers
"""

EXAMPLES = r"""
- name: Give the first VF to VFIO
  nfvcap_driver:
    pfs:
      - {address: "0000:81:00.0", num_vfs: 2, vfs: [{index: 0, driver: vfio-pci}]}
"""

RETURN = r"""
nfvcap_changes: {description: What was changed (id, before, after)., type: list, returned: success}
"""

SPEC = {
    "pfs": {"type": "list", "elements": "dict", "required": True, "options": PF},
    "protected": {"type": "list", "elements": "str", "default": []},
    "root": {"type": "path", "default": "/"},
}


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    params = module.params

    def work(host: Host, outcome: Outcome, check: bool) -> None:
        set_vf_drivers(host, as_pfs(params["pfs"]), params["protected"], outcome, check)

    conclude(module, "nfvcap_driver", work)


if __name__ == "__main__":
    main()
