# SPDX-License-Identifier: Apache-2.0
"""One HTML file that opens offline: no script, picture or font from elsewhere; light or dark as the reader likes."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, StrictUndefined

from nfvcap.model.result import HostResult, Result
from nfvcap.report.tally import host_sentence, sentence

TEMPLATE = Path(__file__).with_name("page.html.j2")


def document(result: Result, *, strict: bool = False) -> str:
    """The whole result as an HTML page."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))

    def about(host: HostResult) -> str:
        return host_sentence(host, strict)

    title = ", ".join(host.host for host in result.hosts)
    return template.render(result=result, title=title, sentence=sentence(result, strict), host_sentence=about)
