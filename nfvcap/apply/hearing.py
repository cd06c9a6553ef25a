# SPDX-License-Identifier: Apache-2.0
"""Ears at places of a host while numbered frames are sent: opened, and closed whatever happens in between."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any

from nfvcap.apply import mirror as applying
from nfvcap.apply.ansible import Target
from nfvcap.errors import NfvcapError
from nfvcap.mirror.stream import Sent
from nfvcap.mirror.trial import Heard

Place = dict[str, Any]
_KEYS = ("kind", "index", "interface", "guest", "mac", "label")


def hear(
    target: Target, pf: str, places: Sequence[Place], streams: Sequence[int], send: Callable[[], list[Sent]],
    *, longest_s: float,
) -> tuple[list[Sent], list[Heard]]:  # fmt: skip
    """Open ears, send, close ears.

    Args:
        target: the one host.
        pf: PCI address of the PF whose VFs the places are.
        places: as the module nfvcap_mirror knows them.
        streams: for each place, which of the streams that are sent is counted there.
        send: sends, and tells what went out.
        longest_s: after this time an ear that nobody has closed ends by itself.

    Raises:
        NfvcapError: NFV-MIRROR-030, -031 an ear does not open or has heard nothing; whatever ``send`` raises.
    """
    (host,) = target.hosts
    wanted = [{key: place[key] for key in _KEYS if key in place} for place in places]
    opened = applying.ears(
        target,
        {"state": "open", "pf": pf, "places": wanted, "token": secrets.token_hex(4), "longest_s": int(longest_s)},
    )
    if host in opened.failures:
        raise opened.failures[host]
    sent: list[Sent] = []
    try:
        sent = send()
    finally:
        pairs = zip(opened.data(host, "ears"), streams, strict=True)
        ears = [{**ear, "flow": sent[at].flow if sent else 0} for ear, at in pairs]
        closed = applying.ears(target, {"state": "closed", "ears": ears})
    if host in closed.failures:
        raise closed.failures[host]
    heard: list[dict[str, Any]] | None = closed.data(host, "heard")
    if heard is None:
        raise NfvcapError("NFV-RUN-008", f"{host} did not say what was heard", "", "read the log of the run")
    labels = [str(place["label"] or place["kind"]) for place in places]
    return sent, [Heard.of(*one, sent[at]) for one, at in zip(zip(labels, heard, strict=True), streams, strict=True)]
