# SPDX-License-Identifier: Apache-2.0
"""Kernel arguments: in the running command line, in the boot loader's menu, and where the menu is made from."""

from __future__ import annotations

from collections.abc import Iterable

from nfvcap.model.plan import KernelArg
from nfvcap.verify.boot import boot_entries, configured_words
from nfvcap.verify.case import Case
from nfvcap.verify.cmdline import key_of, last_value, tokens
from nfvcap.verify.expect import Expect, check


def arguments(case: Case) -> Iterable[tuple[str, KernelArg]]:
    return [(arg.token, arg) for arg in case.desired.kernel_args]


def lacking(case: Case, item: KernelArg, words: list[str]) -> str:
    """What is wrong with an argument in a command line; "" when nothing is.

    The last of several equal keys wins, but for keys that may be repeated: what those of huge pages add up to is
    another check's business.
    """
    if item.token not in words:
        return last_value(words, item.key) or "missing"
    repeated = [arg for arg in case.desired.kernel_args if key_of(arg.key) == key_of(item.key)]
    last = last_value(words, item.key)
    may_repeat = len(repeated) > 1 or item.feature == "hugepages"
    return f"overridden by {last}" if last != item.token and not may_repeat else ""


@check("NFV-STATE-010", arguments)
def check_argument_in_force(case: Case, item: KernelArg, expect: Expect) -> None:
    running = case.snapshot.text("/proc/cmdline") or ""
    wrong = lacking(case, item, tokens(running))
    expect(
        not wrong,
        found=wrong or item.token,
        wanted=f"{item.token} in /proc/cmdline",
        fix=f"{case.provision()} (it reboots only when asked: --reboot ask)",
    )


@check("NFV-STATE-011", arguments)
def check_argument_at_next_boot(case: Case, item: KernelArg, expect: Expect) -> None:
    entries = boot_entries(case.snapshot)
    bad = [(entry.source, wrong) for entry in entries if (wrong := lacking(case, item, list(entry.words)))]
    expect(
        not bad,
        found=f"{bad[0][1]} in {len(bad)} of {len(entries)} entries of {bad[0][0]}" if bad else item.token,
        wanted=f"{item.token} in every boot entry",
        fix=case.provision("update-grub" if "/grub/" in entries[0].source else "grub2-mkconfig / grubby"),
    )


@check("NFV-STATE-012", arguments)
def check_argument_survives_updates(case: Case, item: KernelArg, expect: Expect) -> None:
    source, words = configured_words(case.snapshot)
    wrong = lacking(case, item, words)
    expect(not wrong, found=wrong or item.token, wanted=f"{item.token} in {source}", fix=case.provision())
