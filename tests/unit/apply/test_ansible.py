# SPDX-License-Identifier: Apache-2.0
"""The runner with real ansible-playbook processes on the local connection."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nfvcap.apply.ansible import Target, run_playbooks
from nfvcap.apply.events import Ended, Event, PlayStarted, Started, TaskBegins
from nfvcap.errors import ExitCode, NfvcapError

Hosts = Callable[..., Target]
Playbook = Callable[[str], str]

TASKS = """
- name: Say hello
  ansible.builtin.command: echo hello {{ who }}
- name: Break where told
  ansible.builtin.command: sh -c 'echo it broke >&2; exit 3'
  when: broken | default(false)
- name: Break without harm
  ansible.builtin.command: "false"
  ignore_errors: true
"""


def test_events_arrive_in_order_and_one_bad_host_does_not_hide_the_others(target: Hosts, playbook: Playbook) -> None:
    seen: list[Event] = []
    hosts = target("good", "bad", "away")
    outcome = run_playbooks([playbook(TASKS)], hosts, variables={"who": "world"}, timeout_s=120, on_event=seen.append)

    assert isinstance(seen[0], Started) and isinstance(seen[-1], Ended)
    assert PlayStarted("Trial") in seen
    assert any(isinstance(event, TaskBegins) and event.host == "good" for event in seen)
    assert [(r.name, str(r.status), r.ignored) for r in outcome.results if r.host == "good"] == [
        ("Say hello", "changed", False),
        ("Break where told", "skipped", False),
        ("Break without harm", "failed", True),
    ]
    assert outcome.data("good", "stdout") == "hello world"
    assert set(outcome.failures) == {"bad", "away"}
    assert outcome.failures["bad"].code == "NFV-RUN-008"
    assert "it broke" in outcome.failures["bad"].why
    assert outcome.failures["away"].code == "NFV-SSH-001"
    assert outcome.failures["away"].exit_code is ExitCode.UNREACHABLE


def test_the_run_directory_keeps_log_events_and_variables(target: Hosts, playbook: Playbook) -> None:
    hosts = target("good")
    run_playbooks([playbook("- ansible.builtin.ping:")], hosts, variables={"a": 1}, timeout_s=120)
    names = {path.name for path in hosts.run_dir.path.iterdir()}
    assert names == {"01-trial.log", "01-trial.events.jsonl", "01-trial.vars.json"}
    assert "PLAY RECAP" in (hosts.run_dir.path / "01-trial.log").read_text()
    lines = (hosts.run_dir.path / "01-trial.events.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["schema"] == "nfvcap/events/1"
    assert hosts.run_dir.path.stat().st_mode & 0o077 == 0


def test_check_mode_changes_nothing(target: Hosts, playbook: Playbook, tmp_path: Path) -> None:
    tasks = f"- ansible.builtin.copy: {{content: x, dest: {tmp_path}/made}}"
    outcome = run_playbooks([playbook(tasks)], target("good"), variables={}, timeout_s=120, check=True)
    assert len(outcome.changed("good")) == 1
    assert not (tmp_path / "made").exists()


def test_what_no_log_hides_stays_hidden(target: Hosts, playbook: Playbook) -> None:
    tasks = "- ansible.builtin.command: echo s3cret\n  no_log: true"
    hosts = target("good")
    run_playbooks([playbook(tasks)], hosts, variables={}, timeout_s=120)
    assert "s3cret" not in (hosts.run_dir.path / "01-trial.events.jsonl").read_text()


def test_a_playbook_that_cannot_be_read_shows_what_ansible_said(target: Hosts, tmp_path: Path) -> None:
    broken = tmp_path / "broken.yml"
    broken.write_text("- hosts: all\n  taks: []\n")
    with pytest.raises(NfvcapError) as caught:
        run_playbooks([str(broken)], target("good"), variables={}, timeout_s=120)
    assert caught.value.code == "NFV-RUN-004"
    assert "taks" in caught.value.why
    assert "ansible-playbook" in caught.value.fix


def alive(marker: str) -> list[str]:
    listed = subprocess.run(["ps", "-ww", "-eo", "pid,args"], capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if marker in line]


def wait_until(condition: Callable[[], bool], limit_s: float = 30) -> bool:
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def test_the_time_limit_leaves_nothing_running(target: Hosts, playbook: Playbook) -> None:
    marker = f"3{os.getpid()}.25"
    with pytest.raises(NfvcapError) as caught:
        run_playbooks(
            [playbook(f"- ansible.builtin.command: sleep {marker}")], target("good"), variables={}, timeout_s=6
        )
    assert caught.value.code == "NFV-RUN-002"
    assert not alive(f"sleep {marker}")


DRIVER = """
import sys
from pathlib import Path
from nfvcap.apply.ansible import Target, run_playbooks
from nfvcap.apply.rundir import new_run_dir
import signal
signal.signal(signal.SIGTERM, signal.default_int_handler)
playbook, inventory, base = sys.argv[1:]
target = Target((Path(inventory),), ("good",), new_run_dir("t", Path(base)))
run_playbooks([playbook], target, variables={}, timeout_s=120)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_the_controller(
    number: signal.Signals, target: Hosts, playbook: Playbook, tmp_path: Path
) -> None:
    marker = f"4{os.getpid()}.{int(number)}"
    trial = playbook(f"- ansible.builtin.command: sleep {marker}")
    inventory = target("good").inventory[0]
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, trial, str(inventory), str(tmp_path)], stderr=subprocess.DEVNULL
    )
    try:
        assert wait_until(lambda: bool(alive(f"sleep {marker}")), 120)  # Ansible starts slowly on a loaded machine
        driver.send_signal(number)
        driver.wait(timeout=30)
        assert wait_until(lambda: not alive(marker) and not alive(trial)), alive(trial)
    finally:
        driver.kill()
        driver.wait()


def test_a_broken_event_ends_the_run_and_names_the_line(
    target: Hosts, playbook: Playbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nfvcap.apply.events._build", lambda raw: {}["event"])
    with pytest.raises(NfvcapError) as caught:
        run_playbooks([playbook("- ansible.builtin.ping:")], target("good"), variables={}, timeout_s=60)
    assert caught.value.code == "NFV-RUN-006"


def test_workers_that_outlive_a_killed_ansible_are_found(target: Hosts, playbook: Playbook) -> None:
    marker = f"5{os.getpid()}.5"
    hosts = target("good")

    def kill(event: Event) -> None:
        if isinstance(event, TaskBegins) and wait_until(lambda: bool(alive(f"sleep {marker}"))):
            (main,) = {int(line.split()[0]) for line in alive("ansible-playbook") if parent(line) == os.getpid()}
            os.kill(main, signal.SIGKILL)

    with pytest.raises(NfvcapError) as caught:
        run_playbooks(
            [playbook(f"- ansible.builtin.command: sleep {marker}")], hosts, variables={}, timeout_s=60, on_event=kill
        )
    assert caught.value.code == "NFV-RUN-005"
    assert not alive(f"sleep {marker}")


def parent(line: str) -> int:
    return int(Path(f"/proc/{line.split(maxsplit=1)[0]}/stat").read_text().rpartition(")")[2].split()[1])
