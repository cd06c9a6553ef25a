# SPDX-License-Identifier: Apache-2.0
"""What a guest is like, as far as it decides about figures that were measured in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nfvcap.agent.client import Agent
from nfvcap.door.door import Door, must, shell
from nfvcap.model.cpulist import format_cpulist
from nfvcap.model.facts import Facts, Nic
from nfvcap.verify.packets.engines.vf import GuestVf
from nfvcap.verify.packets.machine import HOLDERS

_LOOK = """
[ "$1" = tcpdump ] && tcpdump --version 2>&1 | head -n 2
shift
echo "kernel $(uname -r)"
echo "cpus $(grep -c '^processor' /proc/cpuinfo)"
echo "memory_kib $(sed -n 's/^MemTotal: *\\([0-9]*\\).*/\\1/p' /proc/meminfo)"
echo "hugepages $(sed -n 's/^HugePages_Total: *//p' /proc/meminfo)"
echo "cmdline $(cat /proc/cmdline)"
for i in "$@"; do
  d=/sys/class/net/$i/device/driver
  echo "driver_$i $(basename "$(readlink "$d")")"
  echo "rings_$i $(ethtool -g "$i" 2>/dev/null | sed -n 's/^RX:[^0-9]*//p' | tail -n 1)"
  ethtool -i "$i" 2>/dev/null | sed -n "s/^version: */driver_version_$i /p; s/^firmware-version: */firmware_$i /p"
done
"""


def around_guest(
    name: str, door: Door, agent: Agent, directory: str, vfs: Sequence[GuestVf], *, kind: str = "guest",
    tcpdump: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Part of the environment of a measurement, under keys that name the guest, or whatever else captures (kind).

    Args:
        tcpdump: it is what captures.
    """
    addresses = ", ".join(vf.address for vf in vfs)
    ports = f"VF {addresses}" if vfs[0].index >= 0 else addresses
    interfaces = [vf.interface for vf in vfs if vf.interface]
    said = must(shell(door, _LOOK, "tcpdump" if tcpdump else "agent", *interfaces), door).splitlines()
    return {
        f"{kind} {name}": "; ".join(line for line in said if line.partition(" ")[2].strip()),
        "agent": agent.version(),
        "dpdk": agent.dpdk(),
        f"placement {name}": f"capture in {kind} {name} on {ports}, files in {directory}",
    }


def around_host(environment: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    """The environment of the host with its NUMA nodes, and what its CPUs are for."""
    nodes = [
        {
            "node": node.id, "cpus": format_cpulist(cpu.id for cpu in facts.cpu.cpus if cpu.node == node.id),
            "memory_mib": node.memory_total_bytes >> 20,
            "hugepages": {f"{pool.size_bytes >> 10}kB": pool.total for pool in node.hugepages},
        }
        for node in facts.nodes
    ]  # fmt: skip
    pins = {
        str(cpus[0]): f"{guest.name} vCPU {vcpu}"
        for guest in facts.guests if guest.state == "running"
        for vcpu, cpus in sorted(guest.vcpu_pins.items()) if len(cpus) == 1
    }  # fmt: skip
    held = {nic.address: holders for nic in facts.nics if (holders := _holders(nic, facts))}
    nics = [
        nic | ({HOLDERS: held[nic["address"]]} if nic["address"] in held else {}) for nic in environment.get("nics", [])
    ]
    return {
        **environment,
        "nics": nics,
        "nodes": nodes,
        "isolated_cpus": format_cpulist(facts.cpu.isolated),
        "pins": pins,
    }


def _holders(nic: Nic, facts: Facts) -> dict[str, str]:
    """Number of a VF → who has it: a guest, also one that is off and will have it, or a process."""
    defined = {address: guest.name for guest in facts.guests for address in guest.hostdevs}
    made = {}
    for vf in nic.sriov.vfs if nic.sriov else ():
        if vf.holder is not None:
            made[str(vf.index)] = vf.holder.name
        elif vf.address in defined:
            made[str(vf.index)] = f"{defined[vf.address]} (not now)"
    return made


def directory_for(door: Door, wanted: Path | None) -> str:
    """Where the file of a trial goes in the guest: memory, unless somebody said otherwise."""
    if wanted is not None:
        return str(wanted)
    return must(shell(door, "[ -d /dev/shm ] && echo /dev/shm || echo /tmp"), door).strip()
