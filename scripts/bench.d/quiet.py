"""Whether the machine has anything else to do: another program's work decides where the scheduler puts ours."""

import time

SAMPLE_S = 0.2
BUSY_MAX = 0.05


def busy_share():
    """The part of all CPUs' time that was not idle, over one sample."""
    before, after = _ticks(), None
    time.sleep(SAMPLE_S)
    after = _ticks()
    idle, total = after[0] - before[0], after[1] - before[1]
    return 1 - idle / total if total else 0.0


def wait_until_quiet(patience_s):
    """Returns whether the machine became quiet in that time."""
    deadline = time.monotonic() + patience_s
    while busy_share() > BUSY_MAX:
        if time.monotonic() > deadline:
            return False
    return True


def _ticks():
    with open("/proc/stat") as lines:
        values = [int(word) for word in next(lines).split()[1:9]]
    return values[3] + values[4], sum(values)
