# SPDX-License-Identifier: Apache-2.0
"""Random machines, intents and half-provisioned states for property tests."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from machines import MachineSpec, NodeSpec, PortSpec, document

from nfvcap.model.facts import Facts
from nfvcap.model.intent import Intent
from nfvcap.model.units import GIB

ADDRESSES = ("0000:17:00.0", "0000:17:00.1", "0000:3b:00.0", "0000:d8:00.0")
_EXTRA = st.sampled_from(["mitigations=off", "nosmt", "default_hugepagesz=2M", "transparent_hugepage=never"])


@st.composite
def machine_specs(draw: st.DrawFn) -> MachineSpec:
    """One to four nodes, SMT on or off per machine, offline CPUs, memory-only nodes, ports anywhere."""
    threads = draw(st.sampled_from([1, 2]))
    nodes = [NodeSpec(draw(st.integers(2, 16)), threads, draw(st.sampled_from([4, 64, 256])) * GIB)]
    for _ in range(draw(st.integers(0, 3))):
        cores = draw(st.integers(0, 8))
        nodes.append(NodeSpec(cores, threads, draw(st.sampled_from([2, 64, 256])) * GIB))
    total = sum(node.cores * node.threads for node in nodes)
    offline = draw(st.frozensets(st.integers(1, max(1, total - 1)), max_size=3))
    return MachineSpec(
        nodes=nodes,
        ports=[_port(draw, address, len(nodes)) for address in ADDRESSES[: draw(st.integers(0, 4))]],
        offline=frozenset(cpu for cpu in offline if cpu < total),
        core_id_step=draw(st.sampled_from([1, 4])),
        siblings_far=draw(st.booleans()),
        kernel=draw(st.sampled_from(["6.12.48+deb13-amd64", "5.14.0-503.el9.x86_64", "6.1.0-40-amd64"])),
        iommu_kind=draw(st.sampled_from(["intel", "amd"])),
        page_1g=draw(st.booleans()),
    )


def _port(draw: st.DrawFn, address: str, nodes: int) -> PortSpec:
    return PortSpec(
        address,
        node=draw(st.one_of(st.none(), st.integers(0, nodes - 1))),
        name=f"ens{address[5:7]}f{address[-1]}",
        driver=draw(st.sampled_from(["igb", "ice", "mlx5_core"])),
        total_vfs=draw(st.sampled_from([7, 64])),
        carries=draw(st.sampled_from([(), (), (), (), (), (), (), ("ssh",)])),
        admin_up=draw(st.booleans()),
    )


def _attributes(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "vlan": st.integers(1, 4094),
                "trust": st.booleans(),
                "spoofchk": st.booleans(),
                "max_tx_rate": st.integers(0, 1000),
                "link_state": st.sampled_from(["auto", "enable", "disable"]),
            },
        )
    )
    return found


def _pf_entry(draw: st.DrawFn, port: PortSpec, number: int) -> dict[str, Any]:
    vfs = draw(st.integers(0, 7))
    singles = draw(st.sets(st.integers(0, max(0, vfs - 1)), max_size=3)) if vfs else set()
    entry: dict[str, Any] = {
        "pf": draw(st.sampled_from([port.address, port.name])), "vfs": vfs,
        "driver": draw(st.sampled_from(["kernel", "vfio-pci"])), "vf_defaults": _attributes(draw),
        "vf": {index: _attributes(draw) for index in singles},
    }  # fmt: skip
    for index in singles:
        if draw(st.booleans()):
            entry["vf"][index]["mac"] = f"02:00:00:00:{number:02x}:{index:02x}"
        if draw(st.booleans()):
            entry["vf"][index]["driver"] = draw(st.sampled_from(["kernel", "vfio-pci", "igbvf"]))
    return entry


def _cpus(draw: st.DrawFn, spec: MachineSpec) -> dict[str, Any]:
    total = sum(node.cores * node.threads for node in spec.nodes)
    online = [cpu for cpu in range(total) if cpu not in spec.offline]
    kind = draw(st.sampled_from(["auto", "auto", "none", "housekeeping", "isolate"]))
    if kind == "none":
        return {"isolate": "none"}
    if kind == "housekeeping":
        return {"housekeeping": sorted({online[0], *draw(st.sets(st.sampled_from(online), max_size=4))})}
    if kind == "isolate" and len(online) > 1:
        return {"isolate": sorted(draw(st.sets(st.sampled_from(online[1:]), min_size=1)))}
    return {}


@st.composite
def intents(draw: st.DrawFn, spec: MachineSpec) -> Intent:
    """An intent for such a machine; it need not fit."""
    ports = [port for port in spec.ports if draw(st.booleans())]
    raw: dict[str, Any] = {
        "pfs": [_pf_entry(draw, port, number) for number, port in enumerate(ports)],
        "cpus": _cpus(draw, spec),
        "guests": {},
        "kernel_args": draw(st.lists(_EXTRA, unique=True, max_size=2)),
        "iommu": {"passthrough": draw(st.booleans())},
    }
    for number in range(draw(st.integers(0, 4))):
        guest: dict[str, Any] = {
            "vcpus": draw(st.integers(1, 3)), "memory": f"{draw(st.sampled_from([1, 2, 8]))}G",
            "hugepage_size": draw(st.sampled_from(["auto", "2M", "1G"])),
        }  # fmt: skip
        if ports and draw(st.booleans()):
            guest["pf"] = draw(st.sampled_from([raw_pf["pf"] for raw_pf in raw["pfs"]]))
            guest["vfs"] = draw(st.integers(0, 3))
        if draw(st.integers(0, 4)) == 0:
            guest["node"] = draw(st.integers(0, len(spec.nodes) - 1))
        raw["guests"][f"vm{number}"] = guest
    if draw(st.booleans()):
        raw["vfio"] = {"options": {"disable_idle_d3": "1"}}
    if draw(st.booleans()):
        raw["hugepages_reserve"] = draw(st.sampled_from(["256M", "1G", "3G"]))
    return Intent.model_validate(raw)


@st.composite
def crowds(draw: st.DrawFn) -> tuple[MachineSpec, Intent]:
    """Several guests that share one port of a machine with room for them: where things could be given away twice."""
    threads = draw(st.sampled_from([1, 2]))
    nodes = [NodeSpec(draw(st.integers(10, 16)), threads, 64 * GIB) for _ in range(2)]
    port = PortSpec(ADDRESSES[0], node=draw(st.integers(0, 1)), name="ens17f0", total_vfs=8)
    spec = MachineSpec(nodes=nodes, ports=[port], siblings_far=draw(st.booleans()), iommu_kind="amd")
    guests = {
        f"vm{number}": {"vcpus": draw(st.integers(1, 2)), "memory": "1G", "pf": port.address,
                        "vfs": draw(st.integers(1, 2))}
        for number in range(draw(st.integers(2, 4)))
    }  # fmt: skip
    return spec, Intent.model_validate({"pfs": [{"pf": port.address, "vfs": 8}], "guests": guests})


@st.composite
def partial_states(draw: st.DrawFn, spec: MachineSpec) -> Facts:
    """The machine as someone, perhaps an interrupted run, may have left it."""
    facts = document(spec)
    for nic in facts["nics"]:
        if nic["sriov"] and draw(st.booleans()):
            _some_vfs(draw, nic)
    for node in facts["nodes"]:
        for page in node["hugepages"]:
            if draw(st.integers(0, 3)) == 0:
                page["total"] = page["free"] = draw(st.integers(0, 4))
    if draw(st.booleans()):
        facts["cmdline"]["running"] += " " + draw(
            st.sampled_from(["iommu=pt", "intel_iommu=on", "isolcpus=1", "quiet"])
        )
    if draw(st.booleans()):
        facts["cmdline"]["configured"] += " " + draw(st.sampled_from(["iommu=pt", "nohz_full=1", "quiet"]))
    facts["iommu"]["enabled"] = spec.iommu_kind == "amd" or draw(st.booleans())
    if draw(st.booleans()):
        facts["kernel_modules"].append("vfio_pci")
        facts["module_parameters"]["vfio_pci"] = {"disable_idle_d3": "N"}
    return Facts.model_validate(facts)


def _some_vfs(draw: st.DrawFn, nic: dict[str, Any]) -> None:
    count = draw(st.integers(0, 4))
    nic["sriov"]["num_vfs"] = count
    nic["sriov"]["vfs"] = [
        {
            "index": index, "address": f"0000:{nic['address'][5:7]}:10.{index}", "name": None,
            "driver": draw(st.sampled_from([None, "igbvf", "vfio-pci"])),
            "driver_override": draw(st.sampled_from([None, "vfio-pci"])), "device_id": "10ca", "node": nic["node"],
            "iommu_group": None, "mac": "02:00:00:00:99:99", "vlan": draw(st.sampled_from([0, 7])), "qos": 0,
            "trust": draw(st.sampled_from([None, False, True])), "spoofchk": draw(st.booleans()),
            "min_tx_rate_mbps": 0, "max_tx_rate_mbps": 0, "link_state": "auto", "holder": None,
        }
        for index in range(count)
    ]  # fmt: skip
