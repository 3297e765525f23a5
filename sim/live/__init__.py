"""The live world: real processes, real signals, real shared memory. Imports nothing by itself."""
