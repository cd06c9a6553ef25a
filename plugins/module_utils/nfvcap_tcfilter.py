# SPDX-License-Identifier: Apache-2.0
"""Mirror filters of the kernel's traffic control: put, read back, taken away exactly, through `tc -j`.

And what a backend is that keeps its rules by such filters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Union

from .nfvcap_failure import Failure
from .nfvcap_host import Host
from .nfvcap_mirror_rule import Backend, Offer, Refusal, Request, Rule

# Preferences that are ours to choose from; the kernel numbers its own from 49152 downwards.
_FIRST, _LAST = 40960, 41215
POLL_S = 5.0


@dataclass(frozen=True)
class Filter:
    """One filter on one interface.

    Args:
        hook: ``ingress`` or ``egress`` of the interface.
        to: interface that gets the copy.
        forward: interface that the frame itself goes to; "": its normal way.
        match: words of `flower`; none: everything (`matchall`).
        hardware: in the card only (`skip_sw`), and it counts only when the card says so.
    """

    device: str
    hook: str
    pref: int
    to: str
    forward: str = ""
    match: tuple[str, ...] = ()
    hardware: bool = False

    @property
    def kind(self) -> str:
        return "flower" if self.match else "matchall"


def free_prefs(host: Host, devices: list[str], count: int, taken: set[int]) -> list[int]:
    """Preferences that no filter on any of these interfaces has; "how many" of them in ascending order."""
    used = {int(one.get("pref", 0)) for device in devices for hook in ("ingress", "egress")
            for one in read(host, device, hook)}  # fmt: skip
    return [pref for pref in range(_FIRST, _LAST) if pref not in used | taken][:count]


def read(host: Host, device: str, hook: str) -> list[dict[str, Any]]:
    """Filters at one hook; none when there is no such interface, or nothing to hang filters on."""
    done = host.run(["tc", "-s", "-j", "filter", "show", "dev", device, hook])
    if not done.ok or not done.stdout.strip():
        return []
    import json

    found = json.loads(done.stdout)
    return [one for one in found if isinstance(one, dict) and "options" in one]


def hooks_to_make(host: Host, devices: list[str], earlier: list[dict[str, Any]]) -> list[str]:
    """Interfaces that get their hooks by us, or got them by an earlier rule of ours (given by its detail)."""
    ours = {device for detail in earlier for device in detail.get("clsact", [])}
    return [device for device in devices if device in ours or not has_clsact(host, device)]


def has_clsact(host: Host, device: str) -> bool:
    """Whether filters can be put at both hooks already."""
    return any(one.get("kind") == "clsact" for one in host.json(["tc", "-j", "qdisc", "show", "dev", device], list))


def put(host: Host, one: Filter) -> None:
    """Put a filter unless it stands.

    Raises:
        Failure: NFV-MIRROR-011 with what tc said.
    """
    if not lacking(host, one):
        return
    if not has_clsact(host, one.device):
        _tc(host, ["qdisc", "add", "dev", one.device, "clsact"], one)
    if any(int(other.get("pref", 0)) == one.pref for other in read(host, one.device, one.hook)):
        _delete(host, one)  # ours, but not as it shall be
    words = ["filter", "add", "dev", one.device, one.hook, "protocol", "all", "pref", str(one.pref), one.kind]
    words += ["skip_sw"] if one.hardware else []
    words += [*one.match, "action", "mirred", "egress", "mirror", "dev", one.to]
    words += ["pipe", "action", "mirred", "egress", "redirect", "dev", one.forward] if one.forward else []
    _tc(host, words, one)


def lacking(host: Host, one: Filter) -> str:
    """What is wrong with a filter; "" when it stands as it shall."""
    where = f"{one.device} {one.hook} pref {one.pref}"
    found = [other for other in read(host, one.device, one.hook) if int(other.get("pref", 0)) == one.pref]
    if not found:
        return f"{where}: there is no such filter"
    options = found[0].get("options", {})
    keys = options.get("keys", {})
    for at in range(0, len(one.match), 2):
        key, value = one.match[at : at + 2]
        if str(keys.get(key, "")).lower() != value:
            return f"{where}: it matches {key} {keys.get(key, 'of any value')}, not {value}"
    if one.to not in _targets(options, "mirror"):
        return f"{where}: it does not copy to {one.to}"
    onward = _targets(options, "redirect")
    if onward != ([one.forward] if one.forward else []):
        return f"{where}: it forwards to {', '.join(onward) or 'nobody'}, not to {one.forward or 'nobody'}"
    if one.hardware and not options.get("in_hw"):
        return f"{where}: it is not in the card (in_hw is missing)"
    return ""


def _targets(options: dict[str, Any], action: str) -> list[str]:
    """Interfaces that a filter mirrors or redirects to."""
    return [str(one.get("to_dev")) for one in options.get("actions", []) if one.get("mirred_action") == action]


def drop(host: Host, one: Filter) -> None:
    """Take a filter away if it is there, and the hooks with it when nothing else hangs there and they came by us.

    Raises:
        Failure: NFV-MIRROR-009.
    """
    if any(int(other.get("pref", 0)) == one.pref for other in read(host, one.device, one.hook)):
        _delete(host, one)


def drop_hooks(host: Host, device: str) -> None:
    """Remove the interface's clsact when no filter is left at it."""
    if has_clsact(host, device) and not any(read(host, device, hook) for hook in ("ingress", "egress")):
        host.run(["tc", "qdisc", "del", "dev", device, "clsact"])


def _delete(host: Host, one: Filter) -> None:
    words = ["tc", "filter", "del", "dev", one.device, one.hook, "protocol", "all", "pref", str(one.pref), one.kind]
    fix = "see what hangs there: `tc -s filter show dev " + f"{one.device} {one.hook}`"
    host.must(words, "NFV-MIRROR-009", f"the filter at {one.device} {one.hook} does not go", fix)


def _tc(host: Host, words: list[str], one: Filter) -> None:
    done = host.run(["tc", *words])
    if not done.ok:
        raise Failure(
            "NFV-MIRROR-011", f"{one.device} does not take the mirror filter", done.complaint,
            "the driver cannot do it in hardware; another backend" if one.hardware
            else "is the kernel's act_mirred there? `modprobe act_mirred`",
        )  # fmt: skip


def by_filters(
    name: str, probe: Callable[[Host, Request, list[Rule]], Union[Offer, Refusal]],
    filters: Callable[[Host, Rule], list[Filter]], complete: Callable[[Rule], int], *, missing: str,
    outdated: Callable[[Host, Rule], list[str]] = lambda _host, _rule: [],
) -> Backend:  # fmt: skip
    """A backend whose rules are filters.

    Args:
        filters: those of a rule, with the interfaces of this moment; what has no interface now is left out.
        complete: how many they are when nothing is left out.
        missing: said when something is.
        outdated: what has changed since the rule was made, so that its filters are no longer the right ones.
    """

    def add(host: Host, rule: Rule) -> None:
        for one in filters(host, rule):
            put(host, one)

    def lost(host: Host, rule: Rule) -> list[str]:
        now = filters(host, rule)
        words = [] if len(now) == complete(rule) else [missing]
        return words + outdated(host, rule) + [said for said in (lacking(host, one) for one in now) if said]

    def remove(host: Host, rule: Rule) -> None:
        now = filters(host, rule)
        for one in now:
            drop(host, one)
        # A tap that came after the rule, at another start of its guest, got its hooks by us.
        devices = {one.device for one in now}
        later = devices - {*rule.detail.get("devices", devices)}
        for device in sorted(later | devices & {*rule.detail["clsact"]}):
            drop_hooks(host, device)

    return Backend(name, POLL_S, probe, add, lost, remove)
