"""Helpers of definitions: arithmetic of both engines, elementary functions, random numbers, moments, quantiles."""
