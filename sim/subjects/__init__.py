"""Small real programs whose start-up, imports and loading go wrong, before and after a fix.

They import nothing of the rest of sim: they are what is tested.
"""
