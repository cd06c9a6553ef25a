# SPDX-License-Identifier: Apache-2.0
"""The shipped JSON Schemas are those of the models, and agree with them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from nfvcap.model.schema import DIRECTORY, intent_schema, texts


@pytest.mark.parametrize("name", sorted(texts()))
def test_shipped_schemas_are_current(name: str) -> None:
    assert json.loads((DIRECTORY / name).read_text()) == json.loads(texts()[name]), (
        "write them anew with: python -m nfvcap.model.schema"
    )
    jsonschema.Draft202012Validator.check_schema(json.loads(texts()[name]))


@pytest.fixture(scope="module")
def editor() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(intent_schema())


@pytest.mark.parametrize("name", ["example.yml", "lab.yml"])
def test_shipped_inventories_please_the_editor(name: str, top: Path, editor: jsonschema.Draft202012Validator) -> None:
    assert [error.message for error in editor.iter_errors(yaml.safe_load((top / "inventory" / name).read_text()))] == []


@pytest.mark.parametrize(
    "change",
    [
        {"hugepags": "auto"}, {"hugepages": "some"}, {"hugepages": [{"size": "3M", "node": 0}]}, {"pfs": [{"vfs": 1}]},
        {"pfs": [{"pf": "eth0", "vfs": 1, "vf_defaults": {"vlan": 4095}}]}, {"kvm": "perhaps"},
        {"guests": {"vm1": {"vcpus": 0, "memory": "1G"}}}, {"guests": {"vm1": {"vcpu": 1}}},
    ],
)  # fmt: skip
def test_the_editor_sees_mistakes(change: dict[str, Any], editor: jsonschema.Draft202012Validator) -> None:
    for place in (
        {"all": {"hosts": {"h": {"nfvcap": change}}}},
        {"all": {"children": {"g": {"vars": {"nfvcap": change}}}}},
        {"mygroup": {"hosts": {"h": {"nfvcap": change}}}},
        {"nfvcap": change},
    ):
        assert not editor.is_valid(copy.deepcopy(place))


def test_the_editor_leaves_ansibles_own_alone(editor: jsonschema.Draft202012Validator) -> None:
    assert editor.is_valid({"all": {"hosts": {"h": None}, "vars": {"ansible_user": "root", "x": {"hosts": 3}}}})
    assert editor.is_valid({"nfvcap": {"hugepages": "auto", "cpus": {"isolate": "none"}}, "other_variable": [1, 2]})
