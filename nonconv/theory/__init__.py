"""Predictions: closed forms, exact recursions, and which assumptions of the theorem hold.

Nothing here simulates: it reads a cell's definitions and numbers. docs/theory.md has the derivations.
"""
