# SPDX-License-Identifier: Apache-2.0
"""What all documents share: strict fields, a schema id, stable JSON."""

from __future__ import annotations

import json
from typing import Self

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Immutable; unknown keys are an error, so that a misspelt key never passes silently."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    def to_json(self) -> str:
        """The document as indented JSON with a final newline, keys in declaration order."""
        return json.dumps(self.model_dump(mode="json", by_alias=True), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read the document back; raises ``pydantic.ValidationError``."""
        return cls.model_validate_json(text)
