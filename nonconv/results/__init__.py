"""From measured numbers to data files."""
