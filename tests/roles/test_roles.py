# SPDX-License-Identifier: Apache-2.0
"""Roles and playbooks as files: thin, documented, complete. What they do is tested with modules and lab."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from nfvcap.apply.reference import OTHER_ROLES, ROLES, markdown

CHANGING = {
    "apt", "blockinfile", "command", "copy", "dnf", "expect", "file", "get_url", "lineinfile", "modprobe", "package",
    "raw", "replace", "script", "service", "shell", "sysctl", "systemd", "systemd_service", "template", "unarchive",
}  # fmt: skip


def tasks(document: Any) -> Iterator[dict[str, Any]]:
    for item in document or []:
        for key in ("tasks", "pre_tasks", "post_tasks", "handlers", "block", "rescue", "always"):
            yield from tasks(item.get(key))
        if "hosts" not in item and "block" not in item:
            yield item


def task_files(top: Path) -> list[Path]:
    return [*(top / "roles").rglob("tasks/*.yml"), *(top / "playbooks").glob("*.yml")]


def test_the_page_of_roles_is_up_to_date(top: Path) -> None:
    assert (top / "docs/reference/roles.md").read_text() == markdown(), "run: python -m nfvcap.apply.reference"


def test_every_role_of_host_provisioning_is_on_the_page(top: Path) -> None:
    provision = (top / "playbooks/provision.yml").read_text()
    assert re.findall(r"import_role:\n\s+name: (\w+)", provision) == list(ROLES)


def test_a_role_is_left_out_by_its_own_name_only(top: Path) -> None:
    text = (top / "playbooks/provision.yml").read_text()
    assert yaml.safe_load(text)[0]["vars"]["nfvcap_every_role"] == list(ROLES)
    pairs = re.findall(r"import_role:\n\s+name: (\w+)\n\s+when: \"'(\w+)' in nfvcap_chosen_roles\"", text)
    assert pairs == [(role, role) for role in ROLES]


@pytest.mark.parametrize("role", [*ROLES, *OTHER_ROLES])
def test_every_role_has_specs_a_page_and_defaults_that_agree(top: Path, role: str) -> None:
    folder = top / "roles" / role
    specs = yaml.safe_load((folder / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]
    assert specs["short_description"] and specs["description"]
    assert (folder / "README.md").read_text().count("\n") > 5
    defaults_file = folder / "defaults/main.yml"
    defaults = yaml.safe_load(defaults_file.read_text()) if defaults_file.exists() else {}
    assert defaults == {name: one["default"] for name, one in specs["options"].items() if "default" in one}


def test_only_modules_of_ours_change_a_host(top: Path) -> None:
    for path in task_files(top):
        for task in tasks(yaml.safe_load(path.read_text())):
            used = {key.rsplit(".", 1)[-1] for key in task} & CHANGING
            assert not used, f"{path}: {task.get('name')} uses {used}"


def test_roles_do_no_arithmetic_and_decide_nothing(top: Path) -> None:
    for path in (top / "roles").rglob("*.yml"):
        for expression in re.findall(r"\{\{(.*?)\}\}", path.read_text(), re.S):
            assert not re.search(r"[\w)] [-*/%] [\w(]|\bif\b|\bnot\b", expression), f"{path}: {expression}"


@pytest.mark.parametrize(("role", "program"), [("persistence", "nfvcap_boot"), ("mirror", "nfvcap_keeper")])
def test_what_runs_without_ansible_is_complete_and_nothing_more(top: Path, role: str, program: str) -> None:
    folder = top / "plugins/module_utils"
    todo, needed = [program], set[str]()
    while todo:
        name = todo.pop()
        if name in needed:
            continue
        needed.add(name)
        for node in ast.walk(ast.parse((folder / f"{name}.py").read_text())):
            if isinstance(node, ast.ImportFrom) and node.level:
                todo.append(node.module or "")
    listed = yaml.safe_load((top / f"roles/{role}/vars/main.yml").read_text())[f"{role}_modules"]
    assert listed == sorted(f"{name}.py" for name in needed)


def test_what_runs_at_boot_starts_without_ansible_and_outside_the_checkout(top: Path, tmp_path: Path) -> None:
    kit = yaml.safe_load((top / "roles/persistence/vars/main.yml").read_text())["persistence_modules"]
    (tmp_path / "module_utils").mkdir()
    for name in kit:
        source = top / f"plugins/module_utils/{name}"
        (tmp_path / "module_utils" / source.name).write_text(source.read_text())
    program = tmp_path / "nfvcap-restore"
    program.write_text((top / "templates/boot/nfvcap-restore").read_text())
    done = subprocess.run(
        [sys.executable, "-ISB", program, "nonsense"], capture_output=True, text=True, check=False, cwd="/", env={}
    )
    assert (done.returncode, done.stdout) == (2, "usage: nfvcap-restore hugepages|sriov\n"), done.stderr
    assert not list(tmp_path.rglob("__pycache__")), "its directory would not be empty when nfvcap leaves"


def test_the_keeper_starts_without_ansible_and_ends_when_there_are_no_rules(top: Path, tmp_path: Path) -> None:
    (tmp_path / "module_utils").mkdir()
    for name in yaml.safe_load((top / "roles/mirror/vars/main.yml").read_text())["mirror_modules"]:
        (tmp_path / "module_utils" / name).write_text((top / f"plugins/module_utils/{name}").read_text())
    program = tmp_path / "nfvcap-mirror"
    program.write_text((top / "templates/boot/nfvcap-mirror").read_text())
    # On a machine without a ledger it has nothing to keep.
    argv = [sys.executable, "-ISB", program]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd="/", env={})
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert not list(tmp_path.rglob("__pycache__"))


def test_the_keeper_is_ordered_after_the_vfs_and_confined(top: Path) -> None:
    text = (top / "templates/units/nfvcap-mirror.service").read_text()
    for line in ("Type=exec", "Restart=on-failure", "NoNewPrivileges=yes", "ProtectSystem=strict", "ProtectHome=yes"):
        assert line in text.splitlines()
    assert re.search(r"^After=.*nfvcap-sriov.service", text, re.M) and text.count("@DIGEST@") == 1


@pytest.mark.parametrize("path", sorted(Path(__file__).resolve().parents[2].glob("plugins/*/nfvcap_*.py")), ids=str)
def test_code_for_hosts_keeps_to_python_39(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 9))
    assert not [node for node in ast.walk(tree) if type(node).__name__ in ("Match", "TryStar", "TypeAlias")]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("zip", "dataclass"):
            assert not {key.arg for key in node.keywords} & {"strict", "slots", "kw_only"}, f"{path}: {node.lineno}"


@pytest.mark.parametrize("unit", ["nfvcap-hugepages.service", "nfvcap-sriov.service"])
def test_units_are_bounded_ordered_and_plain_to_see(top: Path, unit: str) -> None:
    text = (top / "templates/units" / unit).read_text()
    for line in ("Type=oneshot", "Restart=no", "StandardOutput=journal", "NoNewPrivileges=yes", "ProtectSystem=strict"):
        assert line in text.splitlines()
    assert re.search(r"^TimeoutStartSec=\d+$", text, re.M)
    assert re.search(r"^Before=.*\blibvirtd\.service\b", text, re.M)
    # A host must stay reachable when a card hangs.
    assert not re.search(r"^Before=.*\b(network|sshd?|multi-user)\b", text, re.M)


def play(top: Path, plan: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "host1,", "-e", f"@{plan}", *words,
         str(top / "playbooks/provision.yml")],
        cwd=top, capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "ANSIBLE_CONFIG": str(top / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_a_plan_of_another_schema_or_host_is_refused_before_anything_connects(top: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    for document in ({"nfvcap_plan_schema": "nfvcap/plan/2", "nfvcap_plan": {"host1": {}}},
                     {"nfvcap_plan_schema": "nfvcap/plan/1", "nfvcap_plan": {"host2": {}}}, {}):  # fmt: skip
        plan.write_text(json.dumps(document))
        code, said = play(top, plan)
        assert code == 2 and "No plan of schema nfvcap/plan/1 for host1" in said and "UNREACHABLE" not in said


@pytest.mark.parametrize("stage", ["boot", "runtime"])
@pytest.mark.parametrize("changes", [[], [{"id": "kernel-args", "role": "kernel_args"}]], ids=["settled", "changing"])
def test_the_host_keeps_the_plan_of_its_last_change_whatever_the_stage(
    top: Path, tmp_path: Path, stage: str, changes: list[dict[str, str]]
) -> None:
    """A change of kernel arguments alone ends with the boot stage: the copy would speak of the old ones for ever."""
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({
        "nfvcap_plan_schema": "nfvcap/plan/1", "nfvcap_plan": {"host1": {"changes": changes}},
        "nfvcap_stages": [stage], "nfvcap_roles": {"host1": []}, "ansible_connection": "local", "ansible_become": False,
        "ansible_python_interpreter": sys.executable,
    }))  # fmt: skip
    code, said = play(top, plan, "--check", "--diff")
    assert code == 0, said
    assert ("changed: [host1]" in said) == bool(changes), said
    assert ('+  "nfvcap_plan_schema": "nfvcap/plan/1"' in said) == bool(changes), said
