"""What a definition is: the contracts that components fill in, and their parameters."""
