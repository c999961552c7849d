"""The disk: output folders, the formats of their files, and what surrounded a computation.

`folder` locks a folder, writes files and seals them with a manifest; `formats` makes JSON, YAML and NPZ quickly;
`surroundings` finds versions, processor and commit.
"""
