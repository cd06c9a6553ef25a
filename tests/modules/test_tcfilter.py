# SPDX-License-Identifier: Apache-2.0
"""Filters that the kernel copies by, against what iproute2 6.15 said of one on the lab server (Linux 6.12).

Recorded by tests/lab/test_60_mirror.py: `tc -s -j filter show dev t0 ingress; tc -j qdisc show dev t0`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.nfvcap_mirror_rule import INTERFACE, Place, Rule
from ansible.module_utils.nfvcap_mirror_software import BACKEND
from ansible.module_utils.nfvcap_tcfilter import Filter, free_prefs, has_clsact, lacking, read

from tests.modules.fakehost import FakeHost

FILTERS = """[{"protocol":"all","pref":40961,"kind":"matchall","chain":0},
{"protocol":"all","pref":40961,"kind":"matchall","chain":0,"options":{"handle":1,"not_in_hw":true,"rule_hit":0,
"actions":[{"order":1,"kind":"mirred","mirred_action":"mirror","direction":"egress","to_dev":"m0",
"control_action":{"type":"pipe"},"index":2,"ref":1,"bind":1,"installed":24,"last_used":24,
"stats":{"bytes":0,"packets":0,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0}}]}}]"""
QDISCS = """[{"kind":"noqueue","handle":"0:","root":true,"refcnt":2,"options":{}},
{"kind":"clsact","handle":"ffff:","parent":"ffff:fff1","options":{}}]"""


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    made = FakeHost(tmp_path)
    made.plant("/sys/class/net/t0/flags", "0x1003\n")

    def tc(words: list[str]) -> str:
        if "qdisc" in words:
            return QDISCS if "t0" in words else "[]"
        at = words[words.index("show") + 1 :]
        return FILTERS if at == ["dev", "t0", "ingress"] else ""

    made.answers["tc"] = tc
    return made


def test_what_the_kernel_has_is_what_the_rule_says(host: FakeHost) -> None:
    (one,) = read(host, "t0", "ingress")
    assert one["options"] == json.loads(FILTERS)[1]["options"]
    assert has_clsact(host, "t0") and not has_clsact(host, "t1")
    assert lacking(host, Filter("t0", "ingress", 40961, "m0")) == ""


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (Filter("t0", "egress", 40961, "m0"), "no such filter"),
        (Filter("t0", "ingress", 40960, "m0"), "no such filter"),
        (Filter("t0", "ingress", 40961, "m1"), "does not copy to m1"),
        (Filter("t0", "ingress", 40961, "m0", forward="m1"), "forwards to nobody, not to m1"),
        (Filter("t0", "ingress", 40961, "m0", match=("dst_mac", "02:00:00:00:00:01")), "dst_mac of any value, not 02:"),
        (Filter("t0", "ingress", 40961, "m0", hardware=True), "not in the card"),  # the kernel says not_in_hw
    ],
)
def test_what_it_has_not_is_told(host: FakeHost, one: Filter, why: str) -> None:
    assert why in lacking(host, one)


def test_preferences_in_use_are_left_alone(host: FakeHost) -> None:
    assert free_prefs(host, ["t0"], 3, {40962}) == [40960, 40963, 40964]


def test_a_rule_of_the_software_backend_stands_by_it(host: FakeHost) -> None:
    detail: dict[str, Any] = {"filters": [{"way": "out", "pref": 40961}], "clsact": ["t0"]}
    rule = Rule(
        "m1", "software", "", Place(INTERFACE, interface="m0"), (Place(INTERFACE, interface="t0"),), "out", detail
    )
    assert BACKEND.lacking(host, rule) == []
    both = {**detail, "filters": [*detail["filters"], {"way": "in", "pref": 40960}]}
    other = Rule("m1", "software", "", rule.monitor, rule.sources, "both", both)
    assert BACKEND.lacking(host, other) == ["t0 egress pref 40960: there is no such filter"]
