"""Read a YAML file into a validated spec that knows the place of every value."""
