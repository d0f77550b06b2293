"""The engine that every node runs, a build product of ``tools/engine``; see ``NOTICE.txt``.

A package only so that its files are installed with the code.
"""
