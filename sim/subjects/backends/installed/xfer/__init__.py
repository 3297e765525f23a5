"""A backend as somebody else's package is one: it knows nothing of who loads it."""
