#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.nfvcap_conclude import conclude
from ansible.module_utils.nfvcap_host import Host
from ansible.module_utils.nfvcap_keeper import keeper_state
from ansible.module_utils.nfvcap_ledger import Ledger
from ansible.module_utils.nfvcap_mirror import add_rule, remove_rules, rules_of, seen, standing
from ansible.module_utils.nfvcap_mirror_rule import DIRECTIONS, PLACE, Place, Request
from ansible.module_utils.nfvcap_outcome import Outcome

DOCUMENTATION = r"""
module: nfvcap_mirror
short_description: Copy frames of guests to a monitor's VF
description:
  - Finds the first mechanism of this host's NICs that does what is asked, says exactly what it will copy, sets the rule
    and reads it back. What no mechanism does is refused, with the reason of each.
  - In check mode the offer is returned and nothing is changed.
  - Rules live in the ledger of the host and are written to its journal with who, what and until when.
options:
  state:
    description: C(present) sets a rule, C(absent) removes rules, C(list) only tells of them.
    type: str
    choices: [present, absent, list]
    default: present
  pf: {description: PCI address of the PF; empty when no VF has a part in it., type: str, default: ""}
  monitor:
    description: Where the copies go.
    type: dict
    suboptions: &place
      kind: {description: What it is., type: str, choices: [vf, all, uplink, interface, guest-nic], default: vf}
      index: {description: Number of the VF on its PF., type: int, default: -1}
      interface: {description: Name of an interface of the host., type: str, default: ""}
      guest: {description: Name of the guest whose interface it is., type: str, default: ""}
      mac: {description: Address of that interface., type: str, default: ""}
      label: {description: What people call it., type: str, default: ""}
  sources:
    description: Whose frames are copied.
    type: list
    elements: dict
    default: []
    suboptions: *place
  direction:
    description: Seen from the watched guest; empty for as far as the card can.
    type: str
    choices: ["", in, out, both]
    default: ""
  backend: {description: Only this mechanism; empty for the first that can., type: str, default: ""}
  may_registers: {description: Consent to writing registers of the NIC., type: bool, default: false}
  may_promisc: {description: Consent to a trusted promiscuous VF., type: bool, default: false}
  who: {description: Who asks for it., type: str, default: ""}
  for_s: {description: Seconds after which the rule ends by itself; 0 for never., type: int, default: 0}
  rules:
    description:
      - Ids of rules to remove; without ids all of the monitor, without a monitor all.
      - With C(list) and C(within_s) the rules that are waited for; without ids all.
    type: list
    elements: str
    default: []
  within_s:
    description:
      - How long C(list) waits until the rules stand, in seconds; what they then lack is told as always.
      - Nobody waits for this module meanwhile, so the keeper can set the rules again.
    type: float
    default: 0
  root: {description: Directory that stands for C(/)., type: path, default: /}
author: nfvcap maintainers
"""

EXAMPLES = r"""
- name: Whatever is delivered to the first VF also goes to the third
  nfvcap_mirror:
    pf: "0000:81:00.0"
    monitor: {kind: vf, index: 2, label: vm3}
    sources: [{kind: vf, index: 0, label: vm1}]
    direction: in
    for_s: 7200
"""

RETURN = r"""
nfvcap_changes: {description: What was changed (id, before, after)., type: list, returned: success}
offer: {description: What the chosen mechanism copies and what not., type: dict, returned: when a rule is new}
refusals: {description: Mechanisms that were tried before, with their reasons., type: list, returned: state present}
rules: {description: All rules of the host with what they lack., type: list, returned: success}
keeper: {description: What the keeper has had to repair., type: dict, returned: success}
"""

SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent", "list"], "default": "present"},
    "pf": {"type": "str", "default": ""},
    "monitor": {"type": "dict", "options": PLACE},
    "sources": {"type": "list", "elements": "dict", "default": [], "options": PLACE},
    "direction": {"type": "str", "choices": ["", *DIRECTIONS], "default": ""},
    "backend": {"type": "str", "default": ""},
    "may_registers": {"type": "bool", "default": False},
    "may_promisc": {"type": "bool", "default": False},
    "who": {"type": "str", "default": ""},
    "for_s": {"type": "int", "default": 0},
    "rules": {"type": "list", "elements": "str", "default": []},
    "within_s": {"type": "float", "default": 0},
    "root": {"type": "path", "default": "/"},
}


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec=SPEC, supports_check_mode=True, required_if=[("state", "present", ("monitor", "sources"))]
    )
    params = module.params
    monitor = Place(**params["monitor"]) if params["monitor"] else None

    def work(host: Host, outcome: Outcome, check: bool) -> None:
        if params["state"] == "present" and monitor is not None:
            request = Request(
                params["pf"], monitor, tuple(Place(**source) for source in params["sources"]), params["direction"],
                params["backend"], params["may_registers"], params["may_promisc"],
            )  # fmt: skip
            add_rule(host, request, outcome, check, who=params["who"], for_s=params["for_s"])
        elif params["state"] == "absent":
            remove_rules(host, params["rules"], monitor, outcome, check=check, who=params["who"])
        elif params["within_s"]:
            standing(host, params["rules"], params["within_s"])
        outcome.extra["rules"] = [seen(host, rule) for rule in rules_of(Ledger(host))]
        outcome.extra["keeper"] = keeper_state(host)

    # Whoever waits for the keeper must not hold the lock that the keeper needs.
    waits = params["state"] == "list" and params["within_s"] > 0
    conclude(module, "nfvcap_mirror", work, locks=not waits)


if __name__ == "__main__":
    main()
