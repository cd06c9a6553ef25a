# SPDX-License-Identifier: Apache-2.0
"""How long a rule stands, as people say it."""

from __future__ import annotations

import re

from nfvcap.errors import UsageError

_UNITS_S = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_PART = re.compile(r"(\d+)(min|[smhd])")
_LONGEST_S = 366 * 86400


def seconds(text: str) -> int:
    """``2h`` → 7200, ``1h30m`` → 5400; "" → 0, for ever.

    Raises:
        UsageError: NFV-MIRROR-025.
    """
    words = text.strip().lower().replace(" ", "")
    if not words:
        return 0
    parts = _PART.findall(words)
    total_s = sum(int(number) * _UNITS_S[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != words or not 0 < total_s <= _LONGEST_S:
        raise UsageError(
            "NFV-MIRROR-025",
            f"{text!r} is no time that a rule could stand",
            "",
            "write for instance 30m, 2h, 1h30m, 7d",
        )
    return total_s
