# SPDX-License-Identifier: Apache-2.0
"""Everything in the ledger back to what it was, backwards, one entry at a time.

An entry leaves the ledger when its original state is back, so a run that was stopped half way goes on where it stopped.
The entry of the kernel arguments stays to the end: it says whether a reboot is due.
"""

from __future__ import annotations

from typing import Any

from .nfvcap_attachment import entries as attachments
from .nfvcap_attachment import words
from .nfvcap_failure import Failure
from .nfvcap_guestdef import KIND as GUEST
from .nfvcap_guestdef import restore_guest
from .nfvcap_guestnic import KIND as GUEST_NIC
from .nfvcap_guestnic import restore_nic
from .nfvcap_host import Host
from .nfvcap_hostfile import restore_file
from .nfvcap_hugepages import restore_pool
from .nfvcap_kernelargs import ENTRY as KERNEL_ARGS
from .nfvcap_kernelargs import restore_kernel_args
from .nfvcap_ledger import DIRECTORY, Ledger
from .nfvcap_mirror import remove_rule
from .nfvcap_mirror_rule import rule_from
from .nfvcap_modules import restore_module
from .nfvcap_outcome import Outcome
from .nfvcap_packages import remove_packages
from .nfvcap_pfrestore import restore_pf
from .nfvcap_unit import restart_user_of, restore_unit, systemctl


def restore_state(host: Host, may_remove_packages: bool, outcome: Outcome, check: bool, who: str = "") -> None:
    """Undo what the ledger says, then remove it.

    Args:
        may_remove_packages: packages that came by us go, too; otherwise they are only listed (``left_packages``).
        who: who asks for it, for the host's journal.

    Raises:
        Failure: NFV-ATTACH-017 VFs are attached to guests; what restoring an entry raises; the
            entries before it are restored and gone from the ledger.
    """
    ledger = Ledger(host)
    _refuse_attached(ledger)
    outcome.extra.update(reboot_required=False, left_packages=[])
    entries = [(entry_id, ledger.entry(entry_id) or {}) for entry_id in reversed(ledger.ids())]
    packages = [entry_id.split(":", 1)[1] for entry_id, entry in entries if entry["kind"] == "package"]
    for entry_id, entry in entries:
        if entry["kind"] != "package":
            outcome.add(entry_id, _now(host, entry_id, entry["kind"]), _shown(entry["before"]))
        elif may_remove_packages:
            outcome.add(entry_id, "installed", None)
    if not may_remove_packages:
        outcome.extra["left_packages"] = sorted(packages)
    if check or (not entries and host.status(DIRECTORY) is None):
        return
    outcome.begun = True
    for entry_id, entry in entries:
        if entry["kind"] == "package":
            continue
        note = _restore(host, ledger, entry_id, entry, who)
        outcome.notes += [note] if note else []
        if entry_id == KERNEL_ARGS:
            outcome.extra["reboot_required"] = restore_kernel_args(host, ledger)
        else:
            ledger.remove(entry_id)
    if any(entry_id.startswith("file:/etc/systemd/") for entry_id, _ in entries):
        systemctl(host, "daemon-reload")
    if may_remove_packages:
        outcome.extra["left_packages"] = remove_packages(host, packages)
    outcome.notes += [f"{path} stays: it is not ours" for path in ledger.delete()]


def _refuse_attached(ledger: Ledger) -> None:
    """Guests are not interrupted by the way back: whoever owns them gives their VFs back first."""
    attached = [entry for _, entry in attachments(ledger)]
    if attached:
        raise Failure(
            "NFV-ATTACH-017",
            "this host is not taken back while VFs are attached to guests",
            "; ".join(words(entry) for entry in attached),
            " and ".join(f"`nfvcap detach-vf {entry['guest']['name']} --vf {entry['address']}`" for entry in attached)
            + ", then run again",
        )


def _restore(host: Host, ledger: Ledger, entry_id: str, entry: dict[str, Any], who: str) -> str | None:
    """One entry; returns what could not be restored without being a failure."""
    kind, before, name = entry["kind"], entry["before"], entry_id.split(":", 1)[-1]
    if kind == GUEST:
        restore_guest(host, name, entry)
    elif kind == GUEST_NIC:
        restore_nic(host, ledger, entry_id)
    elif kind == "mirror":
        remove_rule(host, ledger, rule_from(entry["rule"]), "the host is deprovisioned", who)
    elif kind == "file":
        try:
            restore_file(host, name, before)
        except OSError as error:
            raise Failure(
                "NFV-LEDGER-005", f"cannot restore {name}", str(error), "mend the file system, then run again"
            ) from error
        restart_user_of(host, name)
    elif kind == "folder":
        return None if host.remove_folder(name) else f"{name} stays: there are files of others in it"
    elif kind == "unit":
        restore_unit(host, name, before)
    elif kind == "hugepages":
        restore_pool(host, entry_id, before)
    elif kind == "sriov":
        return restore_pf(host, name, before)
    elif kind == "kernel-module":
        return restore_module(host, name, before["loaded"])
    elif kind != KERNEL_ARGS:
        raise Failure(
            "NFV-LEDGER-002",
            f"the ledger has an entry of an unknown kind: {entry_id} ({kind})",
            "it was written by another version",
            "use the version of nfvcap that wrote it",
        )
    return None


def _now(host: Host, entry_id: str, kind: str) -> Any:
    return host.read(entry_id.split(":", 1)[1]) if kind == "file" else "as nfvcap left it"


def _shown(before: Any) -> Any:
    """Originals of files as text, so that a diff can be read."""
    return before["content"] if isinstance(before, dict) and "content" in before else before
