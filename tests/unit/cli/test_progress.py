# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re

import pytest

from nfvcap.apply.events import Status, TaskBegins, TaskEnded
from nfvcap.apply.provision import Stage
from nfvcap.cli.progress import Progress
from nfvcap.errors import NfvcapError


def begins(role: str, action: str) -> TaskBegins:
    return TaskBegins("host1", role, "Do it", action)


def ended(role: str, action: str, status: Status) -> TaskEnded:
    return TaskEnded("host1", role, "Do it", action, status, False, 0.1)


def test_without_a_terminal_each_step_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(("host1",)) as progress:
        progress.stage(Stage.FACTS, ("host1",))
        progress.end(Stage.FACTS, "host1", None)
        progress.stage(Stage.BOOT, ("host1",))
        progress.event(ended("kernel_args", "nfvcap_kernel_args", Status.CHANGED))
        progress.event(ended("iommu", "nfvcap_file", Status.OK))
        progress.event(begins("", "ansible.builtin.reboot"))
        progress.event(begins("", "nfvcap_facts"))
        progress.end(Stage.BOOT, "host1", None)
        progress.stage(Stage.RUNTIME, ("host1",))
        progress.end(Stage.RUNTIME, "host1", NfvcapError("NFV-RUN-008", "it broke"))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert [re.sub(r"[\d.]+ s", "N s", line) for line in captured.err.splitlines()] == [
        "host1  facts   ok, N s",
        "host1  boot    …",
        "host1  boot    changed: kernel_args: Do it",
        "host1  reboot  …",
        "host1  facts   ok, N s",
        "host1  runtime …",
        "host1  runtime failed: it broke",
    ]


def test_one_process_can_go_through_boot_and_runtime(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(("host1",))
    progress.stage(Stage.BOOT, ("host1",))
    for role in ("iommu", "hugepages", "sriov"):
        progress.event(begins(role, "nfvcap_x"))
        progress.event(ended(role, "nfvcap_x", Status.OK))
    progress.event(begins("", "nfvcap_facts"))
    assert [stage for _, stage in progress.cells] == [Stage.BOOT, Stage.RUNTIME, Stage.FACTS]
    assert progress.cells["host1", Stage.BOOT].took_s is not None


def test_leaving_the_plan_belongs_to_the_last_stage(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(("host1",))
    progress.stage(Stage.BOOT, ("host1",))
    progress.event(ended("", "nfvcap_file", Status.CHANGED))
    assert "runtime changed: Do it" in capsys.readouterr().err


def test_what_is_left_for_after_the_reboot_has_not_begun(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(("host1",))
    progress.stage(Stage.BOOT, ("host1",))
    progress.event(begins("sriov", "nfvcap_sriov"))
    progress.event(ended("sriov", "nfvcap_sriov", Status.SKIPPED))
    progress.event(begins("", "ansible.builtin.reboot"))
    assert [stage for _, stage in progress.cells] == [Stage.BOOT, Stage.REBOOT]


def test_events_of_hosts_without_a_stage_are_ignored() -> None:
    progress = Progress(("host1",))
    progress.event(begins("iommu", "x"))
    assert not progress.cells


def test_the_live_table_shows_every_host_and_stage() -> None:
    from rich.console import Console

    progress = Progress(("host1", "host2"))
    progress.stage(Stage.FACTS, ("host1", "host2"))
    progress.end(Stage.FACTS, "host2", NfvcapError("NFV-SSH-001", "away"))
    progress.event(begins("iommu", "x[/bold]"))
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(progress._table())
    text = console.export_text()
    assert "facts" in text.splitlines()[0] and "checks" in text.splitlines()[0]
    assert "failed" in text and "iommu: Do it" in text
