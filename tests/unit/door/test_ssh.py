# SPDX-License-Identifier: Apache-2.0
"""The ssh command that the inventory's words become."""

from __future__ import annotations

import pytest

from nfvcap.door.ssh import host_door
from nfvcap.errors import UsageError
from nfvcap.verify.connection import resolve


def test_address_user_port_key_and_sudo() -> None:
    variables = {
        "ansible_host": "192.0.2.1", "ansible_user": "me", "ansible_port": 2222, "ansible_become": True,
        "ansible_private_key_file": "/k", "ansible_ssh_common_args": "-J jump",
    }  # fmt: skip
    words = host_door("h", resolve("h", variables, {})).words(["ls", "a b"])
    assert words[0] == "ssh" and words[-6:] == ["-p", "2222", "me@192.0.2.1", "sudo", "-n", "ls 'a b'"]
    assert words[words.index("-i") + 1] == "/k" and words[words.index("-J") + 1] == "jump"


@pytest.mark.parametrize(("address", "target"), [("2001:db8::1", "2001:db8::1"), ("h.example", "h.example")])
def test_addresses(address: str, target: str) -> None:
    assert host_door("h", resolve("h", {"ansible_host": address}, {})).words(["ls"])[-2:] == [target, "ls"]


def test_this_machine_and_what_only_ansible_can() -> None:
    assert host_door("h", resolve("h", {"ansible_connection": "local"}, {})).words(["ls"]) == ["ls"]
    with pytest.raises(UsageError) as refused:
        host_door("h", resolve("h", {"ansible_password": "x"}, {}))
    assert refused.value.code == "NFV-GUEST-033" and "ansible_password" in refused.value.why
