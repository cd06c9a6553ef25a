# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest

from nfvcap.apply.events import Status, TaskBegins, TaskEnded, parse
from nfvcap.errors import NfvcapError

RESULT = {
    "event": "result", "host": "h", "task": "u", "name": "sriov : Create VFs", "role": "sriov",
    "action": "nfvcap_sriov", "status": "changed", "ignored": False, "duration_s": None, "data": {"a": 1}, "at_s": 1.0,
}  # fmt: skip


def test_a_result_is_typed_and_loses_the_role_in_its_name() -> None:
    event = parse(json.dumps(RESULT))
    assert event == TaskEnded("h", "sriov", "Create VFs", "nfvcap_sriov", Status.CHANGED, False, 0.0, {"a": 1})


def test_an_ignored_failure_is_none() -> None:
    ignored = parse(json.dumps(RESULT | {"status": "failed", "ignored": True}))
    real = parse(json.dumps(RESULT | {"status": "unreachable"}))
    assert isinstance(ignored, TaskEnded) and isinstance(real, TaskEnded)
    assert (ignored.failed, real.failed) == (False, True)


def test_kinds_of_a_later_version_are_skipped() -> None:
    assert parse('{"event": "coffee", "at_s": 1}') is None
    begin = {"event": "begin", "host": "h", "task": "u", "name": "x", "role": "", "action": "ping"}
    assert parse(json.dumps(begin)) == TaskBegins("h", "", "x", "ping")


@pytest.mark.parametrize("line", ["", "no json", "[]", '{"event": "result"}', json.dumps(RESULT | {"status": "odd"})])
def test_a_line_that_is_no_event_is_an_error_that_shows_it(line: str) -> None:
    with pytest.raises(NfvcapError) as caught:
        parse(line)
    assert caught.value.code == "NFV-RUN-006" and line[:30] in caught.value.why.replace('\\"', '"')
