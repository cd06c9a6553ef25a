# SPDX-License-Identifier: Apache-2.0
"""Kernel command lines as the judge reads them; written apart from the code that sets them, on purpose."""

from __future__ import annotations

from dataclasses import dataclass

_DEFAULT_SIZE = 2 << 20  # x86
_UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def tokens(line: str) -> list[str]:
    """Arguments of a command line; double quotes protect blanks and are dropped, as the kernel does it."""
    words: list[str] = []
    word, quoted = "", False
    for char in line:
        if char == '"':
            quoted = not quoted
        elif char.isspace() and not quoted:
            if word:
                words.append(word)
            word = ""
        else:
            word += char
    return [*words, word] if word else words


def key_of(token: str) -> str:
    """The kernel takes ``-`` and ``_`` in names for the same."""
    return token.partition("=")[0].replace("-", "_")


def last_value(words: list[str], key: str) -> str | None:
    """The token that decides when a key is given several times; None when it is not given."""
    matching = [word for word in words if key_of(word) == key.replace("-", "_")]
    return matching[-1] if matching else None


@dataclass(frozen=True)
class BootPages:
    """Pages that a command line asks for: of one node, or (``node`` None) spread over all nodes."""

    size_bytes: int
    node: int | None
    count: int


def boot_pages(words: list[str]) -> list[BootPages]:
    """What ``hugepagesz=`` and ``hugepages=`` come to, read in order as the kernel does (mm/hugetlb.c).

    ``hugepages=16`` is spread over the nodes, ``hugepages=0:8,1:4`` names them. A count belongs to the size before it,
    or to the default size when there is none before it. A size or count that is given twice is ignored.
    """
    counts: dict[int | None, str] = {}  # size (None: default, not known yet) → its count
    default: int | None = None
    size: int | None = None
    ignore_count = False
    for word in words:
        key, _, value = word.partition("=")
        if key == "default_hugepagesz" and default is None:
            default = size = _size(value)
            if None in counts:
                counts[default] = counts.pop(None)
        elif key == "hugepagesz":
            # Naming the default size once more is allowed as long as it has no count.
            ignore_count = _size(value) in counts
            size = size if ignore_count else _size(value)
        elif key == "hugepages":
            if not ignore_count:
                counts.setdefault(size, value)
            ignore_count = False
    pages = []
    for page_size, text in counts.items():
        for part in text.split(","):
            node, colon, count = part.rpartition(":")
            pages.append(BootPages(page_size or _DEFAULT_SIZE, int(node) if colon else None, int(count)))
    return pages


def _size(text: str) -> int:
    unit = _UNITS.get(text[-1:].lower())
    return int(text[:-1]) * unit if unit else int(text)


def cpu_set(text: str) -> frozenset[int]:
    """CPUs of a list such as ``0-3,8``; flags before the list (``managed_irq,domain,2-3``) are passed over."""
    cpus: set[int] = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if first.isdigit():
            end = int(last or first)
            if end > 1 << 16:  # a slip on the command line must not eat the memory of whoever verifies
                raise ValueError(f"CPU {end} is beyond any machine")
            cpus.update(range(int(first), end + 1))
    return frozenset(cpus)


def mask_set(text: str) -> frozenset[int]:
    """CPUs of a hexadecimal mask such as ``ff`` or ``00000003,0000000f``."""
    bits = int(text.replace(",", "") or "0", 16)
    return frozenset(cpu for cpu in range(bits.bit_length()) if bits >> cpu & 1)


def listing(cpus: frozenset[int] | tuple[int, ...]) -> str:
    """A CPU list for people: ``0-3,8``; ``none`` when it is empty."""
    runs: list[list[int]] = []
    for cpu in sorted(cpus):
        if runs and cpu == runs[-1][1] + 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs) or "none"
