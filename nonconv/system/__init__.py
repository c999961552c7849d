"""What lies between the program and the system: it knows nothing of the subject.

`reading` reads a user's file, `atomic` writes one, `streams` and `signals` are those of the process, and `words` puts
numbers and nouns together for all who print.
"""
