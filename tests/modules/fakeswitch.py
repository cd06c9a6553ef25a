# SPDX-License-Identifier: Apache-2.0
"""`tc`, `devlink` and `ip` as a card in switchdev mode answers them.

Made by hand after the output of iproute2 6.15 (Debian 13): `tc -s -j filter show`, `tc -j qdisc show`,
`devlink -j port show`, `devlink -j dev eswitch show`. No such card was at hand to record from.
"""

from __future__ import annotations

import json
from typing import Any

from ansible.module_utils.nfvcap_command import Completed

from tests.modules.fakecard import FakeCard

UPLINK = "enp129s0f0np0"


def representor(index: int) -> str:
    return f"enp129s0f0npf0vf{index}"


class FakeSwitch:
    """Filters by (interface, hook).

    Attributes:
        offloads: whether the card takes a filter; a driver that does not, refuses one with skip_sw.
        in_hw: what is reported of it afterwards.
    """

    def __init__(self, card: FakeCard, mode: str = "switchdev") -> None:
        self.card, self.mode = card, mode
        self.clsact: set[str] = set()
        self.filters: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.offloads, self.in_hw = True, True
        self.missing: set[int] = set()
        card.host.answers["tc"] = self._tc
        card.host.answers["devlink"] = self._devlink

    def _devlink(self, words: list[str]) -> Completed | str:
        if "eswitch" in words:
            return json.dumps({"dev": {words[-1]: {"mode": self.mode, "inline-mode": "none", "encap-mode": "basic"}}})
        at = f"pci/{self.card.address}"
        ports: dict[str, Any] = {f"{at}/65535": {"type": "eth", "netdev": UPLINK, "flavour": "physical", "port": 0}}
        for index, vf in self.card.vfs.items():
            if index not in self.missing:
                ports[f"{at}/{index + 1}"] = {
                    "type": "eth", "netdev": representor(index), "flavour": "pcivf", "controller": 0, "pfnum": 0,
                    "vfnum": index, "external": False, "function": {"hw_addr": vf["address"], "state": "active"},
                }  # fmt: skip
        return json.dumps({"port": ports})

    def _tc(self, words: list[str]) -> Completed | str:
        rest = [word for word in words[1:] if not word.startswith("-")]
        if rest[:2] == ["qdisc", "show"]:
            found = [{"kind": "mq", "handle": "0:", "root": True, "options": {}}]
            return json.dumps(found + [{"kind": "clsact", "handle": "ffff:", "parent": "ffff:fff1", "options": {}}]
                              * (rest[3] in self.clsact))  # fmt: skip
        if rest[0] == "qdisc":
            (self.clsact.add if rest[1] == "add" else self.clsact.remove)(rest[3])
            return ""
        device, hook = rest[3], rest[4]
        if rest[1] == "show":
            return self._shown(device, hook)
        pref = int(rest[rest.index("pref") + 1])
        if rest[1] == "del":
            self.filters[device, hook] = [one for one in self.filters[device, hook] if one["pref"] != pref]
            return ""
        return self._add(words, rest, device, hook, pref)

    def _shown(self, device: str, hook: str) -> str:
        shown: list[dict[str, Any]] = []
        for one in self.filters.get((device, hook), []):
            # tc prints a line for the preference itself before the filter.
            shown += [{key: value for key, value in one.items() if key != "options"}, one]
        return json.dumps(shown) + "\n"

    def _add(self, words: list[str], rest: list[str], device: str, hook: str, pref: int) -> Completed | str:
        assert device in self.clsact, "no qdisc to hang it on"
        hardware = "skip_sw" in rest
        kind = "flower" if "flower" in rest else "matchall"
        keys = {name: rest[rest.index(name) + 1] for name in ("dst_mac", "src_mac") if name in rest}
        # ice has no matchall and refuses a flower without a match; matchall of mlx5 and nfp limits rates only.
        if hardware and (not self.offloads or kind == "matchall" or not keys):
            said = "Error: Driver does not support offload.\nWe have an error talking to the kernel\n"
            return Completed(words, 2, "", said)
        actions = []
        for place, word in enumerate(rest):
            if word in ("mirror", "redirect"):
                actions.append({
                    "order": len(actions) + 1, "kind": "mirred", "mirred_action": word, "direction": "egress",
                    "to_dev": rest[place + 2], "control_action": {"type": "pipe" if word == "mirror" else "stolen"},
                    "index": len(actions) + 1, "ref": 1, "bind": 1,
                })  # fmt: skip
        options: dict[str, Any] = {"handle": 1, "actions": actions}
        if keys:
            options["keys"] = keys
        if hardware:
            options["skip_sw"] = True
            options |= {"in_hw": True, "in_hw_count": 1} if self.in_hw else {"not_in_hw": True}
        one = {"protocol": "all", "pref": pref, "kind": kind, "chain": 0, "options": options}
        self.filters.setdefault((device, hook), []).append(one)
        return ""

    def standing(self) -> dict[tuple[str, str], list[tuple[str, list[tuple[str, str]]]]]:
        """(interface, hook) → (match, [(action, to)]) of each filter."""
        found = {}
        for where, filters in self.filters.items():
            if filters:
                found[where] = [
                    (" ".join(f"{key} {value}" for key, value in one["options"].get("keys", {}).items()) or "all",
                     [(action["mirred_action"], action["to_dev"]) for action in one["options"]["actions"]])
                    for one in filters
                ]  # fmt: skip
        return found
