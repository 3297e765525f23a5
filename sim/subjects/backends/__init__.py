"""A package with a native library, and two modules that make it available: eager.py and lazy.py."""
