# SPDX-License-Identifier: Apache-2.0
"""The tokens of a kernel command line, compared by the very code that the managed host uses.

Two comparers that disagree about one token make a host reboot for ever; so there is one, and it is loaded from where it
is shipped (it runs on hosts without this package and therefore cannot live in it).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from functools import cache
from typing import Any, Protocol

from nfvcap.paths import data_dir


class Setting(Protocol):
    """One thing that a command line sets: a token, or a pair ``hugepagesz=1G hugepages=0:2``."""

    key: str  # "iommu", "hugepages:1073741824"
    value: str | None
    tokens: tuple[str, ...]


@cache
def _shared() -> Any:
    path = data_dir() / "plugins" / "module_utils" / "nfvcap_cmdline.py"
    spec = importlib.util.spec_from_file_location("nfvcap_cmdline", path)
    if spec is None or spec.loader is None:  # pragma: no cover - the path ends in .py
        raise ImportError(f"cannot load {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def settings(tokens: str | Iterable[str]) -> list[Setting]:
    """What a command line, or a list of tokens, sets."""
    found: list[Setting] = _shared().settings(tokens)
    return found


def missing(text: str, wanted: Iterable[str]) -> tuple[str, ...]:
    """Tokens that are not in effect on this command line; a pair of huge page tokens goes together."""
    return tuple(_shared().missing(text, list(wanted)))
