#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Returns all facts of a machine that nfvcap decides by, in one round trip."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.nfvcap_gather import gather
from ansible.module_utils.nfvcap_machine import Machine

DOCUMENTATION = r"""
module: nfvcap_facts
short_description: Tell everything about a machine that nfvcap decides by
description:
  - Reads CPU topology, memory and huge pages by NUMA node, kernel command line and boot loader, IOMMU, Secure Boot and
    lockdown, all PCI network devices with their virtual functions, libvirt guests, and nfvcap's ledger.
  - Changes nothing. Works in check mode. What cannot be read is null, with a line in C(notes).
options:
  packages:
    description: Packages whose installed version is wanted.
    type: list
    elements: str
    default: []
  files:
    description: Absolute paths of files whose content is wanted.
    type: list
    elements: str
    default: []
  units:
    description: systemd units whose state is wanted.
    type: list
    elements: str
    default: []
  kernel_modules:
    description: Kernel modules of which to tell whether they are loaded or built in, and their parameters.
    type: list
    elements: str
    default: []
  root:
    description: Directory that stands for C(/); with another one than C(/) no programs are run.
    type: path
    default: /
author:
  - nfvcap maintainers
"""

EXAMPLES = r"""
- name: Read the machine
  nfvcap_facts:
    packages: [libvirt-daemon-system]
    units: [libvirtd.service, irqbalance.service]
    files: [/etc/default/grub.d/90-nfvcap.cfg]
    kernel_modules: [vfio-pci]
"""

RETURN = r"""
nfvcap_facts:
  description: The document nfvcap/facts/1; every field is described in docs/reference/facts.md.
  returned: always
  type: dict
"""


def main() -> None:
    names = {"type": "list", "elements": "str", "default": []}
    module = AnsibleModule(
        argument_spec={
            "packages": names,
            "files": names,
            "units": names,
            "kernel_modules": names,
            "root": {"type": "path", "default": "/"},
        },
        supports_check_mode=True,
    )
    asked = dict(module.params)
    facts = gather(Machine(asked.pop("root")), **asked)
    module.exit_json(changed=False, nfvcap_facts=facts)


if __name__ == "__main__":
    main()
