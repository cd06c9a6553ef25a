# SPDX-License-Identifier: Apache-2.0
"""Kernel command lines, token by token: the one place that decides whether an argument is there.

What the kernel does and this file follows:

* White space separates tokens, except inside double quotes; `key="a b"` and `"key=a b"` mean the same.
* `-` and `_` in a key are the same letter. Values are compared exactly: `on` is not in `on,sm_on`.
* `hugepages=` counts pages of the size that the last `hugepagesz=` (or `default_hugepagesz=`) before it named, of the
  default size when there is none before it. Such a pair is one setting. Of two pairs for one size **the first** counts,
  and of two default sizes.
* Of two tokens with any other key the last one counts, except for keys that add up (`console=`, `intel_iommu=`).
"""

from __future__ import annotations

from collections.abc import Iterable

# Keys whose tokens all take effect, each on its own.
ADD_UP = frozenset({"console", "earlycon", "iommu", "intel_iommu", "amd_iommu", "pci", "dyndbg", "modprobe.blacklist"})
_DEFAULT = "default_hugepagesz"
_UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


class Setting:
    """One thing that a command line sets: a token, or a pair `hugepagesz=2M hugepages=512`.

    ``key`` identifies what is set (`iommu`, `hugepages:2097152`), ``value`` is None for a flag, ``tokens`` is how it is
    written, in order.
    """

    __slots__ = ("key", "tokens", "value")

    def __init__(self, key: str, value: str | None, tokens: tuple[str, ...]) -> None:
        self.key, self.value, self.tokens = key, value, tokens

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Setting) and (self.key, self.value) == (other.key, other.value)

    def __hash__(self) -> int:
        return hash((self.key, self.value))

    def __repr__(self) -> str:
        return f"Setting({' '.join(self.tokens)})"


def split(text: str) -> list[str]:
    """The tokens of a command line as they are written, quotes included."""
    tokens, word, quoted = [], "", False
    for letter in text:
        if letter == '"':
            quoted = not quoted
        if letter.isspace() and not quoted:
            if word:
                tokens.append(word)
            word = ""
        else:
            word += letter
    return [*tokens, word] if word else tokens


def key_value(token: str) -> tuple[str, str | None]:
    """Key (with `_` for `-`) and value without quotes; the value is None for a flag."""
    if len(token) > 1 and token.startswith('"') and token.endswith('"'):
        token = token[1:-1]
    key, equals, value = token.partition("=")
    if len(value) > 1 and value.startswith('"') and value.endswith('"'):
        value = value[1:-1]
    return key.replace("-", "_"), value if equals else None


def size_bytes(text: str) -> int | None:
    """Bytes of a size as the kernel reads it (`2M`, `1048576K`); None when it is none."""
    digits, factor = text, 1
    if text and text[-1].lower() in _UNITS:
        digits, factor = text[:-1], _UNITS[text[-1].lower()]
    try:
        return int(digits, 0) * factor
    except ValueError:
        return None


def settings(tokens: str | Iterable[str], default: str | None = None) -> list[Setting]:
    """What a command line (or a list of tokens) sets, in its order.

    A `hugepagesz=` without a `hugepages=` after it sets nothing and does not show up. `default` is the default page
    size when it is not the one that the tokens name themselves.
    """
    words = split(tokens) if isinstance(tokens, str) else list(tokens)
    default = default or _default_size(words)
    found: list[Setting] = []
    size_token: str | None = None
    for token in words:
        key, value = key_value(token)
        if key == "hugepagesz":
            size_token = token
        elif key == "hugepages":
            size = _page_size(default if size_token is None else key_value(size_token)[1])
            pair = (token,) if size_token is None else (size_token, token)
            found.append(Setting(f"hugepages:{size}", value, pair))
        else:
            found.append(Setting(key, value, (token,)))
            size_token = _names_size(token) or size_token
    return found


def _default_size(words: Iterable[str]) -> str | None:
    return next((value for key, value in map(key_value, words) if key == _DEFAULT), None)


def _page_size(value: str | None) -> str:
    if value is None:
        return "default"
    size = size_bytes(value)
    return value if size is None else str(size)


def _names_size(token: str) -> str | None:
    """`default_hugepagesz=1G` opens a pair as `hugepagesz=1G` does."""
    key, value = key_value(token)
    return f"hugepagesz={value}" if key == _DEFAULT else None


def in_effect(text: str, wanted: Iterable[Setting]) -> list[Setting]:
    """Those of the wanted settings that a kernel started with this command line obeys."""
    return _obeyed(settings(text), list(wanted))


def _obeyed(written: list[Setting], wanted: list[Setting]) -> list[Setting]:
    several = {one.key for one in wanted if sum(other.key == one.key for other in wanted) > 1}
    have: dict[str, list[str | None]] = {}
    for setting in written:
        have.setdefault(setting.key, []).append(setting.value)
    found = []
    for one in wanted:
        values = have.get(one.key, [])
        if one.key == _DEFAULT or one.key.startswith("hugepages:"):
            values = values[:1]
        elif one.key not in ADD_UP and one.key not in several:
            values = values[-1:]
        if one.value in values:
            found.append(one)
    return found


def missing(text: str, wanted: Iterable[str]) -> list[str]:
    """Tokens that have to be added for the wanted ones to be in effect (a pair of huge page tokens goes together)."""
    wanted = list(wanted)
    asked = settings(wanted, _default_size(wanted) or _default_size(split(text)))
    there = in_effect(text, asked)
    return [token for one in asked if one not in there for token in one.tokens]


def merge(text: str, wanted: Iterable[str], unwanted: Iterable[str] = ()) -> str:
    """The command line with the wanted tokens in effect, without the unwanted ones; otherwise as it was.

    Tokens that are in effect stay where they are. What contradicts a wanted one is taken out: another pair for the same
    page size, another value of the same key unless the key adds up. Merging twice is merging once.
    """
    wanted = list(wanted)
    default = _default_size(wanted) or _default_size(split(text))  # as it will be
    asked, written = settings(wanted, default), settings(text, default)
    out = {one for one in settings(unwanted, default) if one not in asked}
    there = _obeyed(written, asked)
    keys = {one.key for one in asked if one.key not in ADD_UP}
    kept = [
        one
        for one in written
        if one not in out and (one in there or (one not in asked and one.key not in keys) or one.key in ADD_UP)
    ]
    return " ".join(_tokens([*_once(kept, asked), *(one for one in asked if one not in kept)]))


def _once(kept: list[Setting], asked: list[Setting]) -> list[Setting]:
    """Wanted settings only once; what is not ours stays as often as it was written."""
    seen: set[Setting] = set()
    result = []
    for one in kept:
        if one in asked and one in seen:
            continue
        seen.add(one)
        result.append(one)
    return result


def _tokens(found: Iterable[Setting]) -> list[str]:
    """Tokens in order; the page size is written again only where it changes."""
    tokens: list[str] = []
    size_token: str | None = None
    for one in found:
        if not one.key.startswith("hugepages:"):
            tokens.append(one.tokens[0])
            size_token = _names_size(one.tokens[0]) or size_token
        elif len(one.tokens) == 2:
            tokens += one.tokens if one.tokens[0] != size_token else one.tokens[1:]
            size_token = one.tokens[0]
        elif size_token is None:
            tokens.append(one.tokens[0])
        else:  # pages of the default size: only before any size is named
            tokens.insert(0, one.tokens[0])
    return tokens
