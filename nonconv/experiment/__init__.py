"""From a validated config to a cell: bound to its components and numbers, and hashed.

`binding` makes the cell from what others read off the config and check: `reading` (components, data, coordinates), `step_parts`
(what a step has beside its rule), `recording`, `starts`, `candidates` (for the limit, and minima) and `quantities`. `sources`
reads the files that components name, by `table` (CSV) and `weights` (.npy or text); `networks` adds what only a network has;
`identity` names and hashes the result.
"""
