"""Programs in virtual time: processes, their interpreters and their start-up as generators.

What is modelled is the mechanism: locks, dictionaries, descriptors, names. What comes of it is
found out by running it; docs/lifecycle.md says which mechanisms there are, and their limits.
"""
