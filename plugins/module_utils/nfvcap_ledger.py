# SPDX-License-Identifier: Apache-2.0
"""The host's ledger: the original state of everything nfvcap has changed, written before the change.

``/var/lib/nfvcap/ledger.json``, schema ``nfvcap/ledger/1``. An entry is recorded once: the first original wins, so a
hundred runs later deprovision still finds what was there before the first. Entries keep their order, because undoing
goes backwards through them. Beside them stand the last things that have ended
and of which a trace has to stay (``ended``): nothing of them is left to undo.
"""

from __future__ import annotations

import datetime
import json
from typing import Any

from .nfvcap_failure import Failure
from .nfvcap_host import Host

DIRECTORY = "/var/lib/nfvcap"
PATH = f"{DIRECTORY}/ledger.json"
PLAN_PATH = f"{DIRECTORY}/plan.json"
SCHEMA = "nfvcap/ledger/1"
# The ledger travels with the facts: what has ended must not make it grow without end.
ENDED_KEPT = 50
_STAMP = "%Y-%m-%dT%H:%M:%SZ"


class Ledger:
    """Entries by id (``file:/etc/x``, ``sriov:0000:81:00.0``, …); a change is on disk when its call returns.

    Attributes:
        ended: what was remembered of entries that have ended, oldest first.
    """

    def __init__(self, host: Host) -> None:
        """Read the ledger; no file is an empty one.

        Raises:
            Failure: NFV-LEDGER-002 when it cannot be understood: nothing may be changed without knowing the originals.
        """
        self._host = host
        self._entries: dict[str, dict[str, Any]] = {}
        self.ended: list[dict[str, Any]] = []
        text = host.read(PATH)
        if text is None and host.status(PATH) is None:
            return
        try:
            document = json.loads(text or "")
            schema, entries = document["schema"], document["entries"]
            ended = list(document.get("ended", []))
        except (ValueError, KeyError, TypeError) as error:
            raise Failure(
                "NFV-LEDGER-002",
                f"the ledger {PATH} cannot be read",
                f"{type(error).__name__}: {error}",
                f"restore {PATH} from a backup; it holds the original state of this host",
            ) from error
        if schema != SCHEMA:
            raise Failure(
                "NFV-LEDGER-003",
                f"the ledger {PATH} has the schema {schema!r}, this version of nfvcap writes {SCHEMA!r}",
                "it was written by another version",
                "use the version of nfvcap that wrote it",
            )
        self._entries, self.ended = entries, ended

    def __contains__(self, entry_id: str) -> bool:
        return entry_id in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def ids(self) -> list[str]:
        """Ids in the order of recording."""
        return list(self._entries)

    def of_kind(self, kind: str) -> list[tuple[str, dict[str, Any]]]:
        """Ids and entries of one kind, in the order of recording."""
        return [(name, entry) for name, entry in self._entries.items() if entry.get("kind") == kind]

    def entry(self, entry_id: str) -> dict[str, Any] | None:
        """The entry, or None."""
        return self._entries.get(entry_id)

    def record(self, entry_id: str, kind: str, before: Any, **extra: Any) -> bool:
        """Note the original state of one thing unless it is noted already; tells whether it was new."""
        return self.record_all([(entry_id, kind, before)], **extra)

    def record_all(self, originals: list[tuple[str, str, Any]], **extra: Any) -> bool:
        """Note several (id, kind, before) with one write to the disk; tells whether any was new."""
        new = [original for original in originals if original[0] not in self._entries]
        stamp = _now()
        for entry_id, kind, before in new:
            self._entries[entry_id] = {"kind": kind, "before": before, "recorded_at": stamp, **extra}
        if new:
            self._save()
        return bool(new)

    def note(self, entry_id: str, key: str, value: Any) -> None:
        """Set a key beside ``before`` of an existing entry (what was added since, for instance)."""
        if self._entries[entry_id].get(key) != value:
            self._entries[entry_id][key] = value
            self._save()

    def remove(self, entry_id: str) -> None:
        """Forget an entry: its original state is back."""
        if self._entries.pop(entry_id, None) is not None:
            self._save()

    def end(self, entry_id: str, **record: Any) -> None:
        """Forget an entry and remember, with the same write, that it was; the oldest of many is forgotten wholly."""
        if self._entries.pop(entry_id, None) is not None:
            self.ended = [*self.ended, {"id": entry_id, **record, "ended_at": _now()}][-ENDED_KEPT:]
            self._save()

    def delete(self) -> list[str]:
        """Remove the ledger, the copy of the plan and their directory; returns what else lies there and so stays."""
        self._host.remove(PLAN_PATH)
        self._host.remove(PATH)
        if self._host.remove_folder(DIRECTORY):
            return []
        return [f"{DIRECTORY}/{name}" for name in self._host.listdir(DIRECTORY)]

    def _save(self) -> None:
        document = {"schema": SCHEMA, "entries": self._entries, **({"ended": self.ended} if self.ended else {})}
        text = json.dumps(document, indent=1) + "\n"
        try:
            for folder in self._host.missing_folders(PATH):
                self._host.make_folder(folder, 0o700 if folder == DIRECTORY else 0o755)
            self._host.replace(PATH, text.encode(), 0o600)
        except OSError as error:
            raise Failure(
                "NFV-LEDGER-004",
                f"the ledger {PATH} cannot be written, so nothing was changed",
                str(error),
                f"make room and allow writing below {DIRECTORY}",
            ) from error


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime(_STAMP)
