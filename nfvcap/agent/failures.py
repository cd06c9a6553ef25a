# SPDX-License-Identifier: Apache-2.0
"""The agent's own words for what went wrong, as the error of whoever called it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nfvcap.errors import ExitCode, NfvcapError
from nfvcap.run import pasteable, tail

_MESSAGE = re.compile(r"^nfvcap-agent: error: (.*(?:\n(?!nfvcap-agent: |  (?:why|fix): ).*)*)", re.MULTILINE)


def failure(argv: Sequence[str], status: int, stderr: str) -> NfvcapError:
    """The error for an agent that ended with ``status``, in the agent's own words where it left some."""
    by_hand = f"try it by hand: {pasteable(argv)}"
    said = _MESSAGE.search(stderr)
    usage = status == ExitCode.USAGE
    code = ExitCode.USAGE if usage else ExitCode.INTERNAL
    if said is None:
        ended = f"was killed by signal {-status}" if status < 0 else f"ended with exit status {status}"
        return NfvcapError("NFV-AGENT-003", f"nfvcap-agent {argv[1]} {ended}", tail(stderr), by_hand, code)
    rest = stderr[said.end() :].lstrip("\n")
    words = dict(re.findall(r"^  (why|fix): (.*)", rest.split("\nnfvcap-agent: ")[0], re.MULTILINE))
    return NfvcapError("NFV-AGENT-003", said[1], words.get("why", ""), words.get("fix", by_hand), code)
