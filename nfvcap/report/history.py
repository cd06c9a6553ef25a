# SPDX-License-Identifier: Apache-2.0
"""Results that are kept: an embedded database by default, any that SQLAlchemy knows for a team."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from statistics import median

from sqlalchemy import BigInteger, Engine, Float, ForeignKey, String, Text, create_engine, select
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from nfvcap.errors import UsageError
from nfvcap.model.measurement import Measurement
from nfvcap.model.result import Check, HostResult, Result
from nfvcap.paths import state_dir
from nfvcap.report.measured import load_of

REGRESSION = 0.97
"""A rate below this share of the median of its predecessors is a regression."""
_PREDECESSORS = 10


class _Base(DeclarativeBase):
    pass


class _Row(_Base):
    """One host of one result."""

    __tablename__ = "results"
    id: Mapped[int] = mapped_column(primary_key=True)
    host: Mapped[str] = mapped_column(String(255), index=True)
    created_at: Mapped[str] = mapped_column(String(32), index=True)
    verdict: Mapped[str] = mapped_column(String(16))
    fingerprint: Mapped[str] = mapped_column(String(64))
    document: Mapped[str] = mapped_column(Text)
    figures: Mapped[list[_Figure]] = relationship(cascade="all, delete-orphan")


class _Figure(_Base):
    """One number of it that can be followed over time."""

    __tablename__ = "figures"
    id: Mapped[int] = mapped_column(primary_key=True)
    result_id: Mapped[int] = mapped_column(ForeignKey("results.id"), index=True)
    series: Mapped[str] = mapped_column(String(255), index=True)  # the same words: may be compared
    no_drop_pps: Mapped[int | None] = mapped_column(BigInteger)
    loss_ratio: Mapped[float | None] = mapped_column(Float)  # at a fixed rate
    sent: Mapped[int] = mapped_column(BigInteger)
    lost: Mapped[int] = mapped_column(BigInteger)


@dataclass(frozen=True)
class Point:
    """One measurement in a trend."""

    created_at: str
    verdict: str
    fingerprint: str
    series: str
    no_drop_pps: int | None
    sent: int
    lost: int
    regression: str = ""  # against what, in words


class Store:
    """The database.

    Args:
        url: SQLAlchemy URL; None: a file of the user.

    Raises:
        UsageError: NFV-PKT-207 it cannot be opened or written.
    """

    def __init__(self, url: str | None = None) -> None:
        if url is None:
            state_dir().mkdir(parents=True, exist_ok=True, mode=0o700)
            url = f"sqlite:///{state_dir() / 'results.sqlite'}"
        self._shown = url.rsplit("@", 1)[-1]
        try:
            self._engine = create_engine(url)
            _make_tables(self._engine)
        except (SQLAlchemyError, ImportError) as error:
            raise self._unusable(error) from error

    def add(self, result: Result) -> None:
        """Keep each host of a result."""
        try:
            with Session(self._engine) as session, session.begin():
                for host in result.hosts:
                    session.add(_row(result, host))
        except SQLAlchemyError as error:
            raise self._unusable(error) from error

    def hosts(self) -> list[str]:
        with Session(self._engine) as session:
            return list(session.scalars(select(_Row.host).distinct().order_by(_Row.host)))

    def latest(self, host: str, count: int = 1) -> list[Result]:
        """The newest results of a host, newest first, each with this host alone."""
        query = select(_Row).where(_Row.host == host).order_by(_Row.id.desc()).limit(count)
        with Session(self._engine) as session:
            return [Result.from_json(row.document) for row in session.scalars(query)]

    def trend(self, host: str, count: int = 200) -> list[Point]:
        """Measurements of a host, oldest first, regressions marked against those of the same series and fingerprint."""
        query = (
            select(_Row, _Figure).join(_Figure).where(_Row.host == host)
            .order_by(_Row.id.desc(), _Figure.id.desc()).limit(count)
        )  # fmt: skip
        verdicts: dict[int, dict[str, str]] = {}
        newest: list[Point] = []
        with Session(self._engine) as session:
            for row, figure in session.execute(query):
                if row.id not in verdicts:
                    verdicts[row.id] = verdicts_of(Result.from_json(row.document).hosts[0])
                newest.append(Point(row.created_at, verdicts[row.id].get(figure.series, row.verdict), row.fingerprint,
                                    figure.series, figure.no_drop_pps, figure.sent, figure.lost))  # fmt: skip
        points: list[Point] = []
        for point in reversed(newest):
            points.append(replace(point, regression=regression(point, points)))
        return points

    def _unusable(self, error: Exception) -> UsageError:
        return UsageError(
            "NFV-PKT-207", f"the database {self._shown} cannot be used", str(error).splitlines()[0],
            "make room and allow writing there, or point --database elsewhere",
        )  # fmt: skip


def _make_tables(engine: Engine) -> None:
    """Where there are none. Those who come to a new database of a team at the same time make them at the same time,
    and all but one fail; then they are there."""
    try:
        _Base.metadata.create_all(engine)
    except (IntegrityError, ProgrammingError, OperationalError):
        _Base.metadata.create_all(engine)


def regression(point: Point, before: list[Point]) -> str:
    """In words: slower than the median of its comparable predecessors, none at all, or losing where they did not."""
    same = [
        old for old in before
        if old.series == point.series and old.fingerprint == point.fingerprint and old.verdict != "INCONCLUSIVE"
    ][-_PREDECESSORS:]  # fmt: skip
    if not same or point.verdict == "INCONCLUSIVE":
        return ""
    rates = [old.no_drop_pps for old in same if old.no_drop_pps]
    if point.no_drop_pps and rates and point.no_drop_pps < REGRESSION * median(rates):
        return f"slower than the median of {len(rates)} before: {point.no_drop_pps} instead of {int(median(rates))}"
    if rates and not point.no_drop_pps:
        return f"no rate without loss, {int(median(rates))} in the {len(rates)} before"
    if point.no_drop_pps is None and point.lost and not any(old.lost for old in same):
        return f"{point.lost} packets lost, none in the {len(same)} before"
    return ""


def verdict_of(checks: Iterable[Check]) -> str:
    """The gravest verdict among checks."""
    from nfvcap.report.tally import ORDER, counts

    numbers = counts(checks)
    return next((str(verdict) for verdict in ORDER if numbers[verdict]), "SKIP")


def verdicts_of(host: HostResult) -> dict[str, str]:
    """The gravest verdict of each measurement, by its series: of checks about it or about a goal of it."""
    names = sorted((m.name for m in host.measurements), key=len, reverse=True)
    own: dict[str, list[Check]] = {name: [] for name in names}
    for check in host.checks:
        # One path's name may be the beginning of another's.
        name = next((name for name in names if f"{check.subject} ".startswith(f"{name} ")), None)
        if name is not None:
            own[name].append(check)
    return {series_of(m): verdict_of(own[m.name]) for m in host.measurements}


def series_of(m: Measurement) -> str:
    """What has to be the same for two measurements to be one thing at two times."""
    return f"{m.name} {m.profile} {m.rate} {m.traffic.name} {m.calibration.link_mbps if m.calibration else 0} Mb/s"


def _row(result: Result, host: HostResult) -> _Row:
    alone = result.model_copy(update={"hosts": (host,)})
    return _Row(
        host=host.host, created_at=result.created_at, verdict=verdict_of(host.checks), fingerprint=host.fingerprint,
        document=alone.to_json(), figures=[_figure(m) for m in host.measurements if _tells(m)],
    )  # fmt: skip


def _tells(m: Measurement) -> bool:
    """Neither the calibration of a source nor a search that was cut short is a point of a trend."""
    cut = bool(m.partial) and m.rate == "search" and not any(goal.lower_pps for goal in m.goals)
    return bool(m.trials) and not cut


def _figure(m: Measurement) -> _Figure:
    fixed = [] if m.goals else load_of(m)
    sent, lost = sum(trial.sent for trial in fixed), sum(trial.lost for trial in fixed)
    return _Figure(
        series=series_of(m), no_drop_pps=m.goals[0].lower_pps if m.goals else None,
        loss_ratio=lost / sent if sent else None, sent=sent, lost=lost,
    )  # fmt: skip
