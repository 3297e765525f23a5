"""Is what a live run's journal says an execution that the simulated machine allows?"""
