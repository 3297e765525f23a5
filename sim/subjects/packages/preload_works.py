"""What a fork server can import in advance."""
