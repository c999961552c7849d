"""What a component promises, checked: for authors of components."""
