"""Predictions: closed forms, exact recursions, and which assumptions of the theorem hold. Knows nothing of simulation."""
