"""What the tests have workers do: in a module that a process started afresh can import."""

import os
import signal

from volumetry.study.runs.measuring import do_job


def square(number):
    """The square of a number; a negative one kills the process."""
    if number < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def measure_or_die(job):
    """Measure a case; that of p003 at v1 kills the process."""
    if (job.case.patient, job.case.visit) == ("p003", "v1"):
        os.kill(os.getpid(), signal.SIGKILL)
    return do_job(job)
