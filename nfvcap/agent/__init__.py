# SPDX-License-Identifier: Apache-2.0
"""The capture agent as Python sees it.

    from nfvcap.agent.build import locate
    from nfvcap.agent.client import Agent
    from nfvcap.agent.options import CaptureOptions, CheckOptions, GenerateOptions

    program = locate()                      # Path: stripped, built once per source; NFVCAP_AGENT overrides
    agent = Agent(program)                  # or Agent("/usr/local/bin/nfvcap-agent", runner=one_that_goes_over_ssh)

    sent = agent.generate(GenerateOptions(port="af_packet:veth0", count=1000, size="965"))      # GenerateReport
    found = agent.check(CheckOptions(files=("/dev/shm/x.pcap",), expect=sent.sent))             # CheckReport
    found.ok, found.problems, found.numbers.missing, found.numbers.duplicates

    with agent.start(CaptureOptions(ports=("af_packet:veth1",), write="/dev/shm/x.pcap"), tmp) as capture:
        ...                                 # packets are stored from here on
        report = capture.stop()             # CaptureReport; report.total.received == .stored + each loss

Elsewhere (a systemd unit in a guest): the options' ``argv()`` is the command, and ``CaptureReport.parse(text)``,
``GenerateReport.parse(text)``, ``CheckReport.parse(text)`` read what it printed with --json. Everything raises
:class:`nfvcap.errors.NfvcapError`, NFV-AGENT-001 to -005.

:mod:`nfvcap.agent.frame` is the numbered frame in Python.
"""
