#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.nfvcap_conclude import conclude
from ansible.module_utils.nfvcap_ears import close_ear, open_ear
from ansible.module_utils.nfvcap_host import Host
from ansible.module_utils.nfvcap_mirror_rule import PLACE, Place
from ansible.module_utils.nfvcap_outcome import Outcome

DOCUMENTATION = r"""
module: nfvcap_ears
short_description: Listen for numbered frames at several places of a host
description:
  - C(open) starts a tcpdump at each place and returns what C(closed) needs to stop it and count.
  - It changes nothing that lasts; an ear that is forgotten ends by itself.
options:
  state: {description: Open or close ears., type: str, choices: [open, closed], required: true}
  pf: {description: PCI address of the PF., type: str, default: ""}
  places:
    description: Where to listen (open).
    type: list
    elements: dict
    default: []
    suboptions:
      kind: {description: What it is., type: str, choices: [vf, all, uplink, interface, guest-nic], default: vf}
      index: {description: Number of the VF on its PF., type: int, default: -1}
      interface: {description: Name of an interface of the host., type: str, default: ""}
      guest: {description: Name of the guest whose interface it is., type: str, default: ""}
      mac: {description: Address of that interface., type: str, default: ""}
      label: {description: What people call it., type: str, default: ""}
  token: {description: A word that no other test of this moment has (open)., type: str, default: ""}
  longest_s: {description: An ear that nobody closes ends by itself after this time (open)., type: int, default: 900}
  ears:
    description: What C(open) returned, each with the number of the C(flow) that is counted there (closed).
    type: list
    elements: dict
    default: []
  root: {description: Directory that stands for C(/)., type: path, default: /}
author: nfvcap maintainers
"""

EXAMPLES = r"""
- name: Listen at a watched VF and its monitor
  nfvcap_ears:
    state: open
    pf: "0000:81:00.0"
    places: [{kind: vf, index: 0}, {kind: vf, index: 2}]
    token: "4711"
"""

RETURN = r"""
ears: {description: Open ears., type: list, returned: open}
heard: {description: Frames and ranges of numbers at each ear., type: list, returned: closed}
"""

SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["open", "closed"], "required": True},
    "pf": {"type": "str", "default": ""},
    "places": {"type": "list", "elements": "dict", "default": [], "options": PLACE},
    "token": {"type": "str", "default": ""},
    "longest_s": {"type": "int", "default": 900},
    "ears": {"type": "list", "elements": "dict", "default": []},
    "root": {"type": "path", "default": "/"},
}


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=False)
    params = module.params

    def work(host: Host, outcome: Outcome, check: bool) -> None:
        if params["state"] == "closed":
            outcome.extra["heard"] = [close_ear(host, ear) for ear in params["ears"]]
            return
        ears: list[dict[str, Any]] = []
        try:
            for number, place in enumerate(params["places"]):
                token = f"{params['token']}-{number}"
                ears.append(open_ear(host, params["pf"], Place(**place), token, params["longest_s"]))
        except BaseException:
            for ear in ears:
                close_ear(host, ear)
            raise
        outcome.extra["ears"] = ears

    # An ear that goes may undo a rule, which the keeper sets again: under its own lock, so this must not hold it.
    conclude(module, "nfvcap_ears", work, locks=False)


if __name__ == "__main__":
    main()
