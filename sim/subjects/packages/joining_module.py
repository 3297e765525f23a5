"""The body of a module that joins a thread which imports it, see hanging.py."""

import importlib
import threading

import spinbed

thread = threading.Thread(target=importlib.import_module, args=("joining_module",))
thread.start()
spinbed.probe("hangs")
thread.join()
