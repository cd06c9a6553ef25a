# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from nfvcap.inventory import load
from nfvcap.verify.connection import resolve, shared_socket


def way(variables: dict[str, Any], environment: dict[str, str] | None = None, control: Path | None = None):
    return resolve("host1", variables, environment or {}, control)


def test_a_plain_host_goes_over_ssh_under_its_own_name() -> None:
    found = way({})
    assert (found.backend, found.spec, found.python) == ("ssh", "host1", "python3")
    assert found.options["sudo"] is False
    assert "BatchMode=yes" in found.options["ssh_extra_args"]


def test_address_port_user_key_and_jump_host_are_obeyed() -> None:
    found = way({
        "ansible_host": "192.0.2.7", "ansible_port": 2222, "ansible_user": "admin", "ansible_become": "yes",
        "ansible_ssh_private_key_file": "~/.ssh/lab", "ansible_ssh_common_args": "-o ProxyJump=jump.example",
        "ansible_python_interpreter": "/usr/bin/python3.11",
    })  # fmt: skip
    assert (found.backend, found.spec, found.python) == ("ssh", "admin@192.0.2.7:2222", "/usr/bin/python3.11")
    assert found.options["sudo"] is True
    assert found.options["ssh_identity_file"] == str(Path.home() / ".ssh" / "lab")
    assert "-o ProxyJump=jump.example" in found.options["ssh_extra_args"]


def test_the_old_names_of_variables_are_obeyed() -> None:
    assert (
        way({"ansible_ssh_host": "192.0.2.7", "ansible_ssh_user": "u", "ansible_ssh_port": 22}).spec == "u@192.0.2.7:22"
    )


def test_an_ipv6_address_gets_brackets() -> None:
    assert way({"ansible_host": "2001:db8::7", "ansible_port": 22}).spec == "[2001:db8::7]:22"


def test_local_connection() -> None:
    assert way({"ansible_connection": "local"}).backend == "local"


def test_unknown_host_keys_are_accepted_only_when_the_inventory_says_so() -> None:
    assert "StrictHostKeyChecking" not in way({}).options["ssh_extra_args"]
    assert "StrictHostKeyChecking=no" in way({"ansible_host_key_checking": False}).options["ssh_extra_args"]


def test_the_connection_that_ansible_has_open_is_used(tmp_path: Path) -> None:
    found = way({"ansible_host": "192.0.2.7", "ansible_port": 2222, "ansible_user": "root"}, control=tmp_path)
    name = hashlib.sha1(b"192.0.2.7-2222-root").hexdigest()[:10]
    assert found.options["controlpath"] == str(tmp_path / name)


def test_the_socket_has_the_name_that_ansible_gives_it() -> None:
    """Compared with Ansible's own code, so that an upgrade that changes it is noticed."""
    from ansible.plugins.connection.ssh import Connection

    for address, port, user in (("192.0.2.7", 2222, "root"), ("host1", None, None)):
        theirs = Connection._create_control_path(address, port, user)
        assert theirs.rsplit("/", 1)[-1] == shared_socket(address, port, user)


def test_an_own_control_path_is_left_alone(tmp_path: Path) -> None:
    found = way({"ansible_ssh_args": "-o ControlPersist=9 -o ControlPath=/x/%h"}, control=tmp_path)
    assert "controlpath" not in found.options


@pytest.mark.parametrize(
    "variables",
    [
        {"ansible_password": "x"},
        {"ansible_become": True, "ansible_become_password": "x"},
        {"ansible_become": True, "ansible_become_method": "su"},
        {"ansible_become": True, "ansible_become_user": "operator"},
        {"ansible_connection": "community.docker.docker"},
        {"ansible_host": "{{ inventory_hostname }}.example"},
        {"ansible_user": {"__ansible_vault": "$ANSIBLE_VAULT;1.1;AES256"}},
        {"ansible_shell_executable": "/bin/ksh"},
    ],
)
def test_whatever_is_not_understood_goes_through_ansible(variables: dict[str, Any]) -> None:
    found = way(variables)
    assert found.backend == "ansible" and found.why


def test_templates_of_the_inventory_are_filled_in(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text("""all:
  vars: {bastion: jump.example, site: "{{ undefined_here }}"}
  hosts:
    host1:
      ansible_host: 192.0.2.7
      ansible_ssh_common_args: "-o ProxyJump={{ bastion }} -F {{ lookup('ansible.builtin.env', 'HOME') }}/c"
    host2: {ansible_host: "{{ site }}"}
    host3: {ansible_port: 22}
""")
    inventory = load([path])
    found = way(inventory.connection("host1"))
    assert found.backend == "ssh" and f"-o ProxyJump=jump.example -F {Path.home()}/c" in found.options["ssh_extra_args"]
    assert way(inventory.connection("host2")).backend == "ansible"  # which then tells what is undefined
    assert way(inventory.connection("host3")).spec == "host1:22"


def test_a_change_by_the_environment_goes_through_ansible() -> None:
    assert way({}, {"ANSIBLE_BECOME": "1"}).backend == "ansible"
    assert way({}, {"ANSIBLE_CONFIG": "/x", "ANSIBLE_NOCOLOR": "1"}).backend == "ssh"
