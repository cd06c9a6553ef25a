#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.nfvcap_failure import Failure
from ansible.module_utils.nfvcap_guests import read_guests
from ansible.module_utils.nfvcap_guestview import view
from ansible.module_utils.nfvcap_host import Host
from ansible.module_utils.nfvcap_ledger import Ledger
from ansible.module_utils.nfvcap_libvirt import SYSTEM, connect

DOCUMENTATION = r"""
module: nfvcap_guest_info
short_description: What guests of libvirt are, have and see
description:
  - State of each guest, its devices of the host with their places in the guest, and the interfaces that the agent in it
    reports.
  - Changes nothing. A host without guests is not asked, so that no daemon is started by a look.
options:
  names:
    description: Only these guests; all when empty.
    type: list
    elements: str
    default: []
  wait_s: {description: How long to wait for agents of running guests., type: float, default: 0}
  uri: {description: Which libvirt., type: str, default: qemu:///system}
  root: {description: Directory that stands for C(/)., type: path, default: /}
author: nfvcap maintainers
"""

EXAMPLES = r"""
- name: Wait until a guest is up, and see which VF is which interface
  nfvcap_guest_info:
    names: [vm3]
    wait_s: 120
"""

RETURN = r"""
nfvcap_guests:
  description: Guests with C(name), C(uuid), C(state), C(ours), C(vfs), C(agent) and C(interfaces).
  type: list
  returned: success
"""

SPEC = {
    "names": {"type": "list", "elements": "str", "default": []},
    "wait_s": {"type": "float", "default": 0},
    "uri": {"type": "str", "default": SYSTEM},
    "root": {"type": "path", "default": "/"},
}


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    params = module.params
    host = Host(params["root"])
    guests = []
    try:
        if params["uri"] != SYSTEM or params["names"] or read_guests(host):
            connection = connect(params["uri"])
            try:
                guests = view(connection, Ledger(host), params["names"], params["wait_s"])
            finally:
                connection.close()
    except Failure as failure:
        module.fail_json(msg=str(failure), nfvcap_error=failure.as_dict())
    module.exit_json(changed=False, nfvcap_guests=guests)


if __name__ == "__main__":
    main()
