"""Writes statistics.csv, the reference numbers of smidgen/base/statistics_test.cc.

Made with SciPy 1.17.1, NumPy 2.4.6 and mpmath 1.3.0 (the far tails, where SciPy underflows). Usage: python3 statistics.py
"""

import os

import mpmath
import numpy as np
import scipy
from scipy import special, stats

ROWS = []


def add(name, arguments, value):
    ROWS.append(",".join([name] + [repr(float(a)) for a in arguments] + [repr(float(value))]))


def exact_log_lower_tail(k, n, p):
    """ln P(X <= k) with 60 digits: k + 1 terms of the sum."""
    with mpmath.workdps(60):
        p = mpmath.mpf(p)
        return mpmath.log(mpmath.fsum(mpmath.binomial(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1)))


def main():
    grid = [(0, 1), (1, 1), (0, 59), (3, 100), (5, 100), (50, 100), (97, 100), (100, 100), (17, 500), (57, 1928),
            (1000, 20000), (49000, 1000000), (50000, 1000000), (499000, 10000000), (500000, 10000000),
            (5000500, 10000000), (9999999, 10000000), (2, 10000000)]
    for k, n in grid:
        for p in (1e-7, 0.001, 0.05, 0.3, 0.5, 0.95):
            lower, upper = stats.binom.cdf(k, n, p), stats.binom.sf(k - 1, n, p)
            if lower > 1e-290:
                add("cdf", (k, n, p), lower)
            if 1e-290 < upper:
                add("upper", (k, n, p), upper)
            mass = stats.binom.pmf(k, n, p)
            if mass > 1e-290:
                with mpmath.workdps(50):
                    exact = (mpmath.loggamma(n + 1) - mpmath.loggamma(k + 1) - mpmath.loggamma(n - k + 1) +
                             k * mpmath.log(mpmath.mpf(p)) + (n - k) * mpmath.log(1 - mpmath.mpf(p)))
                add("logpmf", (k, n, p), exact)
    for k, n, p in ((0, 20000, 0.05), (3, 20000, 0.05), (100, 40000, 0.05), (40, 10000, 0.3)):
        add("logcdf", (k, n, p), exact_log_lower_tail(k, n, p))
    for a, b, x in ((0.5, 0.5, 0.2), (3.7, 12.2, 0.1), (950.5, 41.25, 0.95), (1e5, 321.5, 0.9964), (2.5, 9000.25, 0.001)):
        with mpmath.workdps(40):
            add("logbeta", (a, b, x), mpmath.log(mpmath.betainc(a, b, 0, mpmath.mpf(x), regularized=True)))
    for k, n in ((0, 1), (0, 59), (3, 10), (10, 10), (97, 100), (1871, 1928), (1, 10000000), (9999000, 10000000)):
        for confidence in (0.9, 0.95, 0.99):
            half = (1 - confidence) / 2
            add("cp_low", (k, n, confidence), 0 if k == 0 else special.betaincinv(k, n - k + 1, half))
            add("cp_high", (k, n, confidence), 1 if k == n else special.betaincinv(k + 1, n - k, 1 - half))
            exact = stats.binomtest(k, n).proportion_ci(confidence, method="wilson")
            add("wilson_low", (k, n, confidence), exact.low)
            add("wilson_high", (k, n, confidence), exact.high)
        add("cp_lower", (k, n, 0.05), 0 if k == 0 else special.betaincinv(k, n - k + 1, 0.05))
        add("cp_upper", (k, n, 0.05), 1 if k == n else special.betaincinv(k + 1, n - k, 0.95))
    for b, c in ((0, 0), (0, 1), (5, 5), (12, 30), (30, 12), (100, 160), (4000, 4300)):
        add("mcnemar", (b, c), 1.0 if b + c == 0 else stats.binomtest(min(b, c), b + c, 0.5).pvalue)
    for p in (1e-300, 1e-12, 0.001, 0.025, 0.3, 0.5, 0.7, 0.975, 0.9999):
        add("normal", (p,), stats.norm.ppf(p))
    sample = [3.0, -1.0, 2.5, 8.0, 8.0, 0.25]
    for q in (0.0, 0.1, 0.5, 0.93, 1.0):
        add("quantile", sample + [q], np.quantile(sample, q))
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "statistics.csv"), "w", encoding="utf-8") as out:
        out.write(f"# scipy {scipy.__version__}, numpy {np.__version__}, mpmath {mpmath.__version__}: "
                  "function, arguments..., value\n")
        out.write("\n".join(ROWS) + "\n")


if __name__ == "__main__":
    main()
