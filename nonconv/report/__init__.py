"""From data files to what people read: tables, figures, a summary. No path is simulated here.

`run` and `sweep_result` read a folder back; `summary` and `sweep_summary` write summary.md, from sentences of
`verdict_text`, `network_text` and `orbit_text`; `tables` and `sweep_table` write the formats of `nonconv table`; `figures`
draws.
"""
