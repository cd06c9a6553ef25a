# SPDX-License-Identifier: Apache-2.0
"""The independent judge: reads hosts raw and compares them with the plan; see nfvcap.verify.state.verify_hosts."""
