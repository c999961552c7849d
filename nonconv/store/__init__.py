"""The output folder: atomic files, their formats, and what surrounded their making."""
