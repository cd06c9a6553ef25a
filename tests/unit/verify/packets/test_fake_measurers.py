# SPDX-License-Identifier: Apache-2.0
"""The verifier is verified: what a path is known to do is what the measurement says, INCONCLUSIVE included."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes import FRAMES_64, INSTANT, FakeSource, dead, inverted, limit, noisy, path

from nfvcap.model.measurement import Measurement
from nfvcap.model.result import HostResult, Verdict
from nfvcap.report.measured import measured
from nfvcap.verify.packets.checks import checks
from nfvcap.verify.packets.path import Path
from nfvcap.verify.packets.run import Run, Wish

LINE = 14_880_952


def run(where: Path, rate: str = "search", *, at_least: int | None = None, budget_s: float = 60) -> Measurement:
    return Run(where, Wish(INSTANT, FRAMES_64, rate, budget_s, at_least), None, "f").measure()


def verdicts(m: Measurement) -> dict[str, Verdict]:
    return {f"{check.id} {check.subject}": check.verdict for check in checks(m, "f")}


def exit_code(m: Measurement) -> int:
    return int(HostResult(host="h", environment={}, checks=checks(m, "f"), measurements=(m,)).exit_code)


@pytest.mark.parametrize("pps", [50_000, 1_000_000, 9_999_999])
def test_a_hard_limit_is_found_for_every_goal(pps: int) -> None:
    m = run(path(limit(pps)))
    assert [goal.loss_ratio for goal in m.goals] == [0, 1e-7, 1e-5, 1e-3]
    for goal in m.goals:
        assert goal.verdict is Verdict.PASS and goal.lower_pps is not None and goal.upper_pps is not None
        allowed = pps / (1 - goal.loss_ratio)
        assert goal.lower_pps <= allowed + 1 and goal.upper_pps >= pps and goal.upper_pps / goal.lower_pps < 1.06
    assert exit_code(m) == 0
    assert all(trial.waterfall.residual == 0 for trial in m.trials)


def test_no_upper_bound_is_at_least_the_line_rate() -> None:
    m = run(path(limit(10**9)))
    assert all(goal.upper_pps is None and goal.lower_pps == LINE for goal in m.goals)
    assert measured(m) == "at least 14.880 Mpps of 64-byte frames are captured without loss: the line rate."


def test_a_source_slower_than_the_line_says_at_least() -> None:
    m = run(path(limit(10**9), source=FakeSource(ceiling=2_000_000)))
    assert m.goals[0].lower_pps == 1_800_000 and m.goals[0].upper_pps is None
    assert "as fast as the source" in measured(m)
    assert verdicts(m)["NFV-PKT-001 fake"] is Verdict.WARN


def test_a_noisy_limit_is_found_within_its_noise() -> None:
    m = run(path(noisy(1_000_000)))
    lower = m.goals[0].lower_pps
    assert lower is not None and 850_000 < lower < 1_100_000


def test_less_loss_at_more_load_is_said() -> None:
    m = run(path(inverted(5_000_000)))
    assert m.goals[0].lower_pps == LINE  # it was tried first, and nothing was lost
    fixed = run(path(inverted(5_000_000)), rate="1000000")
    assert verdicts(fixed)["NFV-PKT-010 fake"] is Verdict.FAIL


def test_a_dead_path_ends_with_a_diagnosis_before_any_load() -> None:
    m = run(path(dead))
    assert [trial.phase for trial in m.trials] == ["path proof"] and m.goals == ()
    (_, proof) = checks(m, "f")
    assert proof.id == "NFV-PKT-002" and proof.verdict is Verdict.FAIL
    assert proof.found == "0 of 100 frames" and "nothing arrived" in proof.reason
    assert measured(m) == "the path is broken: 0 of 100 frames arrived."
    assert exit_code(m) == 4


@pytest.mark.parametrize("rate", ["search", "1000000"])
def test_a_source_that_sends_more_than_it_says_is_not_believed(rate: str) -> None:
    m = run(path(limit(10**9), source=FakeSource(lie=-0.05)), rate)
    proof = verdicts(m)["NFV-PKT-002 fake"]
    assert proof is Verdict.INCONCLUSIVE and exit_code(m) == 5


def test_a_source_that_sends_less_than_it_says_leaves_a_residual() -> None:
    m = run(path(limit(10**9), source=FakeSource(lie=0.05)), "1000000")
    assert m.trials[-1].waterfall.residual == 5 == m.trials[-1].lost  # of the hundred of the proof
    assert exit_code(m) == 4


def test_a_source_that_under_runs_proves_nothing() -> None:
    slow = FakeSource(ceiling=1_000_000)
    m = run(path(limit(10**9), source=slow), rate="line")
    assert verdicts(m)["NFV-PKT-010 fake"] is Verdict.INCONCLUSIVE and exit_code(m) == 5
    assert "999999 packets/s instead of 14880952" in m.trials[-1].reason


def test_a_loss_at_an_under_run_is_a_loss() -> None:
    m = run(path(lambda rate, sent: 3, source=FakeSource(ceiling=1_000_000)), rate="line")
    assert verdicts(m)["NFV-PKT-010 fake"] is Verdict.FAIL


def test_a_blind_driver_is_said_and_the_loss_is_its() -> None:
    m = run(path(lambda rate, sent: 7, driver="net_e1000_igb_vf", blind=True), rate="1000000")
    fall = m.trials[-1].waterfall
    assert fall.residual == 7 and "igbvf has no counter" in fall.residual_note
    assert verdicts(m)["NFV-PKT-012 fake"] is Verdict.WARN


def test_a_loss_that_no_counter_explains_fails() -> None:
    m = run(path(lambda rate, sent: 7, overcounts=-3), rate="1000000")
    assert m.trials[-1].waterfall.residual == 3
    assert verdicts(m)["NFV-PKT-012 fake"] is Verdict.FAIL


def test_counters_that_count_too_much_are_not_believed() -> None:
    m = run(path(lambda rate, sent: 7, overcounts=3), rate="1000000")
    assert m.trials[-1].verdict is Verdict.INCONCLUSIVE and m.trials[-1].waterfall.residual == -3


def test_a_required_rate_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    assert verdicts(run(path(limit(5_000_000)), at_least=4_000_000))["NFV-PKT-014 fake"] is Verdict.PASS
    m = run(path(limit(5_000_000)), at_least=6_000_000)
    assert verdicts(m)["NFV-PKT-014 fake"] is Verdict.FAIL and exit_code(m) == 4


def test_a_search_that_nobody_gave_a_rate_is_no_pass_below_the_line_rate() -> None:
    m = run(path(limit(5_000_000)))
    judged = next(check for check in checks(m, "f") if check.id == "NFV-PKT-014")
    assert judged.verdict is Verdict.WARN and "no rate was asked for" in judged.reason and exit_code(m) == 0
    assert measured(m).endswith("of the line rate; no rate was asked for.")
    at_line = run(path(limit(10**9)))
    assert verdicts(at_line)["NFV-PKT-014 fake"] is Verdict.PASS


def test_no_rate_without_loss_is_never_a_pass() -> None:
    m = run(path(lambda rate, sent: 1))
    assert m.goals[0].lower_pps is None
    assert verdicts(m)["NFV-PKT-011 fake loss ratio 0"] is verdicts(m)["NFV-PKT-014 fake"] is Verdict.FAIL
    nothing = m.model_copy(update={"goals": (m.goals[0].model_copy(update={"lower_pps": 0, "verdict": "PASS"}),)})
    assert verdicts(nothing)["NFV-PKT-014 fake"] is Verdict.FAIL and "no rate was found" in measured(nothing)


def test_a_required_rate_that_the_source_cannot_send_is_not_known_to_be_missed() -> None:
    m = run(path(limit(10**9), source=FakeSource(ceiling=2_000_000)), at_least=6_000_000)
    assert verdicts(m)["NFV-PKT-014 fake"] is Verdict.INCONCLUSIVE and exit_code(m) == 5
    beyond = run(path(limit(10**9)), at_least=LINE + 10)
    assert verdicts(beyond)["NFV-PKT-014 fake"] is Verdict.FAIL


def test_a_spent_budget_keeps_what_was_measured_and_says_so() -> None:
    m = run(path(limit(1_000_000)), budget_s=0.6)  # the proof, and no trial of a second
    assert m.partial and [trial.phase for trial in m.trials][:1] == ["path proof"]
    assert verdicts(m)["NFV-PKT-009 fake"] is Verdict.INCONCLUSIVE and exit_code(m) == 5
    assert "partial" in measured(m)


def test_an_interrupt_keeps_what_was_measured() -> None:
    where = path(limit(10**9))
    begun = []

    def interrupt(rate: int, sent: int) -> int:
        begun.append(rate)
        if len(begun) > 2:
            raise KeyboardInterrupt
        return 0

    where = replace(where, point=replace(where.point, loses=interrupt))  # type: ignore[type-var]
    m = run(where, rate="1000000")
    assert m.partial == "interrupted" and len(m.trials) > 1
    assert exit_code(m) == 5


def test_bursts_are_bisected_and_repeated() -> None:
    from nfvcap.verify.packets.burst import found_by
    from nfvcap.verify.packets.profiles import PROFILES

    burst = replace(PROFILES["burst"], drain_s=0.0, settle_s=0.0, retries=0)
    where = path(lambda rate, sent: max(0, sent - 4096))
    m = Run(where, Wish(burst, FRAMES_64, "line", 600.0), None, "f").measure()
    packets, repeats = found_by(m.trials)
    assert 3800 < packets <= 4096 and repeats == burst.trials


def test_soak_goes_on_until_the_budget_ends_and_is_complete() -> None:
    from nfvcap.verify.packets.profiles import PROFILES

    soak = replace(PROFILES["soak"], trial_s=0.001, warm_up_s=0.001, drain_s=0.0, settle_s=0.0)
    m = Run(path(limit(10**9)), Wish(soak, FRAMES_64, "1000000", 0.3), None, "f").measure()
    assert not m.partial and len(m.trials) > 5 and exit_code(m) == 0


def test_a_calibration_of_another_environment_proves_nothing() -> None:
    m = run(path(limit(10**9)))
    (first, *_) = checks(m, "another kernel")
    assert first.id == "NFV-PKT-001" and first.verdict is Verdict.INCONCLUSIVE and "older" in first.reason
