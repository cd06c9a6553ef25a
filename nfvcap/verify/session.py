# SPDX-License-Identifier: Apache-2.0
"""Runs the host checks: pytest in this process, deaf to the user's own configuration, and silent."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from nfvcap import catalogue
from nfvcap.model.result import Check, Verdict
from nfvcap.verify.case import Case
from nfvcap.verify.expect import CheckFailed, Expect, Registered
from nfvcap.verify.snapshot import CannotJudge

CHECKS = Path(__file__).parent / "checks"
WORDS = Path(catalogue.__file__).with_name("state.yml")

# Everything that could change what is run, or print, or write files beside the package, is off.
_ARGUMENTS = (
    "--rootdir", str(CHECKS), "--confcutdir", str(CHECKS), "-c", str(CHECKS / "pytest.ini"),
    "--noconftest", "--import-mode=importlib", "--assert=plain", "--capture=no",
    *(word for name in ("cacheprovider", "terminal", "faulthandler", "logging", "doctest", "junitxml",
                        "unraisableexception", "threadexception", "warnings") for word in ("-p", f"no:{name}")),
)  # fmt: skip
_USERS = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD")


def judge(cases: Sequence[Case]) -> dict[str, tuple[Check, ...]]:
    """Run every check on every case; host → verdicts in order of check id.

    Raises:
        RuntimeError: pytest itself failed, which is a defect of nfvcap.
    """
    collector = _Collector(cases)
    with _own_environment():
        code = pytest.main([*_ARGUMENTS, str(CHECKS)], plugins=[collector])
    if code not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED} or collector.broken:
        raise RuntimeError(f"the host checks could not be run ({code!r}): {'; '.join(collector.broken)}")
    return {host: tuple(sorted(checks, key=lambda c: c.id)) for host, checks in collector.checks.items()}


@contextmanager
def _own_environment() -> Iterator[None]:
    """Without the user's pytest options and plugins."""
    kept = {name: os.environ.pop(name) for name in _USERS if name in os.environ}
    current = os.environ.get("PYTEST_CURRENT_TEST")
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    try:
        yield
    finally:
        del os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"]
        os.environ.update(kept)
        if current is not None:
            os.environ["PYTEST_CURRENT_TEST"] = current


class _Collector:
    """The pytest plugin: makes one test per host, check and subject, and turns its outcome into a verdict."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self._cases = cases
        self._titles = {entry.id: entry.title for entry in catalogue.read(WORDS)}
        self.checks: dict[str, list[Check]] = {case.host: [] for case in cases}
        self.broken: list[str] = []

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        registered: Registered = metafunc.function.nfvcap_check
        parameters = []
        for case in self._cases:
            try:
                subjects = list(registered.subjects(case))
            except Exception as error:  # the snapshot does not even let the subjects be named: say so, go on
                self._add(case, registered.id, "", Verdict.ERROR, Expect(), reason=_words(error))
                continue
            parameters += [
                pytest.param(case, registered.id, name, item, id=f"{case.host}-{registered.id}-{name}")
                for name, item in subjects
            ]
        # An empty list would make one skipped test; the check is then simply not made.
        names = ["case", "check_id", "subject", "item"]
        metafunc.fixturenames[:] = names + [n for n in metafunc.fixturenames if n not in names]
        metafunc.parametrize(names, parameters)

    @pytest.fixture
    def expect(self, request: pytest.FixtureRequest) -> Expect:
        expect = request.node.stash[_EXPECT] = Expect()
        return expect

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
        report = yield
        if call.when == "call":
            self._take(item, call)
        elif call.excinfo is not None and not call.excinfo.errisinstance(pytest.skip.Exception):
            self.broken.append(f"{item.nodeid}: {call.excinfo.value!r}")
        return report

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.broken.append(str(report.longrepr))

    def _take(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        parameters: dict[str, Any] = item.callspec.params  # type: ignore[attr-defined]
        expect = item.stash[_EXPECT]
        verdict, reason = _verdict(call, expect)
        self._add(
            parameters["case"], parameters["check_id"], parameters["subject"], verdict, expect,
            reason=reason, duration_s=call.duration,
        )  # fmt: skip

    def _add(
        self, case: Case, check_id: str, subject: str, verdict: Verdict, expect: Expect, *,
        reason: str = "", duration_s: float = 0.0,
    ) -> None:  # fmt: skip
        self.checks[case.host].append(
            Check(
                id=check_id,
                subject=subject,
                title=self._titles[check_id],
                verdict=verdict,
                found=expect.found,
                wanted=expect.wanted,
                fix=expect.fix,
                reason=reason,
                duration_s=round(duration_s, 6),
            )
        )  # fmt: skip


_EXPECT: pytest.StashKey[Expect] = pytest.StashKey()


def _verdict(call: pytest.CallInfo[None], expect: Expect) -> tuple[Verdict, str]:
    if call.excinfo is None:
        return (Verdict.WARN, "") if expect.warned else (Verdict.PASS, "")
    error = call.excinfo.value
    if isinstance(error, CheckFailed):
        return Verdict.FAIL, ""
    if isinstance(error, pytest.skip.Exception):
        return Verdict.SKIP, str(error.msg)
    return Verdict.ERROR, _words(error)


def _words(error: BaseException) -> str:
    return str(error) if isinstance(error, CannotJudge) else f"{type(error).__name__}: {error}"
