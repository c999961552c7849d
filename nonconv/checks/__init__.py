"""Questions about finished folders, answered without printing.

`expectations`: does a result meet its config's `expect` block? `comparison`: how do two runs differ? `verification`: do
recomputed paths have the same bits? `junit` writes the first as XML.
"""
