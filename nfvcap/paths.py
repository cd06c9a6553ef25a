# SPDX-License-Identifier: Apache-2.0
"""Where things are: shipped data (roles, plugins, …), the user's cache and state directories."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def data_dir() -> Path:
    """Directory that holds roles/, plugins/, playbooks/, templates/, inventory/, agent/ and ansible.cfg.

    Inside a wheel this is ``nfvcap/data``; in a checkout it is the top of the tree.
    """
    packaged = _PACKAGE / "data"
    return packaged if packaged.is_dir() else _PACKAGE.parent


def _xdg(variable: str, default: str) -> Path:
    value = os.environ.get(variable, "")
    # The XDG specification says that relative paths in these variables are to be ignored.
    base = Path(value) if value.startswith("/") else Path.home() / default
    return base / "nfvcap"


def cache_dir() -> Path:
    """``$XDG_CACHE_HOME/nfvcap``: images, builds, labs; may be deleted at any time."""
    return _xdg("XDG_CACHE_HOME", ".cache")


def state_dir() -> Path:
    """``$XDG_STATE_HOME/nfvcap``: results and logs of earlier runs."""
    return _xdg("XDG_STATE_HOME", ".local/state")
