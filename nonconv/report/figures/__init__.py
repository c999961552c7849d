"""Figures, drawn from data files."""
