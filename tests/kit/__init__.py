"""What several test modules share: configs, folders, programs, processes, and how to read results."""
