# SPDX-License-Identifier: Apache-2.0
"""The verifier is verified: what a path is known to do is what the measurement says, INCONCLUSIVE included."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from fakes import FRAMES_64, INSTANT, FakeSource, Loses, dead, inverted, limit, noisy, path

from nfvcap.model.measurement import Measurement
from nfvcap.model.result import HostResult, Verdict
from nfvcap.report.matrix import rows
from nfvcap.report.measured import load_of, measured
from nfvcap.report.numbers import ratio
from nfvcap.verify.packets.checks import checks
from nfvcap.verify.packets.path import Captured, Order, Path, Recount, Sent
from nfvcap.verify.packets.run import Run, Wish
from nfvcap.verify.packets.trials import Trials
from nfvcap.verify.packets.verdict import judge

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


@pytest.mark.parametrize(("deaf", "first"), [(False, "calibrate"), (True, "capture")])
def test_a_wire_that_nobody_listens_to_is_captured_from_while_its_source_is_calibrated(
    deaf: bool, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    where = replace(path(limit(10**9)), deaf=deaf)
    capturing = where.point.capturing
    monkeypatch.setattr(where.point, "capturing", lambda: (done.append("capture"), capturing())[1])
    monkeypatch.setattr(where.source, "ceiling_pps", lambda traffic: (done.append("calibrate"), 10**8)[1])
    m = run(where, "100")
    assert done[0] == first and m.calibration is not None and not m.partial


def test_no_upper_bound_is_at_least_the_line_rate() -> None:
    m = run(path(limit(10**9)))
    assert all(goal.upper_pps is None and goal.lower_pps == LINE for goal in m.goals)
    assert measured(m) == "at least 14.880 Mpps of 64-byte frames are captured without loss: the line rate."


def test_a_source_slower_than_the_line_says_at_least() -> None:
    m = run(path(limit(10**9), source=FakeSource(ceiling=2_000_000)))
    assert m.goals[0].lower_pps == 1_800_000 and m.goals[0].upper_pps is None
    assert "the most that the source was asked for" in measured(m)
    assert verdicts(m)["NFV-PKT-001 fake"] is Verdict.WARN


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_noisy_limit_is_found_within_its_noise(seed: int) -> None:
    m = run(path(noisy(1_000_000, seed)))
    goal = m.goals[0]
    assert goal.lower_pps is not None and 850_000 < goal.lower_pps < 1_100_000
    assert not any(trial.lost for trial in load_of(m) if trial.intended_pps <= goal.lower_pps), "no drop means none"
    # Where a trial above the bound was good by luck, that is said.
    lucky = any(trial.lost == 0 for trial in load_of(m) if trial.intended_pps > goal.lower_pps * 1.001)
    assert goal.verdict is (Verdict.WARN if lucky else Verdict.PASS) and exit_code(m) == 0


@pytest.mark.parametrize("below", [200_000, 5_000_000, 14_000_000])
def test_who_loses_at_low_rates_only_does_not_pass(below: int) -> None:
    """The line rate is tried first, and nothing is lost; the rates below it are tried all the same."""
    m = run(path(inverted(below)))
    bad = min(trial.intended_pps for trial in load_of(m) if trial.lost)
    for goal in m.goals:
        assert (goal.lower_pps, goal.upper_pps, goal.verdict) == (None, bad, Verdict.FAIL)
        assert verdicts(m)[f"NFV-PKT-011 fake loss ratio {ratio(goal.loss_ratio)}"] is Verdict.FAIL
    assert exit_code(m) == 4
    fixed = run(path(inverted(below)), rate="100000")
    assert verdicts(fixed)["NFV-PKT-010 fake"] is Verdict.FAIL


def test_a_loss_between_two_good_rates_bounds_what_is_said() -> None:
    m = run(path(lambda rate, sent: sent // 10 if 5_000_000 < rate < 10_000_000 else 0), at_least=10_000_000)
    for goal in m.goals:
        assert (goal.lower_pps, goal.upper_pps, goal.verdict) == (LINE // 10, LINE // 2, Verdict.WARN)
        assert f"up to {LINE} packets/s met the goal" in goal.reason
    assert verdicts(m)["NFV-PKT-014 fake"] is Verdict.FAIL and exit_code(m) == 4


def test_a_goal_that_forgives_one_trial_is_not_broken_by_one() -> None:
    """ETSI TST 009: a trial with loss is repeated, and only the second loss counts."""
    goals = tuple(goal.model_copy(update={"exceed_ratio": 0.5}) for goal in INSTANT.goals)
    seen: list[int] = []

    def once(rate: int, sent: int) -> int:
        seen.append(rate)
        return 1 if rate == LINE // 10 and seen.count(rate) == 1 else 0

    m = Run(path(once), Wish(replace(INSTANT, goals=goals), FRAMES_64, "search", 60), None, "f").measure()
    assert all((goal.lower_pps, goal.verdict) == (LINE, Verdict.PASS) for goal in m.goals)
    assert seen.count(LINE // 10) == 2


def test_a_dead_path_ends_with_a_diagnosis_before_any_load() -> None:
    m = run(path(dead))
    assert [trial.phase for trial in m.trials] == ["path proof"] and m.goals == ()
    (_, proof, *others) = checks(m, "f")
    assert {check.verdict for check in others} == {Verdict.SKIP}
    assert proof.id == "NFV-PKT-002" and proof.verdict is Verdict.FAIL
    assert proof.found == "0 of 100 frames" and "nothing arrived" in proof.reason
    assert measured(m) == "the path is broken: 0 of 100 frames arrived."
    assert exit_code(m) == 4


@pytest.mark.parametrize("file", ["", "three.pcap"])
def test_vfs_that_got_nothing_are_named_but_not_of_a_file_whose_frames_have_addresses_of_their_own(file: str) -> None:
    asked = FRAMES_64.model_copy(update={"file": file})
    proof = Trials(replace(path(dead), vfs=2), asked, INSTANT, time.monotonic() + 60).prove()
    assert proof.lost and ("nothing came through VF 1, 2 of 2" in proof.reason) == (not file)


@pytest.mark.parametrize("rate", ["search", "1000000"])
def test_a_source_that_sends_more_than_it_says_is_not_believed(rate: str) -> None:
    m = run(path(limit(10**9), source=FakeSource(lie=-0.05)), rate)
    proof = verdicts(m)["NFV-PKT-002 fake"]
    assert proof is Verdict.INCONCLUSIVE and exit_code(m) == 5


def test_a_source_that_sends_less_than_it_says_leaves_a_residual() -> None:
    m = run(path(limit(10**9), source=FakeSource(lie=0.05)), "1000000")
    assert m.trials[-1].waterfall.residual == 5 == m.trials[-1].lost  # of the hundred of the proof
    assert exit_code(m) == 4


def test_a_source_that_lies_under_load_only() -> None:
    """It has sent more than it says: nobody knows. Less: packets are missing that no counter has seen."""
    more = run(path(limit(10**9), source=FakeSource(lie=-0.05, lie_from_pps=1_000_000)))
    assert more.trials[0].verdict is Verdict.PASS
    for goal in more.goals:
        assert goal.verdict is Verdict.INCONCLUSIVE and "were never sent" in goal.reason
        assert goal.lower_pps is None or goal.lower_pps < 1_000_000
    assert exit_code(more) == 5
    less = run(path(limit(10**9), source=FakeSource(lie=0.05, lie_from_pps=1_000_000)))
    assert less.trials[0].verdict is Verdict.PASS
    assert verdicts(less)["NFV-PKT-012 fake"] is Verdict.FAIL and exit_code(less) == 4
    assert less.goals[0].lower_pps is None or less.goals[0].lower_pps < 1_000_000


def test_a_clock_that_was_set_makes_a_trial_worthless() -> None:
    def stepped(rate: int) -> int:
        return 2 if rate == 1_000_000 else 0

    m = run(path(limit(10**9), clock_steps=stepped), rate="1000000")
    assert m.trials[0].verdict is Verdict.PASS  # the proof was made at another rate
    assert [trial.verdict for trial in load_of(m)] == [Verdict.INCONCLUSIVE] * INSTANT.trials
    assert verdicts(m)["NFV-PKT-010 fake"] is Verdict.INCONCLUSIVE and exit_code(m) == 5
    assert "the clock was set 2 times" in m.trials[-1].reason
    lossy = run(path(lambda rate, sent: 3, clock_steps=stepped), rate="1000000")
    assert verdicts(lossy)["NFV-PKT-010 fake"] is Verdict.FAIL and exit_code(lossy) == 4, "a loss is a loss"


def test_a_search_does_not_build_on_trials_in_which_the_clock_was_set() -> None:
    m = run(path(limit(10**9), clock_steps=lambda rate: int(rate > 5_000_000)))
    for goal in m.goals:
        assert goal.verdict is Verdict.INCONCLUSIVE and "the clock was set" in goal.reason
        assert goal.lower_pps is not None and goal.lower_pps <= 5_000_000
    assert exit_code(m) == 5


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
    assert m.trials[-1].verdict is Verdict.FAIL and m.trials[-1].waterfall.residual == -3
    assert verdicts(m)["NFV-PKT-012 fake"] is Verdict.INCONCLUSIVE  # of the counters; the file says what was lost


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
    judged = HostResult(host="h", environment={}, checks=checks(m, "another kernel"), measurements=(m,))
    assert judged.exit_code == 5, "no loss, and nobody knows of how much"


ALWAYS = ("001", "002", "009", "010", "012", "013", "016")


@pytest.mark.parametrize(
    ("loses", "budget_s", "why"),
    [
        (limit(10**9), 60, ""),
        (limit(10_000), 60, ""),
        (dead, 60, "not proven, see NFV-PKT-002"),
        (limit(10**9), -1, "partial"),
    ],
)
def test_names_of_checks_do_not_depend_on_what_was_found(loses: Loses, budget_s: float, why: str) -> None:
    fixed = run(path(loses), "1000000", budget_s=budget_s)
    assert list(verdicts(fixed)) == [f"NFV-PKT-{number} fake" for number in ALWAYS]
    skipped = [check for check in checks(fixed, "f") if check.verdict is Verdict.SKIP]
    assert len(skipped) >= 4 if why else len(skipped) <= 1
    assert all(why in check.reason for check in skipped if check.id != "NFV-PKT-016")
    searched = run(path(loses), "search", budget_s=budget_s)
    whole = run(path(limit(10**9)), "search")
    assert list(verdicts(searched)) == list(verdicts(whole)) and len(verdicts(whole)) == 11


def test_a_measurement_that_sent_nothing_in_its_budget_is_not_complete() -> None:
    m = run(path(limit(10**9)), "1000000").model_copy(update={"profile": "soak"})
    nothing = m.model_copy(update={"trials": m.trials[:2], "partial": ""})
    found = verdicts(nothing)
    assert found["NFV-PKT-009 fake"] is Verdict.INCONCLUSIVE and found["NFV-PKT-010 fake"] is Verdict.SKIP
    assert verdicts(m)["NFV-PKT-009 fake"] is Verdict.PASS


def test_a_calibration_alone_has_one_check() -> None:
    wish = Wish(INSTANT, FRAMES_64, "search", 60.0, None, only_calibrate=True)
    assert list(verdicts(Run(path(limit(1)), wish, None, "f").measure())) == ["NFV-PKT-001 fake"]


@pytest.mark.parametrize(("waits_s", "said"), [(0.5, ["drain until 0.5 s of silence instead of 2 s"]), (2.0, [])])
def test_a_shorter_drain_than_the_standard_s_is_told_as_long_as_it_is(waits_s: float, said: list[str]) -> None:
    """How long is waited is a matter of path and profile together."""
    found = Run(replace(path(limit(10)), drain_s=waits_s), Wish(INSTANT, FRAMES_64, "10", 60), None, "f")._deviations()
    assert [words for words in found if words.startswith("drain")] == said


def test_what_to_do_about_a_source_that_is_late_is_not_what_to_do_about_a_loss() -> None:
    slow = run(path(limit(10**9), source=FakeSource(ceiling=500_000)), "1000000")
    lossy = run(path(limit(500_000)), "1000000")
    fixes = [next(check.fix for check in checks(m, "f") if check.id == "NFV-PKT-010") for m in (slow, lossy)]
    assert "a source that has a CPU of its own" in fixes[0] and "waterfall" in fixes[1]


def test_a_loss_outranks_counters_that_contradict_it_and_is_not_made_again() -> None:
    """The ring counts one more than was lost: that says something about the ring, and nothing about the loss."""
    where = path(lambda rate, sent: 100, overcounts=1)
    m = Run(where, Wish(replace(INSTANT, retries=2), FRAMES_64, "1000000", 60), None, "f").measure()
    assert {trial.verdict for trial in load_of(m)} == {Verdict.FAIL} and not any(t.superseded for t in m.trials)
    assert verdicts(m)["NFV-PKT-010 fake"] is Verdict.FAIL and exit_code(m) == 4


def test_counters_that_hold_more_than_was_sent_are_no_finding() -> None:
    m = run(path(lambda rate, sent: 0, overcounts=3), "1000000")
    assert verdicts(m)["NFV-PKT-012 fake"] is Verdict.INCONCLUSIVE and exit_code(m) == 5


def test_a_source_that_fills_the_link_is_asked_for_the_line_rate() -> None:
    """A card sends no more than its link carries: nine tenths of that would never be the line rate."""
    m = run(path(limit(10**9), source=FakeSource(ceiling=LINE)))
    assert m.goals[0].lower_pps == LINE and verdicts(m)["NFV-PKT-014 fake"] is Verdict.PASS and exit_code(m) == 0


def test_a_rate_that_is_enough_is_enough_though_the_source_is_late_above_it() -> None:
    late = FakeSource(ceiling=LINE)
    late.wait = lambda timeout_s: Sent(  # type: ignore[method-assign]
        numbered=late.orders[-1].packets,
        duration_ns=late.orders[-1].packets * 10**9 // min(late.orders[-1].rate_pps or LINE, 5_000_000),
    )
    late.really = 0
    where = path(lambda rate, sent: 0, source=late)
    where.point.recount = lambda sent: Recount(packets=sent.numbered, distinct=sent.numbered, sizes={64: sent.numbered})  # type: ignore[attr-defined]
    assert exit_code(run(where)) == 5
    assert exit_code(run(where, at_least=1_000_000)) == 0


def test_a_capture_that_ended_by_itself_is_not_the_host_s_fault() -> None:
    order, sent = Order(FRAMES_64, 100, 10), Sent(numbered=100, duration_ns=10**10)
    cut = Captured("x", received=50, stored=50).ended("the controller was late")
    found = judge(order, sent, cut, Recount(packets=50, distinct=50), 50)
    assert (found.verdict, found.reason) == (Verdict.INCONCLUSIVE, "the controller was late")


def test_frames_that_nobody_recognises_are_no_proof_beside_those_of_others() -> None:
    order, sent = Order(FRAMES_64, 100, None), Sent(numbered=100, duration_ns=10**10, unnumbered=100)
    whole = Recount(packets=100, distinct=100)
    for private, verdict in ((True, Verdict.PASS), (False, Verdict.WARN)):
        assert judge(order, sent, Captured("x", 100, 100), whole, 0, private=private).verdict is verdict


def test_a_search_that_was_cut_says_no_rate_of_its_trials() -> None:
    m = run(path(limit(2_000_000)))
    cut = m.model_copy(update={"goals": (), "partial": "interrupted"})
    assert "the search for a rate was not finished" in measured(cut) and "lost" not in measured(cut)
    assert rows([cut])[0].cells[0].ours == "nothing"


def test_of_two_guests_the_table_shows_the_weaker_one() -> None:
    good, bad = (
        run(path(limit(pps)), "line").model_copy(update={"name": name})
        for name, pps in (("vm3", 10**9), ("vm1", LINE // 2))
    )
    for order in ([good, bad], [bad, good]):
        assert "vm1" in rows(order)[0].cells[0].detail


def test_a_budget_that_is_spent_before_the_proof_leaves_all_open() -> None:
    m = run(path(limit(10**9)), "1000000", budget_s=-1)
    assert not m.trials and verdicts(m)["NFV-PKT-009 fake"] is Verdict.INCONCLUSIVE and exit_code(m) == 5


def test_a_proof_that_fails_without_a_loss_says_why() -> None:
    where = path(limit(10**9))
    once = where.point.recount  # type: ignore[attr-defined]

    def doubled(sent: Sent) -> Recount:
        return replace(once(sent), duplicates=sent.numbered)

    where.point.recount = doubled  # type: ignore[attr-defined]
    m = run(where, "1000000")
    assert measured(m) == "the path is not proven: 100 duplicate." and exit_code(m) == 4
    assert rows([m])[0].cells[0].ours == "not proven"


def test_of_three_guests_the_weakest_is_named_once() -> None:
    weak, good = (run(path(limit(pps)), "line") for pps in (LINE // 2, 10**9))
    three = [m.model_copy(update={"name": name}) for m, name in ((weak, "vm1"), (good, "vm2"), (good, "vm3"))]
    assert rows(three)[0].cells[0].detail.count("the weaker of several") == 1
