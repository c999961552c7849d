"""What can go wrong: errors that a user can cause, problems with their places, and the plug-in at fault when code fails.

A `Problem` is one thing that is wrong, with its place in a file. A `ConfigError` carries the texts of all problems of a
config. A `PluginError` is raised where a plug-in's code fails while paths are simulated.
"""
