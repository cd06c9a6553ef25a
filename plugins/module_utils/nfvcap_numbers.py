# SPDX-License-Identifier: Apache-2.0
"""Lists of numbers as the kernel and libvirt write them: `0-3,8`, `0-7,^4`, `00000000,000000ff`."""

from __future__ import annotations

_MOST = 1 << 16


def parse_list(text: str | None) -> list[int]:
    """Ascending numbers of `0-3,8`; `^4` takes a number out again. Empty for None, "" and "(null)".

    Raises ``ValueError`` for anything else.
    """
    found: set[int] = set()  # of numbers within the bound: a slip such as 0-9999999999 must not eat the memory
    text = (text or "").strip()
    if text in ("", "(null)"):
        return []
    for part in map(str.strip, text.split(",")):
        without = part.startswith("^")
        first, dash, last = part.lstrip("^").partition("-")
        start, end = int(first), int(last if dash else first)
        if end > _MOST or start > _MOST:
            raise ValueError(f"{part!r} is beyond any machine")
        numbers = range(start, end + 1)
        if without:
            found.difference_update(numbers)
        else:
            found.update(numbers)
    return sorted(found)


def parse_mask(text: str | None) -> list[int]:
    """Ascending bit numbers of a mask in groups of 32 bits, most significant first: `1,0000000f`."""
    mask = int((text or "0").strip().replace(",", "") or "0", 16)
    return [bit for bit in range(mask.bit_length()) if mask >> bit & 1]
