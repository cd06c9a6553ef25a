# SPDX-License-Identifier: Apache-2.0
"""Pictures of a report as inline SVG; colours are classes of the page's style sheet."""
