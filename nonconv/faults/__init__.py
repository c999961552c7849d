"""Whose fault an error is, and where: problems with places, and blame for the code of plug-ins."""
