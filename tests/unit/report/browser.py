# SPDX-License-Identifier: Apache-2.0
"""A real browser without a window, spoken to over two pipes in the DevTools protocol."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
_LIMIT_S = 60.0


def program() -> str | None:
    """Its path; None where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """One page; a context manager that ends the browser.

    Args:
        chromium: the program.
        profile: a directory of its own, which is empty.
    """

    def __init__(self, chromium: str, profile: Path) -> None:
        self._words = [
            chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
            "--host-resolver-rules=MAP * ~NOTFOUND",  # a page that asks the network for something gets nothing
            f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank",
        ]  # fmt: skip
        self._number = 0
        self._rest = b""

    def __enter__(self) -> Browser:
        their_in, self._to = os.pipe()
        self._from, their_out = os.pipe()
        # Chromium reads from 3 and writes to 4; dash would know no descriptor above 9.
        script = f'exec "$@" 3<&{their_in} 4>&{their_out}'
        self._process = subprocess.Popen(
            ["bash", "-c", script, "bash", *self._words], pass_fds=(their_in, their_out), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        os.close(their_in)
        os.close(their_out)
        page = next(one for one in self._ask("Target.getTargets")["targetInfos"] if one["type"] == "page")
        self._session = self._ask("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        self._ask("Page.enable")
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._process.terminate()
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        finally:
            os.close(self._to)
            os.close(self._from)

    def open(self, page: Path, width: int, height: int, *, dark: bool = False, paper: bool = False) -> None:
        """Show a file on a screen of this size (CSS pixels); one of at most 500 is a phone's; or as it is printed."""
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width <= 500)  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", media="print" if paper else "", features=[scheme])
        self._ask("Page.navigate", url=page.resolve().as_uri())
        limit = time.monotonic() + _LIMIT_S
        while self.says("document.readyState + location.protocol") != "completefile:":
            assert time.monotonic() < limit, f"{page} is not shown"
            time.sleep(0.05)

    def says(self, script: str) -> Any:
        """What an expression is on the page."""
        answer = self._ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def picture(self, file: Path) -> bytes:
        """The whole page as PNG, also written to a file."""
        height = min(int(self.says("document.documentElement.scrollHeight")), 16_000)
        width = int(self.says("innerWidth"))
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        made = self._ask("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(made["data"]))
        return file.read_bytes()

    def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if hasattr(self, "_session"):
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        limit = time.monotonic() + _LIMIT_S
        while True:
            told = self._told(limit)
            if told.get("id") == self._number:
                assert "error" not in told, (method, told)
                result: dict[str, Any] = told["result"]
                return result

    def _told(self, limit: float) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], max(0.0, limit - time.monotonic()))
            assert ready, "the browser does not answer"
            more = os.read(self._from, 1 << 20)
            assert more, "the browser has ended"
            self._rest += more
        line, _, self._rest = self._rest.partition(b"\0")
        told: dict[str, Any] = json.loads(line)
        return told
