"""What other trackers wrote, brought into the store: one reader a format, one way in.

A reader turns a log into records (``records.py``); ``sending.py`` numbers them and delivers them as a
training process would, so that an import is subject to every check that a live run is. The log itself is the
spool: it can be read again from the beginning, its records come out the same, and the server skips what it
has. So importing a log twice changes nothing, importing one that has grown adds what is new, and an import
that was killed goes on where it stopped.
"""
