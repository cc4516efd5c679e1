"""Threads, event loops, processes and single flight. Nothing here knows what a request is.

threads.py         run blocking functions in threads, await several things at once
loops.py           questions about the running event loop and about functions
processes.py       state that survives a fork: locks, and values that each process makes anew
single_flight.py   of equal calls made at the same time, only one runs
"""
