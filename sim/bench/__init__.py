"""Measures transports side by side: latency, messages a second, processor time, physical limits."""
