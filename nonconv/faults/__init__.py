"""Problems with their places, and the plug-in at fault when code fails."""
