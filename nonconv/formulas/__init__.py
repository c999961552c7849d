"""Formulas that a config holds as text: read, differentiated, and turned into plain definitions.

`syntax` is what all texts share that Python's parser reads; `reading` turns a formula into a tree and says what is wrong
with it, and where; `writing` turns a tree into text again; `derivative` differentiates it (sympy, imported when a formula
is used); `limits` finds what a function of n tends to; `modules` makes modules of definitions that engines run.
"""
