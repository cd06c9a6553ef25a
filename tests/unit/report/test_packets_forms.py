# SPDX-License-Identifier: Apache-2.0
"""A measurement in every form, held against golden files: `NFVCAP_UPDATE_GOLDEN=1 pytest` writes them anew."""

from __future__ import annotations

import io
import json
import os
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from measured_example import made

from nfvcap.model.result import Result
from nfvcap.model.schema import DIRECTORY
from nfvcap.report import html, jsonl, junit, prometheus, table, tap
from nfvcap.report.view import view
from nfvcap.verify.packets.checks import checks
from nfvcap.verify.packets.profiles import PROFILES

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def searched() -> Result:
    return made("search", 9_400_000)


@pytest.fixture(scope="module")
def lossy() -> Result:
    return made("line", 14_000_000)


def golden(name: str, text: str) -> None:
    kept = GOLDEN / name
    if os.environ.get("NFVCAP_UPDATE_GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        kept.write_text(text, encoding="utf-8")
    assert text == kept.read_text(encoding="utf-8"), f"{name} has changed; NFVCAP_UPDATE_GOLDEN=1 writes it anew"


def test_json(searched: Result) -> None:
    text = searched.to_json()
    golden("searched.json", text)
    schema = json.loads((DIRECTORY / "result.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(json.loads(text))
    assert Result.from_json(text) == searched


def test_junit(lossy: Result) -> None:
    text = junit.document(lossy)
    golden("lossy.junit.xml", text)
    (suite,) = ET.fromstring(text)
    assert (
        suite.get("name") == "nfvcap.packets.box" and suite.get("failures") == "1" and suite.get("time") == "61.500000"
    )
    failure = suite.find("testcase[@name='NFV-PKT-010 vdev']/failure")
    assert failure is not None and "packets lost in 3 trials" in (failure.text or "")


def test_tap(lossy: Result) -> None:
    golden("lossy.tap.txt", tap.document(lossy))


def test_prometheus(searched: Result) -> None:
    text = prometheus.document(searched)
    golden("searched.prom.txt", text)
    for line in text.splitlines():
        assert re.fullmatch(r'# (HELP|TYPE) nfvcap_\w+ .+|nfvcap_\w+(\{(\w+="[^"]*",?)+\})? -?[0-9.e+-]+', line), line


def test_table(searched: Result, lossy: Result) -> None:
    for name, result in (("searched", searched), ("lossy", lossy)):
        stream = io.StringIO()
        table.write(result, stream)
        golden(f"{name}.txt", "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n")


def test_jsonl(lossy: Result) -> None:
    """Begin, then the measurement with its trials, then the verdicts: the order in which it went on."""
    text = "\n".join(jsonl.lines(lossy)) + "\n"
    golden("lossy.jsonl.txt", text)
    events = [json.loads(line)["event"] for line in text.splitlines()]
    assert list(dict.fromkeys(events)) == [
        "begin", "measurement-begin", "calibration", "trial", "measurement-end", "check", "host", "end",
    ]  # fmt: skip
    assert events == sorted(events, key=list(dict.fromkeys(events)).index)  # each kind in one piece


def test_jsonl_ends_with_the_exit_code(lossy: Result) -> None:
    last = json.loads(list(jsonl.lines(lossy))[-1])
    assert last["exit_code"] == 4 and "were lost at 14.880 Mpps" in last["summary"]


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.words: list[str] = []
        self.leads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.leads += [value or "" for key, value in attrs if key in {"src", "href", "xlink:href"}]
        if tag not in {"meta", "br", "link", "circle", "rect", "line", "polyline"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in {"circle", "rect"}:
            return
        assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def page(result: Result) -> _Page:
    parser = _Page()
    parser.feed(html.document(result))
    assert parser.open == []
    return parser


def test_the_page_is_one_file_with_the_answer_first(searched: Result) -> None:
    found = page(searched)
    assert not {"script", "link", "img", "iframe"} & set(found.seen) and found.leads == []
    assert found.seen.count("svg") == 3
    words = "".join(found.words)
    text = " ".join(words[words.index("verification report") :].split())
    assert (
        text.index("64-byte frames are captured without loss") < text.index("no-drop rate") < text.index("Environment")
    )
    assert "in the closed file" in text and "residual" in text and "study: 37.6 %" in text
    assert "CPU <&> 2.6 GHz" in text and "512 huge pages of 2 MiB" in text


@pytest.mark.parametrize("name", [name for name, profile in PROFILES.items() if profile.deviations])
def test_what_deviates_from_the_standard_is_shown_without_unfolding_anything(searched: Result, name: str) -> None:
    (host,) = searched.hosts
    m = host.measurements[0].model_copy(update={"profile": name, "deviations": PROFILES[name].deviations})
    result = searched.model_copy(update={"hosts": (host.model_copy(update={"measurements": (m,)}),)})
    words = " ".join("".join(page(result).words).split())
    head = words[words.index("profile " + name) : words.index("no-drop rate")]
    stream = io.StringIO()
    table.write(result, stream)
    printed = " ".join(stream.getvalue().split())
    for deviation in m.deviations:
        assert deviation in head and deviation in printed


def test_the_drawn_host_says_which_guest_has_which_vf(searched: Result) -> None:
    text = html.document(searched)
    assert '<span class="vf">vf0</span><span class="vf held">vf1: vm3</span>' in text
    environment = json.loads(json.dumps(searched.hosts[0].environment))
    del environment["nics"][0]["holders"]  # a result of an earlier version
    host = searched.hosts[0].model_copy(update={"environment": environment})
    assert '<span class="vf">vf1</span>' in html.document(searched.model_copy(update={"hosts": (host,)}))


def with_method(result: Result, **changed: object) -> Result:
    (host,) = result.hosts
    m = host.measurements[0].model_copy(update=changed)
    return result.model_copy(update={"hosts": (host.model_copy(update={"measurements": (m,)}),)})


def how(result: Result) -> str:
    """The words below "How it was measured"."""
    words = " ".join(" ".join(page(result).words).split())
    return words[words.index("How it was measured") :]


def test_a_search_says_with_what_parameters(searched: Result) -> None:
    said = how(searched)
    for goal in ("goal 0", "goal 1e-7", "goal 1e-5", "goal 1e-3"):
        assert (
            f"{goal} trials of 0.5 s first, of 1 s in the end; 1 s of them decide about a rate (duration sum); "
            "exceed ratio 0; bounds brought to 5 % of each other (relative width)"
        ) in said
    assert "trials at 50%, 10%, 1% of the lowest bound" in said and "highest rate 14.880 Mpps is tried" in said
    assert "warm-up 0.5 s" in said and "drain until 0 s of silence" in said and "settle 0 s" in said


def test_the_standards_parameters_are_on_the_page(searched: Result) -> None:
    method = searched.hosts[0].measurements[0].method
    assert method is not None
    tst009 = PROFILES["tst009"]
    said = how(with_method(searched, method=method.model_copy(update={"goals": tst009.goals, "drain_s": 2.0})))
    assert "goal 0 trials of 60 s; 120 s of them decide about a rate (duration sum); exceed ratio 0.5" in said
    assert "0.5 % of each other" in said and "goal 1e-7" not in said and "drain until 2 s of silence" in said


def test_trials_at_a_fixed_rate_say_how_long_they_are(lossy: Result) -> None:
    said = how(lossy)
    assert "trials 3 of 1 s each" in said and "goal" not in said and "lowest bound" not in said


def test_every_trial_says_how_long_it_took(lossy: Result) -> None:
    words = " ".join(" ".join(page(lossy).words).split())
    for trial in lossy.hosts[0].measurements[0].trials:
        if not trial.superseded:
            assert f" {trial.duration_ns / 1e9:.3f}".rstrip("0").rstrip(".") + " s " in words


def test_a_result_of_an_earlier_version_is_read_and_says_what_it_lacks(searched: Result) -> None:
    older = json.loads(searched.to_json())
    for host in older["hosts"]:
        for m in host["measurements"]:
            del m["method"]
    result = Result.from_json(json.dumps(older))
    jsonschema.Draft202012Validator(json.loads((DIRECTORY / "result.schema.json").read_text())).validate(older)
    assert "parameters not kept" in how(result)


def test_a_profile_that_names_a_standard_says_how_it_deviates() -> None:
    assert {name for name, profile in PROFILES.items() if not profile.deviations} == {"soak"}


def test_every_lost_integer_is_on_the_page(lossy: Result) -> None:
    words = "".join(page(lossy).words)
    for trial in lossy.hosts[0].measurements[0].trials:
        assert f"{trial.lost:,}".replace(",", "\u202f") in words
    assert "NFV-PKT-010" in words and "0 packets lost" in words


def test_a_broken_path_and_an_empty_measurement_make_a_page() -> None:
    broken = made("line", 1)
    m = broken.hosts[0].measurements[0].model_copy(update={"trials": (), "goals": (), "partial": "interrupted"})
    host = broken.hosts[0].model_copy(update={"measurements": (m,), "checks": checks(m, "f")})
    text = html.document(broken.model_copy(update={"hosts": (host,)}))
    assert "The measurement is partial: interrupted." in text and ">INCONCLUSIVE<" in text


@pytest.mark.parametrize(
    "environment", [{"nodes": [{"node": 0, "cpus": "", "memory_mib": 512, "hugepages": {}}]}, {}]
)  # fmt: skip
def test_a_host_of_which_little_is_known_makes_a_page(lossy: Result, environment: dict[str, Any]) -> None:
    """Never provisioned, so that its plan says nothing; and a NUMA node may be memory alone."""
    host = lossy.hosts[0].model_copy(update={"environment": environment})
    assert "box" in html.document(lossy.model_copy(update={"hosts": (host,)}))


def test_missing_numbers_and_a_bound_that_does_not_flatter_are_on_the_page(lossy: Result) -> None:
    m = lossy.hosts[0].measurements[0]
    trials = [*m.trials]
    trials[-1] = trials[-1].model_copy(update={"missing": ((0, 7, 9), (0, 12, 12)), "missing_ranges": 5})
    clean = trials[-2].model_copy(update={"lost": 0, "recounted": trials[-2].sent, "loss_upper_95": 1e-9})
    m = m.model_copy(update={"trials": (*trials[:-2], clean, trials[-1])})
    text = html.document(
        lossy.model_copy(update={"hosts": (lossy.hosts[0].model_copy(update={"measurements": (m,)}),)})
    )
    assert "missing numbers 7 to 9, 12 and 3 ranges more" in text
    bound = next(fact.value for fact in view(m).facts if fact.name == "loss is at most")
    assert float(bound) > 0.01


def test_no_rate_is_a_zero_that_an_alert_hears() -> None:
    said = prometheus.document(made("search", 0))
    assert [line.rsplit(" ", 1)[1] for line in said.splitlines() if line.startswith("nfvcap_verify_no_drop_pps{")] == (
        ["0"] * 4
    )
