"""A folder as site-packages is one: xfer is found where this is on the path."""
