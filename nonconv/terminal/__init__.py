"""What is told on stderr while something is computed: progress of runs and sweeps, and that a kernel is compiled."""
