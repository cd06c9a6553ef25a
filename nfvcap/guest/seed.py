# SPDX-License-Identifier: Apache-2.0
"""The medium from which cloud-init learns what a guest shall be (its data source NoCloud). Pure but for templates."""

from __future__ import annotations

import json

from nfvcap.guest.iso import image
from nfvcap.model.plan import GuestMachine
from nfvcap.paths import data_dir

_LABEL = "CIDATA"


def medium(name: str, machine: GuestMachine) -> bytes:
    """The ISO image with ``meta-data`` and ``user-data``."""
    return image(
        _LABEL, {"meta-data": meta_data(name, machine).encode(), "user-data": user_data(name, machine).encode()}
    )


def meta_data(name: str, machine: GuestMachine) -> str:
    """Who the guest is. A changed kernel argument makes it a new instance, so that cloud-init runs once more."""
    arguments = " ".join(machine.kernel_args)
    return json.dumps({"instance-id": f"{machine.uuid} {arguments}".strip(), "local-hostname": name}, indent=1) + "\n"


def user_data(name: str, machine: GuestMachine) -> str:
    """What cloud-init shall do: the agent, the login, the kernel arguments, and one reboot for these."""
    import jinja2

    loader = jinja2.FileSystemLoader(data_dir() / "templates" / "cloud-init")
    environment = jinja2.Environment(
        loader=loader,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # JSON is YAML: every text from outside comes quoted, whatever is in it.
    environment.filters["quoted"] = json.dumps
    ssh_keys = machine.boot.ssh_keys if machine.boot else ()
    return environment.get_template("user-data.j2").render(
        name=name, ssh_keys=ssh_keys, kernel_args=" ".join(machine.kernel_args)
    )
