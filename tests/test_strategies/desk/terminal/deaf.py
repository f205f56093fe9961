"""A program that waits, and so does its child: neither hears a word to end."""

from __future__ import annotations

# It waits, as Freqtrade for a training, and hears no word; so does its child.
DEAF = """
import signal, subprocess, sys, time
for one in (signal.SIGINT, signal.SIGTERM):
    signal.signal(one, signal.SIG_IGN)
if sys.argv[1:2] != ["child"]:
    child = subprocess.Popen([sys.executable, __file__, "child"])
    print("child", child.pid, flush=True)
while True:
    time.sleep(1)
"""
