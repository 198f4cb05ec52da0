"""Runs a command and prints what it cost: seconds of processor time (user and system), elapsed seconds, peak KiB.

cost.py COMMAND... ; the command's own output goes to standard error. The peak is never below that of this script, some 10 MiB.
"""

import resource
import subprocess
import sys
import time

began = time.monotonic()
done = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=sys.stderr)
elapsed = time.monotonic() - began
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"cpu={used.ru_utime + used.ru_stime:.3f} elapsed={elapsed:.3f} peak_kib={used.ru_maxrss}")
sys.exit(done.returncode)
