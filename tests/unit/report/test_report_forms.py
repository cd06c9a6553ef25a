# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import html.parser
import io
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET

import pytest
import yaml

from nfvcap.errors import ExitCode
from nfvcap.model.result import HostResult, Result, Verdict
from nfvcap.report import html as page
from nfvcap.report import junit, table, tap
from nfvcap.report.jsonl import lines
from nfvcap.report.tally import area_of, exit_code, sentence


def one(host: HostResult) -> Result:
    return Result(nfvcap_version="0.1.0", created_at="2026-11-23T12:00:00Z", hosts=(host,))


def printed(result: Result, **options: bool) -> str:
    stream = io.StringIO()
    table.write(result, stream, **options)
    return stream.getvalue()


def test_the_last_line_sums_up(good: HostResult, bad: HostResult, gone: HostResult, result: Result) -> None:
    assert sentence(one(good)) == "good is as planned: 2 PASS."
    assert sentence(one(bad)) == (
        "bad is not as planned: 1 ERROR, 1 FAIL, 1 WARN, 1 SKIP, 1 PASS (NFV-STATE-030, NFV-STATE-042)."
    )
    assert "NFV-STATE-056" in sentence(one(bad), strict=True)
    assert sentence(one(gone)) == "gone cannot be reached."
    assert sentence(result) == "1 of 3 hosts are as planned; look at bad, gone."
    assert printed(result).rstrip().endswith(sentence(result))


def test_exit_codes_the_worst_host_wins_and_warnings_count_only_when_strict(result: Result, good: HostResult) -> None:
    assert exit_code(result) is ExitCode.INTERNAL
    assert exit_code(one(good), strict=True) is ExitCode.OK
    warned = good.model_copy(update={"checks": (good.checks[0].model_copy(update={"verdict": Verdict.WARN}),)})
    assert exit_code(one(warned)) is ExitCode.OK
    assert exit_code(one(warned), strict=True) is ExitCode.CHECK_FAILED


def test_every_number_of_a_check_belongs_to_an_area() -> None:
    assert area_of("NFV-STATE-009") == "records on the host"
    assert area_of("NFV-STATE-092") == "protected NICs"
    assert area_of("NFV-STATE-100") == "files of nfvcap"


def test_table_shows_what_is_bad_in_full_and_the_rest_as_counts(result: Result) -> None:
    text = printed(result)
    assert "found  500 <pages>" in text and "wanted y" in text and "fix    echo 512 > /sys/x" in text
    assert "NFV-STATE-010" not in text
    assert "NFV-STATE-010" in printed(result, everything=True)
    assert "\x1b[" not in text


def test_table_takes_words_for_words_and_not_for_markup(bad: HostResult) -> None:
    odd = bad.model_copy(update={"checks": (bad.checks[1].model_copy(update={"found": "[red]text[/red]"}),)})
    assert "[red]text[/red]" in printed(one(odd))


def test_junit_counts_and_names(result: Result) -> None:
    root = ET.fromstring(junit.document(result))
    assert {key: root.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "8", "failures": "1", "errors": "2", "skipped": "1"
    }  # fmt: skip
    names = [(case.get("classname"), case.get("name")) for case in root.iter("testcase")]
    assert ("nfvcap.state.bad", "NFV-STATE-030 node1 2 MiB") in names
    assert len(set(names)) == len(names)


def test_a_junit_failure_is_useful_without_anything_else(bad: HostResult) -> None:
    failure = ET.fromstring(junit.document(one(bad))).find(".//failure")
    assert failure is not None and failure.text is not None
    for word in ("NFV-STATE-030 on bad", "Title 030 (node1 2 MiB)", "found: 500 <pages> & ", "wanted: y",
                 "fix: echo 512 > /sys/x", "nfvcap explain NFV-STATE-030"):  # fmt: skip
        assert word in failure.text
    assert "\x07" not in failure.text  # XML cannot carry it


def test_junit_names_do_not_depend_on_what_is_found(bad: HostResult) -> None:
    other = [check.model_copy(update={"found": "z", "verdict": "PASS"}) for check in bad.checks]
    names = [[case.get("name") for case in ET.fromstring(junit.document(one(host))).iter("testcase")]
             for host in (bad, bad.model_copy(update={"checks": tuple(other)}))]  # fmt: skip
    assert names[0] == names[1]


def test_junit_of_warnings(bad: HostResult) -> None:
    plain, strict = (ET.fromstring(junit.document(one(bad), strict=strict)) for strict in (False, True))
    assert [len(root.findall(".//failure")) for root in (plain, strict)] == [1, 2]
    assert "WARN" in (plain.findtext(".//system-out") or "")


def test_tap_is_read_by_a_tap_reader(result: Result, tmp_path) -> None:
    text = tap.document(result)
    assert text.startswith("TAP version 13\n1..8\n")
    assert len(re.findall(r"^(?:not )?ok \d+ - ", text, re.M)) == 8
    assert len(re.findall(r"^not ok ", text, re.M)) == 3
    assert len(re.findall(r"^not ok ", tap.document(result, strict=True), re.M)) == 4
    blocks = re.findall(r"^  ---\n(.*?)^  \.\.\.$", text, re.M | re.S)
    assert yaml.safe_load(blocks[0])["fix"] == "echo 512 > /sys/x"
    if shutil.which("prove"):
        (tmp_path / "state.tap").write_text(text)
        done = subprocess.run(
            ["prove", "--exec", "cat", str(tmp_path / "state.tap")], capture_output=True, text=True, check=False
        )
        assert "Failed 3/8 subtests" in done.stdout, done.stdout + done.stderr
        assert "Parse errors" not in done.stdout


def test_json_lines_name_the_schema_first_and_the_exit_code_last(result: Result) -> None:
    events = [json.loads(line) for line in lines(result)]
    assert events[0]["event"] == "begin" and events[0]["schema"] == "nfvcap/verify-events/1"
    assert [event["event"] for event in events].count("check") == 8
    assert events[-1] == {"event": "end", "exit_code": 1, "summary": sentence(result)}
    assert next(event for event in events if event["event"] == "host")["counts"] == {"PASS": 2}


class _Outside(html.parser.HTMLParser):
    """Collects what a page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [value for name, value in attrs if name in {"src", "href"} and value]


def test_the_page_opens_offline_and_escapes_what_was_found(result: Result) -> None:
    text = page.document(result)
    outside = _Outside()
    outside.feed(text)
    assert not outside.fetched and "script" not in outside.tags and "url(" not in text and "@import" not in text
    assert "500 &lt;pages&gt; &amp;" in text
    assert "prefers-color-scheme: dark" in text
    assert text.count('class="bad ') == 4  # FAIL, ERROR, WARN and the host that is gone


@pytest.mark.parametrize("form", [junit.document, tap.document, page.document])
def test_an_empty_result_has_a_form_too(form) -> None:
    assert form(Result(nfvcap_version="0.1.0", created_at="2026-11-23T12:00:00Z", hosts=()))
