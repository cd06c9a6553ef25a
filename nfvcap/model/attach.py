# SPDX-License-Identifier: Apache-2.0
"""``nfvcap/attach/1``: which VF goes to which guest, as what, in which steps, and why.

The document travels as Ansible variables: ``ansible-playbook playbooks/attach.yml -e @attach.json`` applies it without
the command line. The module checks it against the host as it is then, and does all of it or nothing.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from nfvcap.model.base import Model
from nfvcap.model.plan import Reason, VfAttributes

SCHEMA: Literal["nfvcap/attach/1"] = "nfvcap/attach/1"


class MirrorWish(Model):
    """Copies of other guests' frames, as the module nfvcap_mirror takes them."""

    sources: tuple[dict[str, Any], ...]
    direction: Literal["", "in", "out", "both"]
    backend: str
    may_registers: bool
    may_promisc: bool
    for_s: int  # 0: until the VF is detached


class MirrorOffer(Model):
    """What the host said that it would copy, and what not."""

    backend: str
    direction: Literal["in", "out", "both"]
    copies: tuple[str, ...]
    leaves_out: tuple[str, ...]
    effects: tuple[str, ...]  # what else changes while the rule stands
    isolation: str  # what is known of a monitor that is slow or has stopped


class AttachStep(Model):
    """One change; ``id`` is the one that the module reports."""

    id: str
    title: str
    before: Any
    after: Any
    reason: str


class Attachment(Model):
    """One VF for one guest."""

    guest: str
    uuid: str
    pf: str  # PCI address of the port
    pf_name: str | None  # for people
    index: int
    address: str  # PCI address of the VF at the time of the choice; the module refuses another
    node: int | None  # NUMA node of the VF
    guest_node: int | None
    mac: str
    attributes: VfAttributes
    mirror: MirrorWish | None = None  # copies of others' frames that the guest gets
    mirror_offer: MirrorOffer | None = None  # what the host said to it when it was asked in check mode
    live: bool  # plug it into the running guest
    config: bool  # have it in the guest's definition
    by: str  # user@controller
    timeout_s: float  # how long the guest may take to see the device
    steps: tuple[AttachStep, ...]
    reasons: tuple[Reason, ...]
    warnings: tuple[str, ...]


class Attach(Model):
    schema_: Literal["nfvcap/attach/1"] = Field(default=SCHEMA, alias="nfvcap_attach_schema")
    nfvcap_version: str
    created_at: str  # RFC 3339, UTC
    nfvcap_attach: dict[str, Attachment]  # inventory name of the host → what to attach there
