"""What `import nonconv` offers, and what the commands call: configs in, results out.

Nothing here prints unless it is asked to, and nothing exits. `nonconv/__init__.py` names what is public.
"""
