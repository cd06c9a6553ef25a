# SPDX-License-Identifier: Apache-2.0
"""JSON Schemas of the documents, generated from the models: for editors and for other programs.

``python -m nfvcap.model.schema`` writes them anew; a test fails when the shipped ones are out of date.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from nfvcap.model.attach import Attach
from nfvcap.model.facts import Facts
from nfvcap.model.intent import Intent
from nfvcap.model.plan import Plan
from nfvcap.model.result import Result

DIRECTORY = Path(__file__).resolve().parent.parent / "schema"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_DOCUMENTS: dict[str, tuple[type[BaseModel], str]] = {
    "attach": (Attach, "Which VF goes to which guest: nfvcap/attach/1"),
    "facts": (Facts, "What one machine is: nfvcap/facts/1"),
    "plan": (Plan, "What hosts shall be and what changes for that: nfvcap/plan/1"),
    "result": (Result, "What the checks found: nfvcap/result/1"),
}


def texts() -> dict[str, str]:
    """File name → content of every schema."""
    made = {"intent.schema.json": intent_schema()}
    for name, (model, title) in _DOCUMENTS.items():
        schema = model.model_json_schema(by_alias=True, mode="validation")
        made[f"{name}.schema.json"] = {"$schema": _DIALECT, **schema, "title": title}
    return {
        name: json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n" for name, schema in made.items()
    }


def intent_schema() -> dict[str, Any]:
    """Schema for inventory files in YAML, and for files in host_vars and group_vars.

    Everything that is not nfvcap's own is left open: it is Ansible's business.
    """
    schema: dict[str, Any] = _without_empty_defaults(Intent.model_json_schema(by_alias=True, mode="validation"))
    definitions = schema.pop("$defs", {})
    definitions["Intent"] = schema
    wanted = {"$ref": "#/$defs/Intent"}
    variables = {"type": ["object", "null"], "properties": {"nfvcap": wanted}}
    group = {"$ref": "#/$defs/Group"}
    definitions["Variables"] = variables
    definitions["Group"] = {
        "type": ["object", "null"],
        "properties": {
            "hosts": {"type": ["object", "null"], "additionalProperties": {"$ref": "#/$defs/Variables"}},
            "vars": {"$ref": "#/$defs/Variables"},
            "children": {"type": ["object", "null"], "additionalProperties": group},
        },
    }
    return {
        "$schema": _DIALECT,
        "title": "Ansible inventory with the variable nfvcap",
        "type": "object",
        "properties": {"nfvcap": wanted, "all": group},
        # Groups beside `all`; in a vars file, other variables, which may be anything.
        "additionalProperties": {"if": {"type": "object"}, "then": group},
        "$defs": definitions,
    }


def _without_empty_defaults(value: Any) -> Any:
    """An editor would offer ``null`` where the inventory has to leave the key out."""
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if key != "default" or isinstance(item, bool | int | str)}
        return {key: _without_empty_defaults(item) for key, item in kept.items()}
    return [_without_empty_defaults(item) for item in value] if isinstance(value, list) else value


def main() -> None:
    DIRECTORY.mkdir(exist_ok=True)
    for name, text in texts().items():
        (DIRECTORY / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
