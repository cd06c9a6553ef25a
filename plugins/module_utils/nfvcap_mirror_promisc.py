# SPDX-License-Identifier: Apache-2.0
"""The last resort: a trusted VF that its guest sets promiscuous sees what the card delivers to anybody on the PF.

No mirror of one guest but a window on all of them, so it needs ``--allow-promisc`` and says who else becomes visible.
"""

from __future__ import annotations

from .nfvcap_failure import Failure
from .nfvcap_host import Host
from .nfvcap_mirror_port import Port
from .nfvcap_mirror_rule import IN, Backend, Offer, Refusal, Request, Rule, between_vfs
from .nfvcap_vfattr import VfWanted, set_attributes

NAME = "promisc"
POLL_S = 5.0
_PRIVATE_FLAG = "vf-true-promisc-support"
_82599 = (
    "10fb",
    "10f7",
    "10f8",
    "10f9",
    "10fc",
    "151c",
    "1507",
    "1514",
    "1517",
    "154a",
    "154d",
    "1557",
    "1558",
    "154f",
)
_NEVER = {
    "igb": "igb refuses unicast promiscuous mode to VFs",
    "mlx5_core": "mlx5 gives a promiscuous VF only frames that match nobody else, and multicasts",
    "bnxt_en": "nothing is known of it that copies other VFs' frames",
}


def probe(host: Host, request: Request, others: list[Rule]) -> Offer | Refusal:
    """What this backend would copy, or why it does not."""
    elsewhere = between_vfs(NAME, request)
    if elsewhere:
        return elsewhere
    port = Port(host, request.pf)
    refusal = _card_refusal(port)
    if refusal:
        return refusal
    if request.direction not in ("", IN):
        why = "a promiscuous VF sees what is delivered, not what others send to the wire"
        return Refusal(NAME, why, "--direction in")
    if not request.may_promisc:
        return Refusal(
            NAME,
            "it shows the monitor the frames of every VF of the PF, not only of those named",
            "--allow-promisc, or `mirror: {promisc: true}` in the inventory",
        )
    return _offer(host, request, others, port)


def _card_refusal(port: Port) -> Refusal | None:
    if port.driver not in ("i40e", "ice", "ixgbe"):
        return Refusal(NAME, _NEVER.get(port.driver, f"not known of the driver {port.driver or 'none'}"))
    if port.driver == "ixgbe" and port.model in _82599:
        return Refusal(NAME, "the 82599 refuses promiscuous VFs (EOPNOTSUPP)", "allow registers: backend rules")
    if port.driver == "ice" and port.eswitch_mode() == "switchdev":
        return Refusal(NAME, "trust cannot be given in switchdev mode", "backend tc")
    return None


def _offer(host: Host, request: Request, others: list[Rule], port: Port) -> Offer:
    vfs = [index for index in port.vf_indices() if index != request.monitor.index]
    # What an earlier rule found is what the last one has to leave behind.
    elder = next((rule.detail for rule in others if rule.backend == NAME and rule.pf == request.pf), {})
    flag = elder.get("flag", _flag(host, port))
    promisc = elder.get("pf_promisc", _is_promisc(host, port) if port.driver == "ixgbe" else None)
    attributes = port.vf_attributes()
    return Offer(
        NAME, IN,
        copies=(f"frames that the card delivers to vf{', vf'.join(map(str, vfs))} and to the PF itself",),
        leaves_out=("frames that the watched guests send to the wire",
                    "everything, until the guest of the monitor sets its interface promiscuous"),
        effects=(f"{request.monitor} becomes trusted: its guest may change its own address as well",
                 *(["vf-true-promisc-support is switched on for the whole card"] if flag is False else []),
                 *(["the PF itself is set promiscuous"] if port.driver == "ixgbe" else [])),
        isolation="not known for this driver: `nfvcap mirror isolation` with a stopped monitor shows it",
        detail={
            "trust": bool(attributes.get(request.monitor.index, {}).get("trust")),
            "flag": flag,
            "pf_promisc": promisc,
        },
    )  # fmt: skip


def add(host: Host, rule: Rule) -> None:
    """Trust the VF, and let the card do what it may.

    Raises:
        Failure: NFV-VF-002, NFV-MIRROR-011.
    """
    port = Port(host, rule.pf)
    _trust(host, rule, True)
    if rule.detail["flag"] is not None and not _flag(host, port):
        _set(host, ["ethtool", "--set-priv-flags", port.interface, _PRIVATE_FLAG, "on"], "NFV-MIRROR-011")
    if rule.detail["pf_promisc"] is not None and not _is_promisc(host, port):
        _set(host, ["ip", "link", "set", "dev", port.interface, "promisc", "on"], "NFV-MIRROR-011")


def lacking(host: Host, rule: Rule) -> list[str]:
    """What is not as the rule says."""
    port = Port(host, rule.pf)
    vf = port.vf_attributes().get(rule.monitor.index)
    if vf is None:
        return [f"{rule.monitor} does not exist"]
    found = [] if vf.get("trust") else [f"{rule.monitor} is not trusted"]
    found += ["vf-true-promisc-support is off"] if rule.detail["flag"] is not None and not _flag(host, port) else []
    off = rule.detail["pf_promisc"] is not None and not _is_promisc(host, port)
    return found + (["the PF is not promiscuous"] if off else [])


def remove(host: Host, rule: Rule) -> None:
    """Everything back to what it was.

    Raises:
        Failure: NFV-VF-002, NFV-MIRROR-009.
    """
    port = Port(host, rule.pf)
    if rule.monitor.index in port.vf_indices() and not rule.detail["trust"]:
        _trust(host, rule, False)
    if rule.detail["flag"] is False and _flag(host, port):
        _set(host, ["ethtool", "--set-priv-flags", port.interface, _PRIVATE_FLAG, "off"], "NFV-MIRROR-009")
    if rule.detail["pf_promisc"] is False and _is_promisc(host, port):
        _set(host, ["ip", "link", "set", "dev", port.interface, "promisc", "off"], "NFV-MIRROR-009")


def _trust(host: Host, rule: Rule, wanted: bool) -> None:
    reported = Port(host, rule.pf).vf_attributes().get(rule.monitor.index, {})
    set_attributes(host, rule.pf, VfWanted(rule.monitor.index, trust=wanted), reported)


def _flag(host: Host, port: Port) -> bool | None:
    """The card's private flag; None when it has none."""
    done = host.run(["ethtool", "--show-priv-flags", port.interface])
    for line in done.stdout.splitlines() if done.ok else ():
        name, _, value = line.partition(":")
        if name.strip() == _PRIVATE_FLAG:
            return value.strip() == "on"
    return None


def _is_promisc(host: Host, port: Port) -> bool:
    flags = host.value(f"/sys/class/net/{port.interface}/flags")
    return flags is not None and bool(int(flags, 16) & 0x100)


def _set(host: Host, words: list[str], code: str) -> None:
    done = host.run(words)
    if not done.ok:
        raise Failure(
            code, f"`{' '.join(words)}` failed", done.complaint, "`dmesg` on the host has the driver's own words"
        )


BACKEND = Backend(NAME, POLL_S, probe, add, lacking, remove)
