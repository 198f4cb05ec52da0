"""Runs a program of Python with the account of an emulator in its environment: ``with_emulator.py PROGRAM``."""

from __future__ import annotations

import os
import subprocess
import sys

from calsync.testing import CalDavEmulator

with CalDavEmulator() as emulator:
    account = emulator.account
    known = {"CALDAV_URL": account["url"], "CALDAV_USER": account["username"], "CALDAV_PASSWORD": account["secret"]}
    ended = subprocess.run([sys.executable, *sys.argv[1:]], env={**os.environ, **known})
sys.exit(ended.returncode)
