# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks Ansible itself what an inventory says: hosts, groups, patterns, variables with their precedence and templates.

Whatever Ansible can read (YAML, INI, scripts, plugins, vaulted variables) means the same here as in a playbook run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nfvcap.errors import UsageError

VARIABLE = "nfvcap"


class AnsibleSource:
    """One loaded inventory.

    Raises:
        UsageError: NFV-CONF-003, a source that Ansible cannot read.
    """

    def __init__(self, sources: Sequence[Path], environment: Mapping[str, str]) -> None:
        with _variables_set(environment):  # Ansible reads its configuration while it is imported
            from ansible import constants
        from ansible.errors import AnsibleError
        from ansible.inventory.manager import InventoryManager
        from ansible.parsing.dataloader import DataLoader
        from ansible.vars.hostvars import HostVars
        from ansible.vars.manager import VariableManager

        # By default Ansible only warns about a source that it cannot read, and goes on without its hosts.
        constants.INVENTORY_ANY_UNPARSED_IS_FAILED = True
        self._error = AnsibleError
        self._loader = DataLoader()
        try:
            self._unlock_vault(constants)
            self._inventory = InventoryManager(loader=self._loader, sources=[str(source) for source in sources])
            self._variables = VariableManager(loader=self._loader, inventory=self._inventory)
            # Makes hostvars['other'] available to templates.
            HostVars(inventory=self._inventory, variable_manager=self._variables, loader=self._loader)
        except AnsibleError as error:
            raise _unreadable(error) from error

    def _unlock_vault(self, constants: Any) -> None:
        identities = list(constants.DEFAULT_VAULT_IDENTITY_LIST or ())
        if identities or constants.DEFAULT_VAULT_PASSWORD_FILE:
            from ansible.cli import CLI

            self._loader.set_vault_secrets(CLI.setup_vault_secrets(self._loader, identities, auto_prompt=False))

    def hosts(self) -> tuple[str, ...]:
        """All hosts, in the order of the inventory."""
        return tuple(str(host.name) for host in self._inventory.get_hosts("all"))

    def groups(self) -> tuple[str, ...]:
        return tuple(str(name) for name in self._inventory.groups)

    def matching(self, patterns: Sequence[str]) -> tuple[str, ...]:
        """Hosts that match Ansible patterns, in the order of the inventory."""
        return tuple(str(host.name) for host in self._inventory.get_hosts(pattern=list(patterns)))

    def groups_of(self, host: str) -> tuple[str, ...]:
        """Groups of a host, those whose variables win first."""
        from ansible.inventory.group import Group

        groups: list[Group] = self._inventory.get_host(host).get_groups()
        ordered = sorted(groups, key=lambda group: (group.depth, group.priority, group.name), reverse=True)
        return tuple(str(group.name) for group in ordered)

    def variables(self, host: str) -> dict[str, Any]:
        """All variables of a host as written, before templates are filled in."""
        try:
            found: dict[str, Any] = self._variables.get_vars(host=self._inventory.get_host(host))
        except self._error as error:
            raise _unreadable(error) from error
        return found

    def connection(self, host: str) -> dict[str, Any]:
        """Variables ``ansible_*`` of a host with templates filled in; one that cannot be stays as written."""
        variables = self.variables(host)
        found = {str(name): value for name, value in variables.items() if name.startswith("ansible_")}
        # The machinery of templates takes its time to start, and most inventories need none of it here.
        unfilled = {name for name, value in found.items() if not isinstance(value, str) or "{" in value}
        templar = self._templar(variables) if unfilled - {"ansible_facts"} else None
        for name, value in found.items():
            try:
                found[name] = plain(templar.template(value) if templar and name in unfilled else value)
            except self._error:
                found[name] = value
        return found

    def _templar(self, variables: dict[str, Any]) -> Any:
        from ansible.plugins.loader import init_plugin_loader
        from ansible.template import Templar
        from ansible.utils.collection_loader import AnsibleCollectionConfig

        # Ansible's programs do this at their start; without it a template finds no lookup plugin.
        if AnsibleCollectionConfig.collection_finder is None:
            init_plugin_loader()
        return Templar(loader=self._loader, variables=variables)

    def raw(self, host: str) -> Any:
        """The variable ``nfvcap`` as written; None when the host has none."""
        return plain(self.variables(host).get(VARIABLE))

    def resolved(self, host: str) -> Any:
        """The variable ``nfvcap`` with templates filled in.

        Raises:
            UsageError: NFV-CONF-006, a template that cannot be filled in.
        """
        variables = self.variables(host)
        try:
            return plain(self._templar(variables).template(variables[VARIABLE]))
        except self._error as error:
            raise UsageError(
                "NFV-CONF-006",
                f"{host}: a template in the variable {VARIABLE} cannot be filled in",
                str(error),
                "define the variables that it uses for this host",
            ) from error


@contextmanager
def _variables_set(environment: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for a while; those that the user has set stay as they are."""
    added = [name for name in environment if name not in os.environ]
    os.environ.update({name: environment[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


def _unreadable(error: Exception) -> UsageError:
    return UsageError("NFV-CONF-003", "Ansible cannot read the inventory", str(error), "correct the inventory source")


def plain(value: Any) -> Any:
    """Ansible's tagged values as plain ones, so that nothing of Ansible reaches the model."""
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value
