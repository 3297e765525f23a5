"""The body of a module that wants a lock of the program, see hanging.py."""

from sim.subjects.hanging import in_locking_module

in_locking_module()
