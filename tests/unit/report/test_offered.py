# SPDX-License-Identifier: Apache-2.0
"""A source that did less than it was asked for: every form says what was really offered, none what was wished."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from fakes import FRAMES_64, INSTANT, FakeSource, dead, limit, path

from nfvcap.model.measurement import Measurement
from nfvcap.model.result import HostResult, Result, Verdict
from nfvcap.report import html, table
from nfvcap.report.matrix import Cell, rows
from nfvcap.report.measured import load_of, measured
from nfvcap.report.offered import offered, offered_by, under_run
from nfvcap.report.svg.rates import captured_picture
from nfvcap.report.svg.timeline import timeline_picture
from nfvcap.report.view import view
from nfvcap.verify.packets.checks import checks
from nfvcap.verify.packets.profiles import PROFILES
from nfvcap.verify.packets.run import Run, Wish

LINE = 14_880_952
SLOW = 1_000_000
UNDER_RAN = "the source under-ran: 14.880 Mpps were asked for"


def run(loses: Callable[[int, int], int], rate: str = "line", ceiling: int = SLOW) -> Measurement:
    named = {"attachment": "virtual function", "engine": "kernel", "pf_driver": "kernel"}
    where = replace(path(loses, source=FakeSource(ceiling=ceiling)), **named)
    return Run(where, Wish(INSTANT, FRAMES_64, rate, 60.0), None, "f").measure()


def cell(m: Measurement) -> Cell:
    return next(row.cells[0] for row in rows([m]) if row.cells[0].ours)


@pytest.mark.parametrize(("where", "attachment", "marked"), [
    ("host", "virtual function", True), ("guest", "virtual function", False), (None, "virtual function", False),
    ("host", "bare metal", False),
])  # fmt: skip
def test_a_virtual_function_of_the_host_is_not_shown_as_a_guests(where: str, attachment: str, marked: bool) -> None:
    changed = {"captured_in": where, "attachment": attachment, "engine": "DPDK", "pf_driver": "DPDK"}
    m = run(limit(10**9), ceiling=20_000_000).model_copy(update=changed)
    words = "captured on the host, not in a guest"
    assert (cell(m).aside == words) is marked and (cell(m).published == "100")
    host = HostResult(host="h", environment={"kernel": "6"}, checks=(), measurements=(m,))
    result = Result(nfvcap_version="1", created_at="2026-11-24T12:00:00Z", hosts=(host,))
    page = html.document(result)
    assert page.count(words) == (2 if marked else 0)  # above the measurement, and in the heat table
    assert (f'<div class="pub aside">{words}</div>' in page) is marked
    stream = io.StringIO()
    table.write(result, stream)
    assert (words in " ".join(stream.getvalue().split())) is marked


@pytest.fixture
def late() -> Measurement:
    """Asked for the line rate, sent a fifteenth of it, and a tenth of that was lost."""
    return run(lambda rate, sent: sent // 10)


def test_the_rate_of_a_trial_is_what_was_offered(late: Measurement) -> None:
    trial = late.trials[-1]
    assert trial.intended_pps == LINE and offered(trial) == trial.offered_pps < SLOW
    assert offered_by(load_of(late)) == pytest.approx(SLOW, abs=2) and under_run([trial]) == UNDER_RAN
    kept = run(limit(10**9), rate="500000").trials[-1]  # one that was within a hundredth is called by its name
    assert kept.offered_pps != 500_000 == offered(kept) and under_run([kept]) == ""


def test_a_source_that_stopped_early_at_its_rate_did_not_send_all() -> None:
    short = run(limit(10**9), rate="500000").trials[-1].model_copy(update={"source_limited": True, "sent": 400_000})
    assert offered(short) == 500_000 and under_run([short]) == "the source sent 400\u202f000 of 500\u202f000 frames"


def test_a_cell_speaks_of_the_line_rate_only_when_it_was_offered(late: Measurement) -> None:
    found = cell(late)
    assert "line rate" not in found.detail and UNDER_RAN in found.detail
    assert found.ours == "90.0 % of 999.9 kpps" and found.heat == 0  # of the line six hundredths
    at_line = cell(run(limit(14_000_000), ceiling=10**8))
    assert at_line.detail.endswith("lost at line rate") and at_line.ours == "94.0 %" and at_line.heat == 9


@pytest.mark.parametrize("rate", ["line", "search", "400"])
def test_a_cell_without_loss_below_the_line_rate_has_no_colour(rate: str) -> None:
    assert cell(run(lambda rate, sent: 0, rate=rate)).heat == -1


def test_a_cell_that_was_tried_in_vain_says_why() -> None:
    broken = cell(run(dead))
    assert (broken.ours, broken.detail, broken.heat) == ("broken", "0 of 100 frames arrived before any load", -1)
    none = run(lambda rate, sent: 1, "search")
    assert cell(none).detail == "no rate without loss was found"
    ended = none.model_copy(update={"trials": none.trials[:1], "goals": (), "partial": "vm3 is gone\nfix: x"})
    assert (cell(ended).ours, cell(ended).detail) == ("nothing", "vm3 is gone")


def test_sentence_check_and_facts_name_the_offered_rate(late: Measurement) -> None:
    (judged,) = (check for check in checks(late, "f") if check.id == "NFV-PKT-010")
    fact = next(fact for fact in view(late).facts if fact.name.startswith("lost at"))
    assert judged.verdict is Verdict.FAIL and fact.name == "lost at 999.9 kpps" and UNDER_RAN in fact.note
    for words in (measured(late), judged.found):
        assert "at 999.9 kpps" in words and words.count("14.880 Mpps") == words.count(UNDER_RAN) == 1


def test_table_and_page_name_the_offered_rate(late: Measurement) -> None:
    host = HostResult(host="h", environment={"cpu": "c", "kernel": "k"}, checks=checks(late, "f"), measurements=(late,))
    result = Result(nfvcap_version="0", created_at="2026-11-24T12:00:00Z", hosts=(host,))
    stream = io.StringIO()
    table.write(result, stream)
    assert f"sent in trial {late.trials[-3].number} at 999.9 kpps" in stream.getvalue()
    page = html.document(result)
    assert f"15 s at 999.9 kpps; {UNDER_RAN}." in page and "lost at 14.880 Mpps" not in page


def dots(picture: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', picture)]


def test_pictures_are_drawn_over_the_offered_rate() -> None:
    """Three trials that were asked for more and more and got the same: they lie upon each other, on the diagonal."""
    m = run(lambda rate, sent: 0)
    several = tuple(
        trial.model_copy(update={"intended_pps": LINE // (n + 1)}) for n, trial in enumerate(load_of(m))
    )  # fmt: skip
    places = set(dots(captured_picture(m.model_copy(update={"trials": several}))))
    assert len(places) == 1
    ((x, y),) = places
    assert (x - 48) / (446 - 48) == pytest.approx((226 - y) / (226 - 22), abs=0.01) and x > 300


def test_the_line_of_a_timeline_is_the_offered_rate(late: Measurement) -> None:
    from nfvcap.model.measurement import Sample

    samples = tuple(Sample(end_s=0.1 * n, received=100_000, stored=90_000, lost=10_000) for n in range(1, 6))
    drawn = timeline_picture(late.trials[-1].model_copy(update={"timeline": samples}))
    (mark,) = re.findall(r'<line x1="48" y1="([\d.]+)"[^>]*class="mark"', drawn)
    assert float(mark) < 60  # near the top, where the bars end; at the bottom if the bars were dwarfed by a wish


def test_a_goal_is_shown_beside_the_line_rate_and_beside_the_source_alone() -> None:
    m = run(limit(5_000_000), "search", ceiling=12_000_000)
    goal, seen = m.goals[0], view(m)
    assert goal.lower_pps is not None
    assert seen.of_line(goal).startswith(str(goal.lower_pps * 100 // LINE))
    assert seen.of_ceiling(goal).startswith(str(goal.lower_pps * 100 // 12_000_000))
    found = next(check.found for check in checks(m, "f") if check.id == "NFV-PKT-011")
    assert "of the line rate" in found and f"{seen.of_ceiling(goal)} of the source alone" in found
    assert f"{seen.of_ceiling(goal)} of the source alone" in seen.facts[0].note


def test_a_burst_that_was_sent_too_slowly_proves_nothing() -> None:
    burst = replace(PROFILES["burst"], drain_s=0.0, settle_s=0.0, retries=0)
    wish = Wish(burst, FRAMES_64, "line", 600.0)
    m = Run(path(limit(10**9), source=FakeSource(ceiling=SLOW)), wish, None, "f").measure()
    (judged,) = (check for check in checks(m, "f") if check.id == "NFV-PKT-015")
    assert judged.verdict is Verdict.INCONCLUSIVE and judged.reason == UNDER_RAN and UNDER_RAN in measured(m)
