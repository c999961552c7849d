"""From a validated config to a cell: bound to its numbers and hashed."""
