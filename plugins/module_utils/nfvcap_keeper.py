# SPDX-License-Identifier: Apache-2.0
"""The keeper: sets mirror rules again that a reset took away, and ends those whose time is over.

It waits for the kernel's events and looks every so often by itself as well, because a VF that is reset by its guest
makes no event. What it does stands in the journal and, with a count of repairs, in /run/nfvcap/mirror.json.
It ends when there are no rules left; adding one starts it.
"""

from __future__ import annotations

import datetime
import json
import os
import time
from contextlib import suppress
from typing import Any

from .nfvcap_failure import Failure
from .nfvcap_host import Host
from .nfvcap_journal import WARNING, journal
from .nfvcap_ledger import Ledger
from .nfvcap_lock import HostLock
from .nfvcap_mirror import backend, remove_rule, rules_of
from .nfvcap_mirror_rule import Rule
from .nfvcap_netevents import Event, NetEvents

WHO = "nfvcap-mirror"
STATE = "/run/nfvcap/mirror.json"
SCHEMA = "nfvcap/mirror-state/1"
# A provision that makes VFs anew holds the lock for minutes; the keeper looks again instead of waiting for it.
_LOCK_WAIT_S = 2.0
_LONGEST_WAIT_S = 60.0


class Keeper:
    """What is known of each rule between two looks.

    Attributes:
        repairs: rule id → how often it had to be set again, since when it is kept.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._due_s: dict[str, float] = {}
        self._ledger_seen: Any = None
        self._rules: list[Rule] = []
        self._started_at = _stamp()
        self._written = ""
        self.rules: dict[str, dict[str, Any]] = self._former()

    def _former(self) -> dict[str, dict[str, Any]]:
        """Counts of a keeper that ran before this one since the boot."""
        return dict(keeper_state(self._host).get("rules", {}))

    def load(self) -> list[Rule]:
        """The rules of the ledger; read again only when the file is another one.

        Raises:
            Failure: NFV-LEDGER-002, -003.
        """
        status = self._host.status("/var/lib/nfvcap/ledger.json")
        seen = (status.st_ino, status.st_mtime_ns, status.st_size) if status else None
        if seen != self._ledger_seen:
            self._rules, self._ledger_seen = rules_of(Ledger(self._host)), seen
            self.rules = {rule.rule_id: self.rules.get(rule.rule_id, _fresh()) for rule in self._rules}
        return self._rules

    def look(self, now_s: float, events: list[Event]) -> float:
        """End rules, check those that are due (all of them after an event), mend; returns when to look next."""
        rules = self.load()
        for rule in rules:
            if rule.until and rule.until <= _stamp():
                self._end(rule)
        for rule in self.load():
            if events or now_s >= self._due_s.get(rule.rule_id, 0.0):
                self._check(rule, events)
                self._due_s[rule.rule_id] = now_s + backend(rule.backend).poll_s
        self._write()
        return min([now_s + _LONGEST_WAIT_S, *(self._due_s[rule.rule_id] for rule in self.load())])

    def _check(self, rule: Rule, events: list[Event]) -> None:
        record = self.rules.setdefault(rule.rule_id, _fresh())
        try:
            lost = backend(rule.backend).lacking(self._host, rule)
            # What cannot be read back is set again whenever the card may have forgotten it.
            blind = not backend(rule.backend).sees_resets and any(event.is_reset for event in events)
            if not lost and not blind:
                record["waiting"] = ""
                return
            with HostLock(self._host, f"{WHO} (the keeper)", _LOCK_WAIT_S):
                # Under the lock it is certain that nobody is just taking the rule away.
                if rule.rule_id not in {one.rule_id for one in rules_of(Ledger(self._host))}:
                    return
                backend(rule.backend).add(self._host, rule)
            still = backend(rule.backend).lacking(self._host, rule)
        except (Failure, OSError) as error:
            self._wait(rule, record, error.what if isinstance(error, Failure) else str(error))
            return
        if still:
            self._wait(rule, record, "; ".join(still))
        elif lost:
            record.update(repairs=record["repairs"] + 1, repaired_at=_stamp(), why="; ".join(lost), waiting="")
            reason = f" after: {'; '.join(event.words for event in events)}" if events else ""
            journal(self._host, f"{rule.rule_id}: set again ({'; '.join(lost)}){reason}", WARNING,
                    NFVCAP_MIRROR=rule.rule_id, NFVCAP_ACTION="repair")  # fmt: skip

    def _wait(self, rule: Rule, record: dict[str, Any], why: str) -> None:
        """It cannot be set now (no VF, no guest, a lock): said once for each reason, tried again at the next look."""
        if record["waiting"] != why:
            record["waiting"] = why
            journal(
                self._host, f"{rule.rule_id}: waits: {why}", WARNING, NFVCAP_MIRROR=rule.rule_id, NFVCAP_ACTION="wait"
            )

    def _end(self, rule: Rule) -> None:
        try:
            with HostLock(self._host, f"{WHO} (the keeper)", _LOCK_WAIT_S):
                ledger = Ledger(self._host)
                now = {one.rule_id: one for one in rules_of(ledger)}.get(rule.rule_id)
                if now is not None and now.until and now.until <= _stamp():
                    remove_rule(self._host, ledger, now, "its time is over", WHO)
        except Failure as failure:
            self._wait(rule, self.rules.setdefault(rule.rule_id, _fresh()), failure.what)

    def _write(self) -> None:
        document = {"schema": SCHEMA, "pid": os.getpid(), "started_at": self._started_at, "rules": self.rules}
        text = json.dumps(document, indent=1, sort_keys=True) + "\n"
        if text != self._written:
            with suppress(OSError):  # it is for people; rules are kept all the same
                self._host.replace(STATE, text.encode(), 0o644)
                self._written = text


def main(host: Host | None = None) -> int:
    """Keep the rules until there are none; 0 then."""
    host = host or Host()
    keeper = Keeper(host)
    with NetEvents() as sockets:
        # An event that came before the first look is in the sockets already: nothing falls between.
        events = [Event("the keeper's start", True)]
        while True:
            try:
                due_s = keeper.look(time.monotonic(), events)
            except Failure as failure:
                print(f"<3>nfvcap: {failure}", flush=True)
                return 1
            if not keeper.load():
                return 0
            events = sockets.wait(due_s - time.monotonic())


def keeper_state(host: Host) -> dict[str, Any]:
    """What the keeper has written last; empty when it has not run since the boot."""
    try:
        found = json.loads(host.read(STATE) or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) and found.get("schema") == SCHEMA else {}


def _fresh() -> dict[str, Any]:
    return {"repairs": 0, "repaired_at": "", "why": "", "waiting": "", "kept_since": _stamp()}


def _stamp() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
