"""From a validated config to a cell: bound to its components and numbers, and hashed.

`binding` makes the cell; `sources` reads the files that components name, by `table` (CSV) and `weights` (.npy or text);
`networks` adds what only a network has; `identity` names and hashes the result.
"""
