#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.nfvcap_attach import Request, attach, detach
from ansible.module_utils.nfvcap_conclude import conclude
from ansible.module_utils.nfvcap_host import Host
from ansible.module_utils.nfvcap_mirror_rule import DIRECTIONS, PLACE
from ansible.module_utils.nfvcap_outcome import Outcome
from ansible.module_utils.nfvcap_pfspec import VF_ATTRIBUTES

DOCUMENTATION = r"""
module: nfvcap_attach
short_description: Give a virtual function to a libvirt guest, or take it back
description:
  - One transaction with an undo log in the host's ledger. When a step fails, VF attributes, driver, and the guest's
    live and persistent definition are exactly as before. After a kill the next changing module undoes or completes it.
  - The VF is addressed by PF and index, the guest by UUID. Needs libvirt's Python binding on the host.
options:
  state:
    description: C(attached) gives the VF to the guest, C(detached) takes it back and restores what it was.
    type: str
    choices: [attached, detached]
    default: attached
  guest: {description: Name of the guest., type: str, required: true}
  uuid: {description: UUID of the guest (attached)., type: str, default: ""}
  pf: {description: PCI address of the PF (attached)., type: str, default: ""}
  index: {description: Number of the VF on its PF (attached)., type: int, default: -1}
  address: {description: PCI address that the VF is expected at; empty for any., type: str, default: ""}
  vf:
    description: Which VF to detach, by PCI address or PF:INDEX; empty when the guest has only one by nfvcap.
    type: str
    default: ""
  mac: {description: MAC address that the guest sees (attached)., type: str, default: ""}
  attributes:
    description: Administrative attributes of the VF beside its address; one that is not given is left alone.
    type: dict
    default: {}
    suboptions:
      vlan: {description: VLAN id that the NIC adds and removes (0 for none)., type: int}
      qos: {description: Priority of that VLAN., type: int}
      trust: {description: The VF may ask for promiscuous mode and change its address., type: bool}
      spoofchk: {description: The NIC drops frames with a foreign source address., type: bool}
      min_tx_rate_mbps: {description: Guaranteed rate in Mbit/s (0 for none)., type: int}
      max_tx_rate_mbps: {description: Limit in Mbit/s (0 for none)., type: int}
      link_state: {description: Link state shown to the VF., type: str, choices: [auto, enable, disable]}
  mirror:
    description: Copies of other guests' frames that the guest gets, removed again at detach (attached).
    type: dict
    suboptions:
      sources:
        description: Whose frames are copied.
        type: list
        elements: dict
        required: true
        suboptions:
          kind: {description: What it is., type: str, choices: [vf, all, uplink, interface, guest-nic], default: vf}
          index: {description: Number of the VF on its PF., type: int, default: -1}
          interface: {description: Name of an interface of the host., type: str, default: ""}
          guest: {description: Name of the guest whose interface it is., type: str, default: ""}
          mac: {description: Address of that interface., type: str, default: ""}
          label: {description: What people call it., type: str, default: ""}
      direction:
        description: Seen from the watched guest; empty for as far as the card can.
        type: str
        choices: ["", in, out, both]
        default: ""
      backend: {description: Only this mechanism; empty for the first that can., type: str, default: ""}
      may_registers: {description: Consent to writing registers of the NIC., type: bool, default: false}
      may_promisc: {description: Consent to a trusted promiscuous VF., type: bool, default: false}
      for_s: {description: Seconds after which the rule ends by itself; 0 for never., type: int, default: 0}
  live: {description: Plug it into the running guest., type: bool, default: true}
  config: {description: Have it in the guest's definition as well., type: bool, default: true}
  force: {description: Power off a guest that does not release its VF (detached)., type: bool, default: false}
  timeout_s: {description: How long the guest may take to see or release the device., type: float, default: 60}
  lock_wait_s: {description: How long to wait while somebody else changes the host., type: float, default: 120}
  by: {description: Who does it; kept in the ledger and shown to others., type: str, default: ""}
  root: {description: Directory that stands for C(/)., type: path, default: /}
author: nfvcap maintainers
"""

EXAMPLES = r"""
- name: A VF for the capture guest
  nfvcap_attach:
    guest: vm3
    uuid: 6f1b0a52-6a7e-4a5e-9a58-3f0f5a3b1c11
    pf: "0000:81:00.0"
    index: 3
    mac: "02:00:00:81:00:03"
    attributes: {trust: true}
"""

RETURN = r"""
nfvcap_changes: {description: What was changed (id, before, after)., type: list, returned: success}
nfvcap_attached:
  description: The attachment; C(sight) tells through which channel the guest confirmed it, and its name there.
  type: dict
  returned: attached
nfvcap_detached: {description: The VF that is free again., type: dict, returned: detached}
"""

_MIRROR = {
    "sources": {"type": "list", "elements": "dict", "required": True, "options": PLACE},
    "direction": {"type": "str", "choices": ["", *DIRECTIONS], "default": ""},
    "backend": {"type": "str", "default": ""},
    "may_registers": {"type": "bool", "default": False},
    "may_promisc": {"type": "bool", "default": False},
    "for_s": {"type": "int", "default": 0},
}
SPEC = {
    "state": {"type": "str", "choices": ["attached", "detached"], "default": "attached"},
    "guest": {"type": "str", "required": True},
    "uuid": {"type": "str", "default": ""},
    "pf": {"type": "str", "default": ""},
    "index": {"type": "int", "default": -1},
    "address": {"type": "str", "default": ""},
    "vf": {"type": "str", "default": ""},
    "mac": {"type": "str", "default": ""},
    "attributes": {"type": "dict", "default": {}, "options": VF_ATTRIBUTES},
    "mirror": {"type": "dict", "options": _MIRROR},
    "live": {"type": "bool", "default": True},
    "config": {"type": "bool", "default": True},
    "force": {"type": "bool", "default": False},
    "timeout_s": {"type": "float", "default": 60},
    "lock_wait_s": {"type": "float", "default": 120},
    "by": {"type": "str", "default": ""},
    "root": {"type": "path", "default": "/"},
}


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec=SPEC,
        supports_check_mode=True,
        required_if=[("state", "attached", ("uuid", "pf", "index", "mac"))],
    )
    params = module.params

    def work(host: Host, outcome: Outcome, check: bool) -> None:
        if params["state"] == "detached":
            detach(
                host, params["guest"], params["vf"], outcome, check,
                timeout_s=params["timeout_s"], force=params["force"], by=params["by"],
            )  # fmt: skip
            return
        same = ("guest", "uuid", "pf", "index", "address", "mac", "live", "config", "by", "timeout_s")
        wanted = {name: value for name, value in (params["attributes"] or {}).items() if value is not None}
        request = Request(**{key: params[key] for key in same}, wanted=wanted, mirror=params["mirror"])
        attach(host, request, outcome, check)

    verb = "attach to" if params["state"] == "attached" else "detach from"
    holder = f"{verb} {params['guest']}" + (f" by {params['by']}" if params["by"] else "")
    conclude(module, holder, work, settles=False, wait_s=params["lock_wait_s"])


if __name__ == "__main__":
    main()
