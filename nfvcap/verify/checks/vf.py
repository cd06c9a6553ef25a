# SPDX-License-Identifier: Apache-2.0
"""Administrative attributes of VFs, as the PF reports them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from nfvcap.model.plan import VfTarget
from nfvcap.verify.case import RESTORE, Case, Vf
from nfvcap.verify.expect import Expect, check
from nfvcap.verify.links import VfInfo

ATTRIBUTES = (
    "mac", "vlan", "qos", "trust", "spoofchk", "min_tx_rate_mbps", "max_tx_rate_mbps", "link_state",
)  # fmt: skip
# What a VF has when nobody has said anything.
KERNEL_DEFAULTS = {
    "vlan": 0, "qos": 0, "trust": False, "spoofchk": True,
    "min_tx_rate_mbps": 0, "max_tx_rate_mbps": 0, "link_state": "auto",
}  # fmt: skip


def having(attribute: str) -> Callable[[Case], Iterable[tuple[str, Vf]]]:
    """VFs for which the plan, or what attached them to a guest, wants this attribute."""
    return lambda case: [(vf.subject, vf) for vf in case.vfs if getattr(case.wanted(vf), attribute) is not None]


def any_attribute(target: VfTarget) -> bool:
    return any(getattr(target, attribute) is not None for attribute in ATTRIBUTES)


def show(value: object) -> str:
    return {True: "on", False: "off"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def compare(case: Case, vf: Vf, attribute: str, expect: Expect, *, words: str, unit: str = "") -> None:
    """Compare one attribute; ``words`` is the part of `ip link set PF vf N …` that sets it."""
    case.vf(vf)
    name = case.pf_interface(vf.pf.address)
    info: VfInfo | None = case.links.vf(name, vf.target.index)
    found, wanted = getattr(info, attribute, None), getattr(case.wanted(vf), attribute)
    command = f"ip link set {name} vf {vf.target.index} {words.format(show(wanted))}"
    if found is None:
        # A driver that cannot report an attribute leaves it at what the kernel starts with.
        good, found = wanted == KERNEL_DEFAULTS.get(attribute), f"not reported by the driver of {name}"
    else:
        good, found = str(found).lower() == str(wanted).lower(), show(found) + unit
    expect(good, found=found, wanted=show(wanted) + unit, fix=case.provision(command))


@check("NFV-STATE-060", having("mac"))
def check_mac(case: Case, item: Vf, expect: Expect) -> None:
    compare(case, item, "mac", expect, words="mac {}")


@check("NFV-STATE-061", having("vlan"))
def check_vlan(case: Case, item: Vf, expect: Expect) -> None:
    compare(case, item, "vlan", expect, words="vlan {}" + (f" qos {item.target.qos}" if item.target.qos else ""))


@check("NFV-STATE-062", having("qos"))
def check_qos(case: Case, item: Vf, expect: Expect) -> None:
    compare(case, item, "qos", expect, words=f"vlan {item.target.vlan or 0} qos {{}}")


@check("NFV-STATE-063", having("trust"))
def check_trust(case: Case, item: Vf, expect: Expect) -> None:
    compare(case, item, "trust", expect, words="trust {}")


@check("NFV-STATE-064", having("spoofchk"))
def check_spoofchk(case: Case, item: Vf, expect: Expect) -> None:
    compare(case, item, "spoofchk", expect, words="spoofchk {}")


@check("NFV-STATE-065", having("min_tx_rate_mbps"))
def check_min_tx_rate(case: Case, item: Vf, expect: Expect) -> None:
    compare(case, item, "min_tx_rate_mbps", expect, words="min_tx_rate {}", unit=" Mbit/s")


@check("NFV-STATE-066", having("max_tx_rate_mbps"))
def check_max_tx_rate(case: Case, item: Vf, expect: Expect) -> None:
    compare(case, item, "max_tx_rate_mbps", expect, words="max_tx_rate {}", unit=" Mbit/s")


@check("NFV-STATE-067", having("link_state"))
def check_link_state(case: Case, item: Vf, expect: Expect) -> None:
    compare(case, item, "link_state", expect, words="state {}")


@check("NFV-STATE-068", lambda case: [(vf.subject, vf) for vf in case.vfs if any_attribute(vf.target)])
def check_attributes_are_put_back_at_boot(case: Case, item: Vf, expect: Expect) -> None:
    if not case.restore:
        pytest.skip(f"{RESTORE} is missing (NFV-STATE-009)")
    record = case.restored_vf(item)
    if record is None:
        pytest.skip("the PF's record is not as planned (NFV-STATE-053)")
    wrong = [
        f"{attribute} {show(record.get(attribute))}"
        for attribute in ATTRIBUTES
        if (wanted := getattr(item.target, attribute)) is not None and record.get(attribute) != wanted
    ]
    expect(
        not wrong,
        found=", ".join(wrong) or "as planned",
        wanted=f"the planned attributes in {RESTORE}",
        fix=case.provision(),
    )
