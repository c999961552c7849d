"""Checks of finished folders: results against expectations, two runs against each other, a folder against its config."""
