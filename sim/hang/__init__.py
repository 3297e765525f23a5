"""Why nothing moves: from evidence to one named hang class."""
