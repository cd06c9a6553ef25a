# SPDX-License-Identifier: Apache-2.0
"""From plain data to an :class:`Intent`, with every problem found in one go."""

from __future__ import annotations

import difflib
import types
import typing
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from nfvcap.model import intent_rules
from nfvcap.model.intent import Intent, IntentModel

Path = tuple[str | int, ...]
_MOST_ROUNDS = 100


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where (keys from the root of the intent), what, why, and how to put it right."""

    path: Path
    what: str
    why: str = ""
    fix: str = ""
    on_key: bool = False  # the key itself is wrong, not its value

    def text(self) -> str:
        return self.what + (f" ({self.why})" if self.why else "") + (f" — {self.fix}" if self.fix else "")


def dotted(path: Path) -> str:
    """``('pfs', 0, 'vfs')`` as ``nfvcap.pfs[0].vfs``."""
    return "nfvcap" + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)


def parse_intent(raw: Any) -> tuple[Intent | None, list[Problem]]:
    """Validate the variable ``nfvcap``.

    A part that is wrong by itself is set aside, so that the rules between fields still see the rest and one
    round of corrections is enough.

    Returns:
        The intent, or None when there are problems; and the problems, in the order of the fields.
    """
    if not isinstance(raw, dict):
        return None, [Problem((), f"{raw!r} is not a mapping", fix="write keys such as pfs: and guests: below nfvcap:")]
    rest, problems, kept = deepcopy(raw), [], _Kept()
    set_aside: set[Path] = set()
    for _ in range(_MOST_ROUNDS):
        try:
            intent = Intent.model_validate(rest)
            break
        except ValidationError as error:
            found = [(tuple(item["loc"]), item) for item in error.errors(include_url=False, include_input=True)]
        # From the end, so that removing an element of a list does not move the ones still to be removed.
        for location, item in reversed(found):
            if kept.original(location) in set_aside:
                continue  # missing only because its wrong value was set aside
            set_aside.add(kept.original(location))
            problem = _problem(location, item)
            problems.append(replace(problem, path=kept.original(problem.path)))
        for path in sorted({_victim(location, item) for location, item in found}, key=_removal_order, reverse=True):
            kept.remove(rest, path)
    else:  # pragma: no cover - every round removes something
        raise AssertionError("an intent that cannot be cut down to a valid one")
    for place, what, why, fix in intent_rules.check(intent):
        problems.append(Problem(kept.original(place), what, why, fix))
    unique = list(dict.fromkeys(problems))
    unique.sort(key=lambda problem: _order_in(raw, problem.path))
    return (None if unique else intent), unique


class _Kept:
    """Removes parts of the data and remembers where the remaining list elements stood before."""

    def __init__(self) -> None:
        self._indexes: dict[Path, list[int]] = {}

    def remove(self, data: Any, path: Path) -> None:
        if not path:
            data.clear()
            return
        for key in path[:-1]:
            try:
                data = data[_actual_key(data, key)]
            except (KeyError, IndexError, TypeError):
                return  # went away with something around it
        last = path[-1]
        if isinstance(data, list) and isinstance(last, int):
            indexes = self._indexes.setdefault(path[:-1], list(range(len(data))))
            del data[last], indexes[last]
        elif isinstance(data, dict):
            data.pop(_actual_key(data, last), None)

    def original(self, path: Path) -> Path:
        result: Path = ()
        for depth, key in enumerate(path):
            indexes = self._indexes.get(path[:depth])
            result = (*result, indexes[key] if indexes and isinstance(key, int) and key < len(indexes) else key)
        return result


def _actual_key(data: Any, key: str | int) -> Any:
    """YAML keys may be numbers where the model's location has text, and the other way round."""
    if isinstance(data, dict) and key not in data:
        return next((other for other in data if str(other) == str(key)), key)
    return key


def _removal_order(path: Path) -> tuple[tuple[int, str], ...]:
    return tuple((key, "") if isinstance(key, int) else (-1, str(key)) for key in path)


def _order_in(data: Any, path: Path) -> tuple[int, ...]:
    """Position of a path in the order of the document; what is not there comes last."""
    order: list[int] = []
    for key in path:
        if isinstance(data, dict):
            keys = list(data)
            actual = _actual_key(data, key)
            order.append(keys.index(actual) if actual in keys else len(keys))
            data = data.get(actual)
        elif isinstance(data, list) and isinstance(key, int):
            order.append(key)
            data = data[key] if key < len(data) else None
    return tuple(order)


def _victim(location: tuple[Any, ...], item: Any) -> Path:
    """What to set aside so that the rest can be validated: the wrong value, or what lacks something."""
    if location and location[-1] == "[key]":
        return location[:-1]
    return location[:-1] if item["type"] == "missing" else location


_WORDS = {
    "bool_parsing": "is not true or false",
    "bool_type": "is not true or false",
    "dict_type": "is not a mapping",
    "model_type": "is not a mapping",
    "list_type": "is not a list",
    "tuple_type": "is not a list",
    "string_type": "is not text",
}


def _problem(location: tuple[Any, ...], item: Any) -> Problem:
    kind = item["type"]
    if location and location[-1] == "[key]":
        context = item.get("ctx", {})
        return Problem(location[:-1], context.get("what", item["msg"]), fix=context.get("fix", ""), on_key=True)
    if kind == "missing":
        return Problem(location[:-1], f"{location[-1]} is missing", fix=f"add {location[-1]}: …")
    if kind == "extra_forbidden":
        return Problem(location, f"unknown key {location[-1]!r}", fix=_meant(location), on_key=True)
    return _value_problem(location, item)


def _value_problem(location: tuple[Any, ...], item: Any) -> Problem:
    kind, value = item["type"], item.get("input")
    if kind == "nfvcap":
        context = item["ctx"]
        return Problem(location, context["what"], context["why"], context["fix"])
    if kind == "literal_error":
        expected = [word.strip("'") for word in item["ctx"]["expected"].replace(" or ", ", ").split(", ")]
        near = difflib.get_close_matches(str(value), expected, n=1)
        fix = f"did you mean {near[0]}?" if near else f"write {', '.join(expected[:-1])} or {expected[-1]}"
        return Problem(location, f"{value!r} is not possible here", fix=fix)
    if value is None:
        return Problem(location, "there is no value", fix="give one, or remove the key")
    return Problem(location, f"{_short(value)} {_WORDS[kind]}" if kind in _WORDS else item["msg"])


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _meant(location: tuple[Any, ...]) -> str:
    allowed = allowed_keys(location[:-1])
    near = difflib.get_close_matches(str(location[-1]), allowed, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else f"allowed here: {', '.join(allowed)}"


def allowed_keys(path: Path) -> list[str]:
    """Names that the inventory may use at a place of the intent."""
    kind: Any = Intent
    for key in path:
        kind = _inner(kind, key)
    if isinstance(kind, type) and issubclass(kind, IntentModel):
        return [field.alias or name for name, field in kind.model_fields.items()]
    return []


def _inner(kind: Any, key: str | int) -> Any:
    if isinstance(kind, type) and issubclass(kind, IntentModel):
        fields = {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
        return _bare(fields.get(str(key)))
    arguments = typing.get_args(kind)
    return _bare(arguments[0] if typing.get_origin(kind) is tuple else arguments[-1]) if arguments else None


def _bare(kind: Any) -> Any:
    """Without Optional and Annotated."""
    if typing.get_origin(kind) is typing.Annotated:
        return _bare(typing.get_args(kind)[0])
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return _bare(next(part for part in typing.get_args(kind) if part is not type(None)))
    return kind
