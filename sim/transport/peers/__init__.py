"""What carries messages in transports of others, one library a file; see sim/transport/peer.py."""
