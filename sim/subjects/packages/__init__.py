"""The folder of packages that subjects import as if they were installed: it is put on sys.path."""
