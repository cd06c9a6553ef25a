# SPDX-License-Identifier: Apache-2.0
"""What can be measured on, one file each: virtual devices on this machine; the lab and real hosts come beside it."""
