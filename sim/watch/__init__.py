"""For programs of users': says where a wait stands that makes no progress, in all its processes.

`spinbed.watch` is in watched; docs/watching-your-program.md is for its users, decision 17 for why a
process beside the program looks at it.
"""
