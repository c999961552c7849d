"""What a component is: the classes that definitions fill in (`definitions`), and their parameters (`parameters`)."""
