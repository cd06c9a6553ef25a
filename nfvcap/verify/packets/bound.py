# SPDX-License-Identifier: Apache-2.0
"""What a number of packets supports: the exact upper bound on the loss ratio, whatever the counts. Pure."""

from __future__ import annotations

import math

CONFIDENCE = 0.95
_LOG_RISK = math.log(1 - CONFIDENCE)
_NORMAL = 1.6448536269514722  # the quantile of the normal distribution; it only says where to begin
_CLOSE = 1e-12
_MARGIN = 1e-9  # upwards, more than what arithmetic may have cut off
_STEPS = 200


def loss_upper_95(lost: int, sent: int) -> float:
    """95 % upper bound on the loss ratio (Clopper and Pearson, one-sided); 0 of n lost: 1 - 0.05^(1/n), about 3/n.

    It is the ratio at which no more than so many would be lost with a probability of 5 %. Newton's method finds it on
    the logarithm of that probability, which falls ever more steeply, within a bracket.
    """
    if sent <= 0 or lost >= sent:
        return 1.0
    if lost == 0:
        return -math.expm1(_LOG_RISK / sent)
    low, high = lost / sent, 1.0
    p = min(low + (_NORMAL * math.sqrt(lost + 1) + 1) / sent, (low + high) / 2)
    for _ in range(_STEPS):
        log_probability, slope = _at_most(lost, sent, p)
        low, high = (p, high) if log_probability > _LOG_RISK else (low, p)
        better = p - (log_probability - _LOG_RISK) / slope
        if not low <= better <= high:
            better = (low + high) / 2
        if abs(better - p) <= _CLOSE * min(p, 1 - p):
            break
        p = better
    return min(1.0, better + _MARGIN * min(better, 1 - better))


def _at_most(k: int, n: int, p: float) -> tuple[float, float]:
    """ln of the probability that no more than k of n are lost, each with probability p, and its slope by p.

    The terms are summed from the largest one, that of k, downwards, until they add nothing: about eight standard
    deviations of them.
    """
    q = 1 - p
    term = total = 1.0
    for i in range(k, 0, -1):
        term *= i * q / ((n - i + 1) * p)
        total += term
        if term < total * 1e-17:
            break
    return _log_exactly(k, n, p) + math.log(total), -(n - k) / (q * total)


def _log_exactly(k: int, n: int, p: float) -> float:
    """ln of the probability that just k of n are lost, 0 < k < n, after Loader (2000): differences of large logarithms
    would leave no digits of it when there are milliards of packets."""
    more = k - n * p
    deviance = _deviance(more, n * p) + _deviance(-more, n * (1 - p))
    stirling = _stirling(n) - _stirling(k) - _stirling(n - k)
    return stirling - deviance + 0.5 * math.log(n / (2 * math.pi * k * (n - k)))


def _deviance(more: float, mean: float) -> float:
    """x ln(x / mean) + mean - x, where x = mean + more."""
    d = more / mean
    return mean * ((1 + d) * math.log1p(d) - d)


def _stirling(n: int) -> float:
    """ln(n!) less Stirling's approximation of it."""
    if n < 16:
        return math.lgamma(n + 1) - (n + 0.5) * math.log(n) + n - 0.5 * math.log(2 * math.pi)
    return (1 / 12 - (1 / 360 - 1 / 1260 / n / n) / n / n) / n
