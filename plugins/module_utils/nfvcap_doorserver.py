# SPDX-License-Identifier: Apache-2.0
"""Stands on a host and hands requests through to the agent in one of its guests: a line of JSON in, a line out.

It ends when its input does, so a controller that is gone leaves nothing behind.
"""

from __future__ import annotations

import base64
import json
import sys
from typing import Any, TextIO

from .nfvcap_failure import Failure
from .nfvcap_guestagent import GuestAgent
from .nfvcap_libvirt import connect, domain

# One answer of the agent; it refuses more than 48 MiB at a time, and each costs a base64 twice.
_PART_BYTES = 1024 * 1024
# A guest that has just started, or got a device, may be busy for a while.
_FIRST_ANSWER_S = 60


def main(guest: str) -> None:
    """Serve one guest on standard input and output."""
    try:
        connection = connect()
    except Failure as failure:
        _say(sys.stdout, {"error": failure.as_dict()})
        return
    try:
        agent = GuestAgent(domain(connection, guest))
        agent.call("guest-ping", _FIRST_ANSWER_S)
    except Failure as failure:
        _say(sys.stdout, {"error": failure.as_dict()})
        return
    _say(sys.stdout, {"ready": guest})
    serve(agent, sys.stdin, sys.stdout)


def serve(agent: GuestAgent, requests: TextIO, answers: TextIO) -> None:
    """Answer until there are no more requests."""
    for line in requests:
        request = json.loads(line)
        try:
            for answer in _answers(agent, request):
                _say(answers, {"id": request["id"], **answer})
        except Failure as failure:
            _say(answers, {"id": request["id"], "error": failure.as_dict()})


def _answers(agent: GuestAgent, request: dict[str, Any]) -> Any:
    if request["op"] == "run":
        done = agent.run(request["argv"], request["timeout_s"])
        yield {"status": done.status, "stdout": done.stdout, "stderr": done.stderr}
    elif request["op"] == "put":
        agent.write_file(request["path"], base64.b64decode(request["data"]), 0o700)
        yield {}
    else:
        yield from _parts(agent, request["path"])


def _parts(agent: GuestAgent, path: str) -> Any:
    """A file in pieces, the last one marked."""
    handle = agent.call("guest-file-open", path=path, mode="r")
    try:
        while True:
            part = agent.call("guest-file-read", handle=handle, count=_PART_BYTES)
            yield {"data": part["buf-b64"], "end": part["eof"]}
            if part["eof"]:
                return
    finally:
        agent.call("guest-file-close", handle=handle)


def _say(answers: TextIO, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()
