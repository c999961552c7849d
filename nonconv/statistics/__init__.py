"""What is measured of paths: statistics of bounded size that merge block by block, and what follows from them.

`floors` are lower bounds of every error, `trends` follow them from span to span, `verdict` answers whether a run converges.
`tally` lists all statistics, `measured_block` measures them.
"""
