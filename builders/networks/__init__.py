"""The networks of the papers, in torch."""
