"""`counterfoil doctor`: what a policy sends, and what browsers make of it."""
