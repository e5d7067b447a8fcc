"""The log evidences of the learners' workloads, computed without borel: a Kalman filter and an average over networks. Needs numpy."""

import itertools
import math

import numpy


def kalman(n):
    motion = numpy.eye(4) + 0.1 * numpy.eye(4, k=2)
    see = numpy.eye(2, 4)
    mean, covariance, total = numpy.array([0.0, 0, 1, 1]), numpy.eye(4), 0.0
    for i in range(n):
        mean, covariance = motion @ mean, motion @ covariance @ motion.T + 0.01 * numpy.eye(4)
        miss = numpy.array([i % 7, i % 11]) - see @ mean
        spread = see @ covariance @ see.T + 0.25 * numpy.eye(2)
        gain = covariance @ see.T @ numpy.linalg.inv(spread)
        total -= 0.5 * (miss @ numpy.linalg.solve(spread, miss) + math.log(numpy.linalg.det(2 * math.pi * spread)))
        mean, covariance = mean + gain @ miss, covariance - gain @ see @ covariance
    return total


def networks(passes):
    step = lambda x: int(x > 0)
    counts = {}
    for w in itertools.product((-1, 0, 1), repeat=9):
        f = lambda a, b: step(w[6] * step(w[0] * a + w[1] * b + w[2]) + w[7] * step(w[3] * a + w[4] * b + w[5]) + w[8])
        right = sum(f(a, b) == (a ^ b) for a in (0, 1) for b in (0, 1))
        counts[right] = counts.get(right, 0) + 1
    return math.log(sum(c / 19683 * 0.9 ** (passes * right) * 0.1 ** (passes * (4 - right)) for right, c in counts.items()))


print(repr(kalman(1_000_000)), [networks(3), networks(13)])
