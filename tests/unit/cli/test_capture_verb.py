# SPDX-License-Identifier: Apache-2.0
"""Words and counters of `nfvcap capture`, without any capture."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from nfvcap.agent.everyday import Counts, Status, _counts
from nfvcap.cli.capture import Rotation, _rotation, capture
from nfvcap.cli.capture_view import status_dict, status_lines
from nfvcap.errors import UsageError

METRICS = """# TYPE nfvcap_received counter
nfvcap_received_total{port="af_packet:eth1",queue="0"} 100
nfvcap_received_total{port="af_packet:eth1",queue="1"} 50
nfvcap_stored_total{port="af_packet:eth1",queue="0"} 90
nfvcap_max_gap_ns{port="af_packet:eth1",queue="0"} 7
nfvcap_lost_full_total{port="af_packet:eth1",queue="0"} 10
nfvcap_nic_missed_total{port="af_packet:eth1"} 3
# EOF
"""


def test_counters_are_summed_over_queues() -> None:
    found = _counts(METRICS)
    assert (found.received, found.stored, found.dropped) == (150, 90, 13)
    assert dict(found.lost) == {"lost_full": 10, "nic_missed": 3} and _counts("") == Counts()


@pytest.mark.parametrize(
    ("words", "wanted"),
    [(None, Rotation()), ("1G", Rotation(size_bytes=1 << 30)), ("10M", Rotation(size_bytes=10 << 20)),
     ("10m", Rotation(time_s=600)), ("1h", Rotation(time_s=3600)), ("30s", Rotation(time_s=30))],
)  # fmt: skip
def test_sizes_and_times_of_a_rotation(words: str | None, wanted: Rotation) -> None:
    assert _rotation(None, None, words) == wanted  # type: ignore[arg-type]


def test_rates_of_now_are_those_between_two_looks() -> None:
    status = Status("x", True, Counts(100, 100), Counts(300, 250, lost=(("lost_full", 50),)), 2.0, 3, 4096, 1 << 30)
    assert status_dict(status)["received_pps"] == 100 and status_dict(status)["dropped_pps"] == 25
    text = "\n".join(status_lines(status))
    assert "100 pps received, 25 pps dropped" in text and "file system full 50" in text and "1 GiB free" in text


def test_what_is_captured_from_has_to_be_said_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NFVCAP_AGENT", "/bin/true")
    done = CliRunner().invoke(capture, ["localhost", "start"])
    assert isinstance(done.exception, UsageError) and done.exception.code == "NFV-CAP-003"
    done = CliRunner().invoke(capture, ["localhost", "status", "--directory", "x"])
    assert isinstance(done.exception, UsageError) and done.exception.code == "NFV-CAP-005"
