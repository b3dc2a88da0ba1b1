"""The program that stands between the harness and a confined command; standard library only, starts in a blink.

It runs as `python -I -S launcher SPEC COMMAND...`, puts up the walls that SPEC names and becomes COMMAND.
"""
