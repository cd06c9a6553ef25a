# SPDX-License-Identifier: Apache-2.0
"""As a capture program of Wireshark's: tshark lists the interfaces, and gets the packets of one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.agent.support import Agent
from tests.agent.test_generate import generate
from tests.agent.test_generate_links import veth

__all__ = ["veth"]


@pytest.fixture
def folder(agent: Agent, tmp_path: Path) -> tuple[str, ...]:
    """The beginning of a command line in whose view the agent is in Wireshark's folder.

    A root's Wireshark ignores the variable that names another one.
    """
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    if os.geteuid() != 0:
        pytest.skip("only root can have a view of its own of the file system")
    (tmp_path / "nfvcap-agent").symlink_to(agent.binary)
    said = subprocess.run(["tshark", "-G", "folders"], capture_output=True, text=True, check=True).stdout
    where = re.findall(r"^Extcap path:\s+(.+)$", said, re.M)[0]
    return ("unshare", "--mount", "sh", "-c", f'mount --bind {tmp_path} {where} && exec "$@"', "sh")


def tshark(folder: tuple[str, ...], *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen([*folder, "tshark", *args], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_wireshark_lists_our_interfaces(folder: tuple[str, ...], veth: tuple[str, str]) -> None:
    listed = tshark(folder, "-D").communicate(timeout=60)[0]
    for end in veth:
        assert f"nfvcap-{end} (nfvcap: {end}, through AF_PACKET)" in listed


def test_wireshark_gets_the_packets(agent: Agent, folder: tuple[str, ...], veth: tuple[str, str]) -> None:
    near, far = veth
    args = ("-n", "-i", f"nfvcap-{far}", "-c", "300", "-T", "fields", "-e", "frame.len", "-f", "udp port 51966")
    running = tshark(folder, *args)
    try:
        deadline = time.monotonic() + 30
        while running.poll() is None and time.monotonic() < deadline:
            generate(agent, "--port", f"af_packet:{near}", "--count", "100", "--rate", "1kpps", "--size", "64,200")
        out, said = running.communicate(timeout=30)
    finally:
        running.kill()
    assert running.returncode == 0, said
    lengths = out.split()
    assert len(lengths) == 300 and set(lengths) == {"60", "196"}


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("--extcap-interface", "nfvcap-lo", "--extcap-dlts"), 0, "dlt {number=1}"),
        (("--extcap-interface", "nfvcap-lo", "--extcap-config"), 0, "{call=--snaplen}"),
        (("--extcap-interface", "nfvcap-lo", "--extcap-capture-filter", "tcp port"), 0, "syntax error"),
        (("--extcap-interface", "nfvcap-lo", "--extcap-capture-filter", "tcp port 80"), 0, ""),
        (("--extcap-interface", "other", "--extcap-dlts"), 2, "there is no interface"),
        (("--capture", "--extcap-interface", "nfvcap-lo"), 2, "no --fifo"),
        (("--capture", "--extcap-interface", "nfvcap-no-such-0", "--fifo", "/tmp/x"), 2, "no-such-0"),
        (("--extcap-nonsense",), 2, "nonsense"),
    ],
)
def test_what_wireshark_asks(agent: Agent, args: tuple[str, ...], code: int, said: str) -> None:
    done = agent.run(*args)
    assert done.returncode == code and said in done.stdout + done.stderr
    if said == "":
        assert done.stdout == ""
