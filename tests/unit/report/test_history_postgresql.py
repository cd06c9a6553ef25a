# SPDX-License-Identifier: Apache-2.0
"""The database of a team: a PostgreSQL server of the test's own, on a socket in a directory of its own."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from measured_example import made

from nfvcap.cli.main import main
from nfvcap.errors import UsageError
from nfvcap.report.history import Store

_NEWEST = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name)
PROGRAMS = {name: shutil.which(name, path=":".join([*map(str, _NEWEST[-1:]), os.environ["PATH"]]))
            for name in ("initdb", "pg_ctl")}  # fmt: skip
pytestmark = [
    pytest.mark.skipif(not all(PROGRAMS.values()), reason="PostgreSQL is not installed (package postgresql)"),
    pytest.mark.skipif(importlib.util.find_spec("psycopg") is None, reason="its driver psycopg is not installed"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a server that runs as long as the tests of this file."""
    place = Path(tempfile.mkdtemp(prefix="nfvcap-pg-", dir="/tmp"))  # a socket's path is short
    words: list[str] = []
    if os.geteuid() == 0:  # which PostgreSQL refuses to be
        shutil.chown(place, "postgres")
        words = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"]

    def run(program: str, *options: str) -> None:
        argv = [*words, str(PROGRAMS[program]), "-D", str(place / "data"), *options]
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, cwd=place, timeout=120)

    try:
        run("initdb", "-A", "trust", "-U", "nfvcap", "--no-sync", "-E", "UTF8", "--locale", "C")
        run("pg_ctl", "start", "-w", "-l", str(place / "log"), "-o", f"-c listen_addresses= -k {place} -c fsync=off")
        try:
            yield f"postgresql+psycopg://nfvcap@/postgres?host={place}"
        finally:
            run("pg_ctl", "stop", "-w", "-m", "immediate")
    finally:
        shutil.rmtree(place)


@pytest.fixture
def url(server: str, request: pytest.FixtureRequest) -> str:
    """An empty database for each test."""
    from sqlalchemy import create_engine, text

    name = f"t{abs(hash(request.node.name))}"
    with create_engine(server, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    return server.replace("/postgres?", f"/{name}?")


def test_results_come_back_as_they_were_and_are_followed(url: str) -> None:
    fast, slow = made("search", 9_400_000), made("search", 8_000_000)
    large = made("line", 10**9)
    for result in (fast, fast, slow, large):
        Store(url).add(result)
    store = Store(url)  # of another run, or of another machine
    assert store.hosts() == ["box"] and store.latest("box", 4) == [large, slow, fast, fast]
    points = store.trend("box")
    assert [bool(point.regression) for point in points] == [False, False, True, False]
    assert "slower than the median of 2 before" in points[2].regression
    with_sqlite = Store("sqlite://")
    for result in (fast, fast, slow, large):
        with_sqlite.add(result)
    assert with_sqlite.trend("box") == points


def test_numbers_beyond_32_bits_and_words_of_all_languages_are_kept(url: str) -> None:
    result = made("line", 10**9)
    host = result.hosts[0]
    (m,) = host.measurements
    long = m.model_copy(update={
        "trials": tuple(trial.model_copy(update={"sent": 10**12, "lost": 5 * 10**9}) for trial in m.trials)
    })  # fmt: skip
    changed = host.model_copy(update={"environment": {**host.environment, "bios": "é 网 \U0001f600"},
                                      "measurements": (long,)})  # fmt: skip
    result = result.model_copy(update={"hosts": (changed,)})
    store = Store(url)
    store.add(result)
    assert store.latest("box") == [result]
    (point,) = store.trend("box")
    assert point.lost % (5 * 10**9) == 0 and point.lost > 2**32 and point.sent >= 10**12


def test_the_command_shows_the_trend_of_the_team(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for pps in (9_400_000, 9_400_000, 8_000_000):
        Store(url).add(made("search", pps))
    monkeypatch.setenv("NFVCAP_DATABASE", url)
    with pytest.raises(SystemExit) as ended:
        main(["report", "--history", "box"])
    assert ended.value.code == 4 and "slower than the median" in capsys.readouterr().out


def test_runners_that_come_at_the_same_time_all_find_a_place(url: str) -> None:
    """The first of all makes the tables, and nobody knows who that is."""
    together, failed = threading.Barrier(8), []

    def come() -> None:
        together.wait()
        try:
            Store(url).add(made("search", 9_400_000))
        except UsageError as error:
            failed.append(str(error))

    runners = [threading.Thread(target=come) for _ in range(together.parties)]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()
    assert failed == [] and len(Store(url).trend("box")) == together.parties


@pytest.mark.parametrize("change", [lambda url: url.replace("/t", "/no_such_t"), lambda url: url + "/nowhere"])
def test_a_server_that_does_not_answer_is_said(url: str, change: Callable[[str], str]) -> None:
    with pytest.raises(UsageError) as refused:
        Store(change(url))
    assert refused.value.code == "NFV-PKT-207"
