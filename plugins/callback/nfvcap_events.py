# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's progress as JSON lines, for the nfvcap command line (schema ``nfvcap/events/1``)."""

from __future__ import annotations

import json
import os
import time

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: nfvcap_events
type: aggregate
short_description: writes what happens as JSON lines to the file named by NFVCAP_EVENTS
description:
  - One JSON object per line and event, written at once, so that a reader can follow a running playbook.
  - Does nothing when the environment variable is not set.
"""

SCHEMA = "nfvcap/events/1"
# Results of other modules can be long and can hold what must not be kept; these few keys explain a failure.
COMMON_KEYS = ("msg", "rc", "stderr", "stdout", "module_stderr", "module_stdout", "elapsed", "rebooted", "assertion")
TEXT_LIMIT = 4000


class CallbackModule(CallbackBase):
    """Task results are complete for nfvcap's own modules and shortened for all others."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "nfvcap_events"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._started = {}
        self._fd = None
        target = os.environ.get("NFVCAP_EVENTS", "")
        if target:
            self._fd = os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            self._emit({"event": "start", "schema": SCHEMA})
        else:
            self.disabled = True

    def _emit(self, event):
        if self._fd is None:
            return
        event["at_s"] = round(time.time(), 3)
        rest = (json.dumps(event, default=str) + "\n").encode()
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError:
            # The reader is gone. Changing a host half way for want of a listener would be worse than silence.
            self._fd = None

    def v2_playbook_on_start(self, playbook):
        self._emit({"event": "playbook", "file": os.path.basename(playbook._file_name)})

    def v2_playbook_on_play_start(self, play):
        self._emit({"event": "play", "name": play.get_name()})

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._emit({"event": "task", **_task(task)})

    def v2_playbook_on_handler_task_start(self, task):
        self._emit({"event": "task", **_task(task)})

    def v2_runner_on_start(self, host, task):
        self._started[(host.get_name(), task._uuid)] = time.monotonic()
        self._emit({"event": "begin", "host": host.get_name(), **_task(task)})

    def v2_runner_on_ok(self, result):
        self._result(result, "changed" if result._result.get("changed") else "ok")

    def v2_runner_on_skipped(self, result):
        self._result(result, "skipped")

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._result(result, "failed", ignored=ignore_errors)

    def v2_runner_on_unreachable(self, result):
        self._result(result, "unreachable")

    def v2_playbook_on_stats(self, stats):
        hosts = {host: stats.summarize(host) for host in sorted(stats.processed)}
        self._emit({"event": "stats", "hosts": hosts})

    def _result(self, result, status, ignored=False):
        host, task = result._host.get_name(), result._task
        began = self._started.pop((host, task._uuid), None)
        self._emit(
            {
                "event": "result",
                "host": host,
                **_task(task),
                "status": status,
                "ignored": bool(ignored),
                "duration_s": None if began is None else round(time.monotonic() - began, 3),
                "data": _data(task, result._result),
            }
        )


def _task(task):
    role = task._role.get_name() if task._role else ""
    return {"task": task._uuid, "name": task.get_name(), "role": role, "action": task.action}


def _data(task, result):
    # Ansible has replaced what is hidden by no_log before a callback sees it.
    own = str(task.action).rsplit(".", 1)[-1].startswith("nfvcap_")
    if own:
        return {key: value for key, value in result.items() if key not in ("invocation", "ansible_facts")}
    data = {key: _short(result[key]) for key in COMMON_KEYS if result.get(key) not in (None, "")}
    failed = [item for item in result.get("results") or [] if isinstance(item, dict) and item.get("failed")]
    if failed:
        data["items"] = [_short(item.get("msg", "")) for item in failed]
    return data


def _short(value):
    return value if not isinstance(value, str) or len(value) <= TEXT_LIMIT else value[-TEXT_LIMIT:]
