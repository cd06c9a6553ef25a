# SPDX-License-Identifier: Apache-2.0
"""The document nfvcap/attach/1 of one wish: the choice, every change with before and after, the reasons. Pure."""

from __future__ import annotations

import datetime
from typing import Any

from nfvcap import __version__
from nfvcap.attach import mac as addresses
from nfvcap.attach.choice import Chosen, choose
from nfvcap.attach.guests import find_guest
from nfvcap.attach.request import Request, Where
from nfvcap.errors import UsageError
from nfvcap.model.attach import Attach, Attachment, AttachStep
from nfvcap.model.facts import Facts, Guest
from nfvcap.model.plan import HostPlan, Reason, VfAttributes, VfTarget

# What a driver that does not report an attribute is taken to have.
_DEFAULTS: dict[str, Any] = {
    "vlan": 0, "qos": 0, "trust": False, "spoofchk": True, "min_tx_rate_mbps": 0, "max_tx_rate_mbps": 0,
    "link_state": "auto",
}  # fmt: skip
_LAST_VLAN = 4094


def attachment(host: str, request: Request, facts: Facts, plan: HostPlan | None) -> Attachment:
    """What to attach, decided wholly before anything is touched.

    Args:
        plan: what the host shall be, if it is known: its attributes for the VF, and which VFs are for other guests.

    Raises:
        UsageError: NFV-ATTACH-…; nothing was changed.
    """
    if request.vlan is not None and not 0 <= request.vlan <= _LAST_VLAN:
        raise UsageError(
            "NFV-ATTACH-008", f"there is no VLAN {request.vlan}", f"VLANs are 1 to {_LAST_VLAN}; 0 means none",
            "correct --vlan",
        )  # fmt: skip
    guest = find_guest(request.guest, facts, host)
    live, config, where = _where(request.where, guest)
    chosen = choose(request, guest, facts, plan)
    target = _target(chosen, plan)
    mac, mac_reason = addresses.pick(request.mac, target.mac if target else None, facts, chosen.nic, chosen.vf)
    attributes, sources = _attributes(request, target, chosen)
    return Attachment(
        guest=guest.name,
        uuid=guest.uuid,
        pf=chosen.nic.address,
        pf_name=chosen.nic.name,
        index=chosen.vf.index,
        address=chosen.vf.address,
        node=chosen.vf.node if chosen.vf.node is not None else chosen.nic.node,
        guest_node=chosen.guest_node,
        mac=mac,
        attributes=attributes,
        live=live,
        config=config,
        by=request.by,
        timeout_s=request.timeout_s,
        steps=_steps(chosen, guest, mac, attributes, {**sources, "mac": mac_reason}, live=live, config=config),
        reasons=(
            Reason(subject="vf", text=chosen.reason),
            Reason(subject="mac", text=mac_reason),
            Reason(subject="where", text=where),
        ),
        warnings=chosen.warnings,
    )


def document(attachments: dict[str, Attachment]) -> Attach:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return Attach(nfvcap_version=__version__, created_at=now, nfvcap_attach=attachments)


def _where(where: Where, guest: Guest) -> tuple[bool, bool, str]:
    """Live, config, and why."""
    live = where in (Where.LIVE, Where.BOTH) or (where is Where.AUTO and guest.state != "shutoff")
    config = where in (Where.CONFIG, Where.BOTH) or (where is Where.AUTO and guest.persistent)
    if live and guest.state != "running":
        state = "off" if guest.state == "shutoff" else guest.state
        raise UsageError(
            "NFV-ATTACH-002", f"guest {guest.name} is {state}", "a hot plug needs a guest that runs",
            "start or resume it, or use --config to have the VF at its next start",
        )  # fmt: skip
    if config and not guest.persistent:
        raise UsageError(
            "NFV-ATTACH-018", f"guest {guest.name} has no definition that would last",
            "it is transient: libvirt forgets it when it ends", "use --live",
        )  # fmt: skip
    if where is not Where.AUTO:
        return live, config, "It was asked for so."
    if live and config:
        return live, config, f"{guest.name} runs, so it gets the VF now, and again at each start."
    return live, config, f"{guest.name} is " + ("transient and runs." if live else "off: it gets the VF at each start.")


def _target(chosen: Chosen, plan: HostPlan | None) -> VfTarget | None:
    for pf in plan.desired.pfs if plan else ():
        for vf in pf.vfs:
            if (pf.address, vf.index) == (chosen.nic.address, chosen.vf.index):
                return vf
    return None


def _attributes(request: Request, target: VfTarget | None, chosen: Chosen) -> tuple[VfAttributes, dict[str, str]]:
    """Asked for, else from the inventory, else as they are; all are set and read back."""
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for name in VfAttributes.model_fields:
        asked, planned = getattr(request, name, None), getattr(target, name, None)
        if asked is not None:
            values[name], sources[name] = asked, "It was asked for."
        elif planned is not None and not (name == "qos" and request.vlan is not None):
            values[name], sources[name] = planned, "The inventory says so."
        else:
            values[name], sources[name] = getattr(chosen.vf, name), "The VF keeps it."
    if values["vlan"] == 0:
        values["qos"] = 0  # a priority needs a VLAN
    return VfAttributes(**values), sources


def _steps(
    chosen: Chosen,
    guest: Guest,
    mac: str,
    attributes: VfAttributes,
    sources: dict[str, str],
    *,
    live: bool,
    config: bool,
) -> tuple[AttachStep, ...]:
    vf, prefix = chosen.vf, f"vf:{chosen.nic.address}:{chosen.vf.index}"
    steps = []
    for name, value in {"mac": mac, **attributes.model_dump()}.items():
        have = getattr(vf, name)
        if value is None or (have if have is not None else _DEFAULTS.get(name)) == value:
            continue
        steps.append(
            AttachStep(
                id=f"{prefix}:{name}", title=f"{_words(name)} of VF {vf.index}", before=have, after=value,
                reason=sources[name],
            )
        )  # fmt: skip
    device = f"{vf.address} as a network device"
    if config:
        steps.append(
            AttachStep(
                id=f"guest:{guest.name}:config", title=f"definition of {guest.name}", before=None, after=device,
                reason="The guest has the VF again after its next start.",
            )
        )  # fmt: skip
    if live:
        if vf.driver != "vfio-pci":
            steps.append(
                AttachStep(
                    id=f"{prefix}:driver", title=f"driver of VF {vf.index}", before=vf.driver, after="vfio-pci",
                    reason="libvirt takes it for as long as the guest has the VF.",
                )
            )  # fmt: skip
        steps.append(
            AttachStep(
                id=f"guest:{guest.name}:live", title=f"hot plug into {guest.name}", before=None, after=device,
                reason="Then the guest is asked whether it has the device.",
            )
        )  # fmt: skip
    return tuple(steps)


def _words(name: str) -> str:
    return {"mac": "MAC address", "vlan": "VLAN", "qos": "VLAN priority"}.get(
        name, name.removesuffix("_mbps").replace("_", " ")
    )
