#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.nfvcap_conclude import conclude
from ansible.module_utils.nfvcap_guestnic import MODELS, NicWanted, plug, unplug
from ansible.module_utils.nfvcap_host import Host
from ansible.module_utils.nfvcap_outcome import Outcome

DOCUMENTATION = r"""
module: nfvcap_guest_nic
short_description: Give a running libvirt guest a NIC for the length of a measurement
description:
  - A macvtap interface in mode C(bridge) over the interface of a PF, or a whole PF that vfio-pci has, by hot plug;
    never in the guest's definition.
  - The host's ledger has an entry as long as the NIC may be there. What a run that was killed has left is taken out by
    the next C(plugged) or C(unplugged), and by deprovision.
options:
  state:
    description: C(plugged) gives the guest the NIC, C(unplugged) takes such NICs out of all guests of the host.
    type: str
    choices: [plugged, unplugged]
    default: plugged
  guest: {description: Name of the guest (plugged)., type: str, default: ""}
  pf: {description: PCI address of the PF (plugged)., type: str, default: ""}
  model:
    description: What the guest sees (plugged); C(passthrough) is the PF itself.
    type: str
    choices: [virtio, e1000, passthrough]
    default: virtio
  mac: {description: MAC address of the NIC (plugged); a PF that is passed through has its own., type: str, default: ""}
  timeout_s: {description: How long a guest may take to release a NIC., type: float, default: 60}
  lock_wait_s: {description: How long to wait while somebody else changes the host., type: float, default: 120}
  by: {description: Who does it; kept in the ledger., type: str, default: ""}
  root: {description: Directory that stands for C(/)., type: path, default: /}
author: nfvcap maintainers
"""

EXAMPLES = r"""
- name: An emulated e1000 for the capture guest
  nfvcap_guest_nic:
    guest: vm3
    pf: "0000:81:00.0"
    model: e1000
    mac: "02:6e:66:00:00:01"
- name: As it was
  nfvcap_guest_nic:
    state: unplugged
"""

RETURN = r"""
nfvcap_changes: {description: What was changed (id, before, after)., type: list, returned: success}
nfvcap_notes: {description: What an earlier run had left., type: list, returned: success}
"""

SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["plugged", "unplugged"], "default": "plugged"},
    "guest": {"type": "str", "default": ""},
    "pf": {"type": "str", "default": ""},
    "model": {"type": "str", "choices": list(MODELS), "default": "virtio"},
    "mac": {"type": "str", "default": ""},
    "timeout_s": {"type": "float", "default": 60},
    "lock_wait_s": {"type": "float", "default": 120},
    "by": {"type": "str", "default": ""},
    "root": {"type": "path", "default": "/"},
}


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec=SPEC, supports_check_mode=True, required_if=[("state", "plugged", ("guest", "pf", "mac"))]
    )
    params = module.params

    def work(host: Host, outcome: Outcome, check: bool) -> None:
        if params["state"] == "unplugged":
            unplug(host, outcome, check, params["timeout_s"])
            return
        wanted = NicWanted(**{key: params[key] for key in ("guest", "pf", "model", "mac", "by")})
        plug(host, wanted, outcome, check, params["timeout_s"])

    holder = "nfvcap_guest_nic" + (f" by {params['by']}" if params["by"] else "")
    conclude(module, holder, work, wait_s=params["lock_wait_s"])


if __name__ == "__main__":
    main()
