# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from typing import Any

import click
import pytest

from nfvcap.cli.status_view import lines, place, tree
from nfvcap.model.facts import BoundFile, Facts
from nfvcap.model.plan import Change, Disruption, HostPlan
from nfvcap.planner.query import MIRROR_STATE
from tests.unit.planner import machines


def change(change_id: str, title: str, before: Any, after: Any) -> Change:
    return Change(
        id=change_id, role="r", title=title, before=before, after=after,
        disruption=Disruption.NONE, survives_reboot=True, reason="",
    )  # fmt: skip


def drifted(*changes: Change) -> HostPlan:
    return HostPlan.model_construct(host="host1", changes=changes)


def host(**vf: Any) -> Facts:
    raw = machines.document(machines.lab_spec())
    raw["nics"][2]["sriov"] |= {
        "num_vfs": 1,
        "vfs": [{
            "index": 0, "address": "0000:81:10.0", "name": None, "driver": "vfio-pci", "driver_override": None,
            "device_id": "10ca", "node": 1, "iommu_group": 9, "mac": "02:00:00:81:00:00", "vlan": 100, "qos": 0,
            "trust": True, "spoofchk": False, "min_tx_rate_mbps": 0, "max_tx_rate_mbps": 500, "link_state": "enable",
            "holder": None,
        } | vf],
    }  # fmt: skip
    raw["guests"] = [{
        "name": "vm1", "uuid": "u", "state": "running", "persistent": True, "vcpus": 2, "memory_bytes": 1 << 30,
        "vcpu_pins": {}, "emulator_pins": [], "memory_nodes": [1], "hugepage_size_bytes": None,
        "hostdevs": ["0000:81:10.0"],
    }]  # fmt: skip
    return Facts.model_validate(raw)


def shown(facts: Facts, plan: HostPlan | None = None) -> list[str]:
    return [click.unstyle(line) for line in lines(tree("host1", facts, plan))]


def test_a_vf_is_followed_into_its_guest() -> None:
    seen = [{
        "name": "vm1", "agent": True,
        "vfs": [{"address": "0000:81:10.0", "guest_address": "0000:02:00.0", "interface": "eth0", "mac": None}],
    }]  # fmt: skip
    text = [click.unstyle(line) for line in lines(tree("host1", host(), None, seen))]
    at = next(number for number, line in enumerate(text) if "guest vm1" in line and "vCPUs" in line)
    assert text[at + 1].strip(" │└├─") == "vf0 0000:81:10.0 → 0000:02:00.0 → eth0"
    seen[0]["vfs"][0]["packets"] = {"received": 12, "sent": 5, "dropped": 0}  # type: ignore[index]
    assert "→ eth0  received 12, sent 5 packets" in "\n".join(lines(tree("host1", host(), None, seen)))
    seen[0]["vfs"][0]["packets"]["dropped"] = 3  # type: ignore[index]
    assert "sent 5, dropped 3 packets" in "\n".join(lines(tree("host1", host(), None, seen)))
    seen[0]["vfs"][0]["packets"] = None  # type: ignore[index]
    seen[0]["agent"], seen[0]["vfs"][0]["interface"] = False, None  # type: ignore[index]
    assert "→ its agent is silent" in "\n".join(
        click.unstyle(line) for line in lines(tree("host1", host(), None, seen))
    )


def test_host_node_port_vf_guest() -> None:
    text = shown(host(holder={"kind": "libvirt", "name": "vm1", "pid": None}))
    assert text[0].startswith("host1  Debian")
    assert text[1].startswith("├─ node 0  CPUs 0-4")
    at = next(number for number, line in enumerate(text) if "0000:81:00.0" in line)
    assert text[at] == "│  ├─ 0000:81:00.0  enp129s0  igb  link down  1 of 7 VFs"
    assert text[at + 1] == (
        "│  │  └─ vf0  0000:81:10.0  vfio-pci  02:00:00:81:00:00  vlan 100  trusted  spoof check off  "
        "at most 500 Mbit/s  link enable  → guest vm1"
    )
    assert text[at + 2] == "│  └─ guest vm1  running, 2 vCPUs, 1 GiB"
    assert "carries ssh and default-route: not touched" in text[-1]


def test_a_guest_that_does_not_run_is_named_too() -> None:
    assert any(line.endswith("→ guest vm1 (not running)") for line in shown(host()))


def test_drift_stands_at_its_place_and_none_is_lost() -> None:
    plan = drifted(
        change("kernel-args", "kernel arguments", [], ["iommu=pt"]),
        change("hugepages:node1:2048kB", "huge pages of 2 MiB on node 1", 0, 512),
        change("pf:0000:41:00.0:num_vfs", "VFs of 0000:41:00.0", 0, 2),
        change("vf:0000:81:00.0:0:vlan", "VLAN of VF 0", 100, 5),
        change("vf:0000:81:00.0:0:trust", "trust of VF 0", True, False),
        change("vf:0000:81:00.0:1:mac", "MAC of VF 1", None, "02:00:00:81:00:01"),
        change("hugepages:node7:2048kB", "huge pages of 2 MiB on node 7", 0, 512),
    )
    text = shown(host(), plan)
    after = {line.strip("│├└─ "): text[number + 1].strip("│ ") for number, line in enumerate(text[:-1])}
    assert text[1] == "│  ✗ kernel arguments: +iommu=pt"
    assert text[2] == "│  ✗ huge pages of 2 MiB on node 7: 0 → 512"
    assert after[next(key for key in after if key.startswith("node 1"))] == "✗ huge pages of 2 MiB on node 1: 0 → 512"
    assert after[next(key for key in after if key.startswith("0000:41:00.0"))] == "✗ VFs of 0000:41:00.0: 0 → 2"
    assert after[next(key for key in after if key.startswith("vf0"))] == "✗ vlan 100 → 5, trust on → off"
    assert after["vf1  does not exist"] == "✗ mac 02:00:00:81:00:01"


@pytest.mark.parametrize(
    ("change_id", "where"),
    [
        ("hugepages:node1:2048kB", "node1"),
        ("pf:0000:81:00.0:num_vfs", "pf:0000:81:00.0"),
        ("vf:0000:81:00.0:3:mac", "vf:0000:81:00.0:3"),
        ("file:/etc/nfvcap/host.json", "host"),
    ],
)
def test_the_id_of_a_change_says_where_it_belongs(change_id: str, where: str) -> None:
    assert place(change_id) == where


def test_mirror_rules_stand_at_both_of_their_ends() -> None:
    place = {"kind": "vf", "index": 0, "label": "vm3", "guest": "", "interface": "", "mac": ""}
    rule = {
        "rule_id": "m1", "pf": "0000:81:00.0", "direction": "in", "backend": "igbmac", "until": "2026-01-31T12:00:00Z",
        "monitor": place, "sources": [{**place, "index": 1, "label": "vm1"}],
    }  # fmt: skip
    facts = host().model_copy(update={"ledger": {"entries": {"mirror:m1": {"kind": "mirror", "rule": rule}}}})
    line = next(line for line in shown(facts) if "vf0" in line)
    assert line.endswith("⇐ copies of vm1 (in, igbmac, rule m1, not kept, until 2026-01-31T12:00:00Z)")
    state = BoundFile(sha256="", mode="0644", content=json.dumps({"rules": {"m1": {"repairs": 2, "waiting": ""}}}))
    kept = facts.model_copy(update={"files": {**facts.files, MIRROR_STATE: state}})
    assert ", 2 repairs, until" in next(line for line in shown(kept) if "vf0" in line)
    swapped = {**rule, "monitor": {**place, "index": 1}, "sources": [place]}
    facts = host().model_copy(update={"ledger": {"entries": {"mirror:m1": {"kind": "mirror", "rule": swapped}}}})
    assert next(line for line in shown(facts) if "vf0" in line).endswith("⇒ copied to vm3")
    seen = [{
        "name": "vm1", "agent": True,
        "vfs": [{"address": "0000:81:10.0", "guest_address": "0000:02:00.0", "interface": "eth0", "mac": None,
                 "packets": {"received": 12, "sent": 5, "dropped": 0}}],
    }]  # fmt: skip
    inside = next(line for line in lines(tree("host1", facts, None, seen)) if "→ eth0" in line)
    assert inside.endswith("eth0  ⇒ copied to vm3  received 12, sent 5 packets")
