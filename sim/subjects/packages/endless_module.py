"""The body of a module that never ends, see hanging.py."""

import time

time.sleep(3600)
