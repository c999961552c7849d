"""From measurements to files that people read: tables, figures, a summary."""
