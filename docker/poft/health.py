#!/usr/bin/python3.11
"""Health of a service: its own page answers 200, which it does while it follows its chains.

health.py PORT
"""

import sys
import urllib.error
import urllib.request

try:
    urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/health", timeout=5).close()
except urllib.error.HTTPError as refused:
    sys.exit(refused.read().decode(errors="replace"))
except OSError as error:
    sys.exit(str(error))
