"""Test what a component promises, for authors of plug-ins and for the built-in ones: `nonconv explain NAME --test`.

One file per kind has the checks; `findings` runs them. A check takes a component and its parameters, and raises Broken.
"""
