#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.nfvcap_conclude import conclude
from ansible.module_utils.nfvcap_guestdef import define, undefine
from ansible.module_utils.nfvcap_gueststate import start, stop
from ansible.module_utils.nfvcap_host import Host
from ansible.module_utils.nfvcap_libvirt import SYSTEM, connect
from ansible.module_utils.nfvcap_outcome import Outcome

DOCUMENTATION = r"""
module: nfvcap_guest
short_description: Define, start, stop and remove guests of libvirt
description:
  - Defines guests through the host's own libvirt and reads back; the host's ledger says which ones are ours.
  - A guest that somebody else has made is started and stopped like ours, and never redefined or removed.
  - Devices of the host that a guest has been given outlive a new definition, and keep a guest from being removed.
  - Whoever only stops guests does not lock the host, as a shutdown may take minutes.
options:
  guests:
    description: What is wanted of which guest, in this order.
    type: list
    elements: dict
    required: true
    suboptions:
      name: {description: Name of the guest., type: str, required: true}
      state:
        description:
          - C(defined), there is such a guest with this definition.
          - C(running), it runs; C(stopped), it does not.
          - C(absent), there is none.
        type: str
        choices: [defined, running, stopped, absent]
        required: true
      xml: {description: Definition for libvirt; needed for C(defined)., type: str}
      disk: {description: Overlay over a cloud image and seed for cloud-init., type: dict}
      timeout_s: {description: How long a guest may take to shut down., type: float, default: 60}
      force: {description: End a guest that does not shut down as if its power failed., type: bool, default: false}
  uri: {description: Which libvirt., type: str, default: qemu:///system}
  root: {description: Directory that stands for C(/)., type: path, default: /}
author: nfvcap maintainers
"""

EXAMPLES = r"""
- name: Stop a guest
  nfvcap_guest:
    guests:
      - {name: vm3, state: stopped}
"""

RETURN = r"""
nfvcap_changes: {description: What was changed (id, before, after)., type: list, returned: success}
"""

GUEST = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["defined", "running", "stopped", "absent"], "required": True},
    "xml": {"type": "str"},
    "disk": {"type": "dict"},
    "timeout_s": {"type": "float", "default": 60},
    "force": {"type": "bool", "default": False},
}
SPEC = {
    "guests": {"type": "list", "elements": "dict", "required": True, "options": GUEST},
    "uri": {"type": "str", "default": SYSTEM},
    "root": {"type": "path", "default": "/"},
}


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)

    def work(host: Host, outcome: Outcome, check: bool) -> None:
        connection = connect(module.params["uri"])
        try:
            for guest in module.params["guests"]:
                name = guest["name"]
                if guest["state"] == "defined":
                    define(host, connection, guest, outcome, check)
                elif guest["state"] == "running":
                    start(connection, name, outcome, check)
                elif guest["state"] == "stopped":
                    timeout_s, force = guest["timeout_s"], guest["force"]
                    stop(connection, name, outcome, check, timeout_s=timeout_s, force=force)
                else:
                    undefine(host, connection, name, outcome, check)
        finally:
            connection.close()

    # A shutdown takes as long as the guest likes, and changes nothing in the ledger: others need not wait for it.
    conclude(module, "nfvcap_guest", work, locks=any(guest["state"] != "stopped" for guest in module.params["guests"]))


if __name__ == "__main__":
    main()
