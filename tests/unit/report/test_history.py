# SPDX-License-Identifier: Apache-2.0
"""Results that are kept, followed and compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from measured_example import made

from nfvcap.cli.main import main
from nfvcap.errors import UsageError
from nfvcap.model.result import Result, Verdict
from nfvcap.report.compare import compare
from nfvcap.report.history import Store, verdict_of
from nfvcap.report.history_table import sparkline

Type = Callable[..., tuple[int, str, str]]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(f"sqlite:///{tmp_path / 'x.sqlite'}")


def other_machine(result: Result) -> Result:
    host = result.hosts[0]
    changed = host.model_copy(
        update={"fingerprint": "other", "environment": {**host.environment, "kernel": "6.13", "hostname": "else"}}
    )
    return result.model_copy(update={"hosts": (changed,)})


def test_a_trend_marks_what_became_slower(store: Store) -> None:
    fast, slow = made("search", 9_400_000), made("search", 8_000_000)
    for result in (fast, fast, slow, other_machine(slow)):
        store.add(result)
    points = store.trend("box")
    assert [bool(point.regression) for point in points] == [False, False, True, False]
    assert "slower than the median of 2 before" in points[2].regression
    assert sparkline(points)[0] == "█" and store.hosts() == ["box"]
    assert store.latest("box", 2) == [other_machine(slow), slow]


def test_a_trend_marks_the_first_loss(store: Store) -> None:
    for pps in (10**9, 10**9, 14_000_000):
        store.add(made("line", pps))
    points = store.trend("box")
    assert [point.lost > 0 for point in points] == [False, False, True]
    assert "none in the 2 before" in points[2].regression


def test_figures_of_one_environment_are_compared() -> None:
    found = compare(made("search", 9_400_000), made("search", 8_000_000))
    assert found.comparable and found.differences == () and all(figure.worse for figure in found.figures)
    assert found.figures[0].what == "pps at loss ratio 0"


def test_other_environments_are_not_compared_but_shown() -> None:
    found = compare(made("search", 9_400_000), other_machine(made("search", 8_000_000)))
    assert not found.comparable and found.why == "the environments differ: kernel"
    assert [(d.what, d.before, d.after) for d in found.differences] == [("kernel", "6.12", "6.13")]


def test_a_database_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        Store(f"sqlite:///{tmp_path}/no/where/x.sqlite")
    assert refused.value.code == "NFV-PKT-207"


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Type:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def typed(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["report", *words])
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return typed


def test_the_command_renders_compares_and_follows(typed: Type, tmp_path: Path) -> None:
    one, two = made("search", 9_400_000), made("search", 8_000_000)
    Path("a.json").write_text(one.to_json())
    Path("b.json").write_text(two.to_json())
    Path("c.json").write_text(other_machine(two).to_json())
    code, out, _ = typed("a.json", "--html", "a.html", "--junit", "a.xml")
    assert code == 0 and "captured without loss" in out and "<svg" in Path("a.html").read_text()
    code, out, _ = typed("a.json", "b.json")
    assert code == 4 and "environments: the same" in out and "worse" in out
    code, out, err = typed("a.json", "c.json")
    assert code == 2 and "kernel" in out and "worse" not in out and "NFV-PKT-208" in err
    assert typed("a.json", "c.json", "--force")[0] == 4
    store = Store()
    store.add(one)
    store.add(two)
    code, out, err = typed("--history", "box")
    assert code == 4 and "9.3" in out and "regression" in err
    for what in (("a.json", "b.json"), ("--history", "box")):
        for form in ("html", "junit", "tap", "prometheus"):
            code, _, err = typed(*what, f"--{form}", "not.made")
            assert code == 2 and "NFV-PKT-214" in err and form in err and not Path("not.made").exists()
    assert typed("--history", "box", "a.json")[0] == 2
    assert typed("--history", "nobody")[0] == 2 and typed()[0] == 2 and typed("c.html")[0] == 2


def test_a_rate_that_is_not_found_any_more_is_a_regression(store: Store) -> None:
    found, none = made("search", 9_400_000), made("search", 0)
    m = none.hosts[0].measurements[0]
    broken = m.model_copy(update={"goals": (), "trials": m.trials[:1]})
    gone = none.model_copy(update={"hosts": (none.hosts[0].model_copy(update={"measurements": (broken,)}),)})
    for result in (found, found, none, gone):
        store.add(result)
    assert [bool(point.regression) for point in store.trend("box")] == [False, False, True, True]
    for worse in (none, gone):
        assert all(figure.worse for figure in compare(found, worse).figures) and compare(found, worse).figures


def test_a_calibration_and_a_search_that_was_cut_short_are_no_points(store: Store) -> None:
    found = made("search", 9_400_000)
    m = found.hosts[0].measurements[0]
    calibrated = m.model_copy(update={"goals": (), "trials": ()})
    cut = m.model_copy(update={"goals": (), "partial": "the budget was spent"})
    for other in (m, calibrated, cut):
        store.add(found.model_copy(update={"hosts": (found.hosts[0].model_copy(update={"measurements": (other,)}),)}))
    assert [point.regression for point in store.trend("box")] == [""]


def test_a_point_has_the_verdict_of_its_measurement_and_not_of_the_host(store: Store) -> None:
    """Of two paths, one name of which is the beginning of the other, one is spoilt; and so is something of the host."""
    result = made("search", 9_400_000)
    host = result.hosts[0]
    m, checks = host.measurements[0], host.checks
    named = m.name
    other = m.model_copy(update={"name": f"{named} DPDK"})
    goal = next(check for check in checks if check.subject.startswith(f"{named} "))
    spoilt = goal.model_copy(
        update={"subject": goal.subject.replace(named, other.name), "verdict": Verdict.INCONCLUSIVE}
    )
    state = goal.model_copy(update={"subject": "kernel", "verdict": Verdict.ERROR})
    both = host.model_copy(update={"measurements": (m, other), "checks": (*checks, spoilt, state)})
    store.add(result.model_copy(update={"hosts": (both,)}))
    assert verdict_of(both.checks) == "ERROR"
    assert [(point.series.split(" search")[0], point.verdict) for point in store.trend("box")] == [
        (f"{named} {m.profile}", verdict_of(checks)), (f"{other.name} {m.profile}", "INCONCLUSIVE"),
    ]  # fmt: skip
