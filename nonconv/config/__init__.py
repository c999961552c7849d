"""From a YAML file to a validated spec that still knows where every value stood."""
