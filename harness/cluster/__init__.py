"""Attempts on many machines: what a run's own process does, and the harness's process on each node.

The run's process (`executor.py`) schedules, keeps the journal and owns the run's folder. On every node a *station*
(`station.py`), a process of the harness, owns one device, admits the base there and works on attempts as a run on one
machine does. Between them Ray starts, finds and buries processes and carries bytes (`relay.py`); it runs nothing of
ours, so that what confines and times on a node is what does on any machine.
"""
