# SPDX-License-Identifier: Apache-2.0
"""What an earlier plan left on the host: which kernel arguments, huge pages and ports are ours."""

from __future__ import annotations

import json
import re
from typing import Any

from nfvcap.model.facts import Facts
from nfvcap.planner.files import GRUB, HOST_JSON
from nfvcap.planner.tokens import Setting, missing, settings

_DROP_IN = re.compile(r'^GRUB_CMDLINE_LINUX="\$GRUB_CMDLINE_LINUX (.*)"$', re.MULTILINE)


class Previous:
    """Read from the ledger, the boot record and the drop-in file; what is absent or damaged says nothing.

    A run may have been killed between writing any two of them, so each counts by itself.
    """

    def __init__(self, facts: Facts) -> None:
        self._record = _object(_content(facts, HOST_JSON))
        self._drop_in = _DROP_IN.findall(_content(facts, GRUB))
        entries = (facts.ledger or {}).get("entries")
        entry = entries.get("kernel-args") if isinstance(entries, dict) else None
        self._ledger: dict[str, Any] = entry if isinstance(entry, dict) else {}

    @property
    def kernel_args(self) -> tuple[str, ...]:
        """Tokens that came by us; what the user had before is not among them."""
        words = [*_texts(self._ledger.get("added")), *self._drop_in, *_texts(self._record.get("kernel_args"))]
        before = self._ledger.get("before")
        users = before.get("configured") if isinstance(before, dict) else None
        ours: list[Setting] = []
        for setting in settings(" ".join(words)):
            if setting not in ours and missing(str(users or ""), setting.tokens):
                ours.append(setting)
        return tuple(token for setting in ours for token in setting.tokens)

    @property
    def pools(self) -> frozenset[tuple[int, int]]:
        """Node and page size of the pools that were reserved at run time."""
        pools = [pool for pool in _list(self._record.get("hugepages")) if isinstance(pool, dict)]
        keys = [(pool.get("node"), pool.get("size_bytes")) for pool in pools]
        return frozenset((node, size) for node, size in keys if isinstance(node, int) and isinstance(size, int))

    @property
    def pfs(self) -> tuple[str, ...]:
        """Addresses of the ports whose VFs an earlier plan made."""
        pfs = [pf for pf in _list(self._record.get("pfs")) if isinstance(pf, dict)]
        return tuple(str(pf["address"]) for pf in pfs if "address" in pf)


def _content(facts: Facts, path: str) -> str:
    found = facts.files.get(path)
    return (found.content or "") if found else ""


def _object(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text or "{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _texts(value: Any) -> list[str]:
    return [text for text in _list(value) if isinstance(text, str)]
