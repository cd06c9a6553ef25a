# SPDX-License-Identifier: Apache-2.0
"""switchdev (mlx5, ice, nfp): filters with the action mirred on representors, in the card only.

Without ``skip_sw`` the kernel takes a rule that the card cannot do, and copies nothing of what the card forwards by
itself; so ``skip_sw`` is always set and ``in_hw`` read back. Frames to a watched VF are matched at the uplink by its
address, frames from it at its representor by its address as well: none of these drivers takes a mirror that matches
everything (ice has no `matchall` and no `flower` without a match, mlx5 and nfp have `matchall` to limit rates only).
"""

from __future__ import annotations

from typing import Any

from .nfvcap_host import Host
from .nfvcap_mirror_port import NO_ADDRESS, Port
from .nfvcap_mirror_rule import (
    ALL,
    BOTH,
    IN,
    OUT,
    UPLINK,
    Offer,
    Refusal,
    Request,
    Rule,
    between_vfs,
    kinds_of,
    vf_sources,
)
from .nfvcap_tcfilter import Filter, by_filters, free_prefs, hooks_to_make, read

NAME = "tc"
DRIVERS = ("mlx5_core", "ice", "nfp")
_NFP_UNKNOWN = "whether nfp still forwards the frames that it mirrors without a forward action is not known"


class Switch:
    """Uplink and representors of a PF in switchdev mode, by what they stand for."""

    def __init__(self, port: Port) -> None:
        self.uplink = port.interface
        self.representors: dict[int, str] = {}
        self.addresses: dict[int, str] = {}
        for one in port.devlink_ports():
            if one.get("flavour") == "pcivf" and one.get("netdev"):
                self.representors[int(one["vfnum"])] = str(one["netdev"])
                self.addresses[int(one["vfnum"])] = str(one.get("function", {}).get("hw_addr", "")).lower()
            elif one.get("flavour") == "physical" and one.get("netdev"):
                self.uplink = str(one["netdev"])

    def mac(self, port: Port, index: int) -> str:
        """Address of a VF as the eswitch knows it, else as the PF does; "" for none."""
        own = self.addresses.get(index, "")
        return own if own not in ("", NO_ADDRESS) else port.vf_mac(index)


def probe(host: Host, request: Request, others: list[Rule]) -> Offer | Refusal:
    """What this backend would copy, or why it does not."""
    elsewhere = between_vfs(NAME, request)
    if elsewhere:
        return elsewhere
    port = Port(host, request.pf)
    refusal = _port_refusal(request, port)
    if refusal:
        return refusal
    switch = Switch(port)
    missing = [index for index in (request.monitor.index, *vf_sources(request)) if index not in switch.representors]
    if missing:
        return Refusal(NAME, f"vf{missing[0]} has no representor", "`devlink port show` lists them")
    return _mlx5_refusal(host, request, port, switch) or _offer(host, request, others, port, switch)


def _port_refusal(request: Request, port: Port) -> Refusal | None:
    """What no rule of this kind could change: the driver, its mode, what it takes at all."""
    if port.driver not in DRIVERS:
        known = ", ".join(DRIVERS)
        why = f"the PF's driver is {port.driver or 'none'}; representors that mirror in hardware are known of {known}"
        return Refusal(NAME, why)
    if port.eswitch_mode() != "switchdev":
        return Refusal(
            NAME, f"the PF's eswitch is in the mode {port.eswitch_mode() or 'unknown'}, not switchdev",
            f"with no VFs in use: devlink dev eswitch set pci/{request.pf} mode switchdev",
        )  # fmt: skip
    if port.driver == "nfp" and request.backend != NAME:
        return Refusal(
            NAME, f"{_NFP_UNKNOWN}: the watched guest could lose them",
            f"`nfvcap mirror add … --backend {NAME}`, and `nfvcap mirror isolation` meanwhile",
        )  # fmt: skip
    if kinds_of(request) & {ALL, UPLINK}:
        return Refusal(
            NAME, f"{port.driver} mirrors what a filter matches, and takes no filter that matches every frame",
            "name the VFs; or a mirror of Open vSwitch with hw-offload, where that forwards the frames",
        )  # fmt: skip
    return None


def _mlx5_refusal(host: Host, request: Request, port: Port, switch: Switch) -> Refusal | None:
    """mlx5 forwards a matched frame only where the rule says; a guess must not take frames from other guests."""
    if port.driver != "mlx5_core":
        return None
    watched = vf_sources(request)
    if request.direction in (OUT, BOTH) and not _alone(request, port):
        return Refusal(
            NAME, "mlx5 needs a forward action in each rule: all that the watched VF sends would leave by the uplink, "
            "also frames for other VFs of this PF",
            "--direction in; or Open vSwitch with hw-offload and a mirror of its own",
        )  # fmt: skip
    for device in (switch.uplink, *(switch.representors[index] for index in watched)):
        if read(host, device, "ingress"):
            return Refusal(
                NAME, f"{device} has filters of somebody else, who forwards frames by them (Open vSwitch?)",
                "a mirror of that switch: `ovs-vsctl -- --id=@m create mirror …`",
            )  # fmt: skip
    return None


def _alone(request: Request, port: Port) -> bool:
    """Whether a PF has no VF but the monitor and the one that is watched."""
    return len(vf_sources(request)) == 1 and not (
        set(port.vf_indices()) - {request.monitor.index, *vf_sources(request)}
    )


def _offer(host: Host, request: Request, others: list[Rule], port: Port, switch: Switch) -> Offer | Refusal:
    vfs, mlx5 = vf_sources(request), port.driver == "mlx5_core"
    direction = request.direction or (BOTH if mlx5 and _alone(request, port) else IN)
    ways = [at for at, left_out in (("uplink", OUT), ("vf", IN)) if direction != left_out]
    parts: list[dict[str, Any]] = []
    for at, index in ((at, index) for at in ways for index in vfs):
        mac = switch.mac(port, index)
        if not mac:
            return Refusal(NAME, f"the address of vf{index} is not known to the host", "give it a mac in the inventory")
        parts.append({"at": at, "vf": index, "mac": mac})
    devices = sorted({_device(part, switch) for part in parts})
    taken = {int(part["pref"]) for rule in others for part in rule.detail.get("filters", [])}
    prefs = free_prefs(host, devices, len(parts), taken)
    if len(prefs) < len(parts):
        return Refusal(NAME, f"{len(parts)} filters are needed, and the range of preferences is used up")
    detail = {
        "filters": [{**part, "pref": prefs[number]} for number, part in enumerate(parts)],
        "forward": mlx5,
        "devices": devices,
        "clsact": hooks_to_make(host, devices, [rule.detail for rule in others]),
    }
    watched = ", ".join(str(each) for each in request.sources)
    copies = [f"frames from the cable to the addresses of {watched}"] if direction != OUT else []
    copies += [f"frames that {watched} sends from its own address"] if direction != IN else []
    leaves_out = ["frames between VFs of this PF" + (", but for what a watched VF sends" if direction != IN else "")]
    leaves_out += ["broadcasts and multicasts to the watched VFs"] if direction != OUT else []
    leaves_out += ["frames that a watched VF sends from another address"] if direction != IN else []
    leaves_out += [f"the other direction: --direction {BOTH}"] if direction != BOTH else []
    effects = ["matched frames are forwarded by our rule as well: to the watched VF, or to the uplink"] if mlx5 else []
    effects += [_NFP_UNKNOWN] if port.driver == "nfp" else []
    return Offer(
        NAME, direction, copies=tuple(copies), leaves_out=tuple(leaves_out), effects=tuple(effects),
        isolation="the eswitch makes the copies; whether a full monitor queue can hold back the port is not known for "
                  f"{port.driver}: `nfvcap mirror isolation` with a stopped monitor shows it",
        detail=detail,
    )  # fmt: skip


def _device(part: dict[str, Any], switch: Switch) -> str:
    return switch.uplink if part["at"] == "uplink" else switch.representors[int(part["vf"])]


def _filters(host: Host, rule: Rule) -> list[Filter]:
    """The rule's filters with the interfaces of this moment."""
    switch = Switch(Port(host, rule.pf))
    found = []
    for part in rule.detail["filters"]:
        if rule.monitor.index not in switch.representors or int(part["vf"]) not in switch.representors:
            continue
        device, to = _device(part, switch), switch.representors[rule.monitor.index]
        onward = switch.representors.get(int(part["vf"]), "") if part["at"] == "uplink" else switch.uplink
        match = ("dst_mac" if part["at"] == "uplink" else "src_mac", str(part["mac"]))
        forward = onward if rule.detail["forward"] else ""
        found.append(Filter(device, "ingress", int(part["pref"]), to, forward, match, hardware=True))
    return found


def _outdated(host: Host, rule: Rule) -> list[str]:
    """Watched VFs whose address is not the one that the filters match."""
    port = Port(host, rule.pf)
    switch = Switch(port)
    wanted = {int(part["vf"]): str(part["mac"]) for part in rule.detail["filters"]}
    have = {index: switch.mac(port, index) for index in wanted if index in switch.representors}
    return [f"vf{index} has another address by now: {mac or 'none'}" for index, mac in have.items()
            if mac != wanted[index]]  # fmt: skip


def _complete(rule: Rule) -> int:
    return len(rule.detail["filters"])


BACKEND = by_filters(NAME, probe, _filters, _complete, missing="representors are missing", outdated=_outdated)
