"""What more than one adapter needs to know of the machine. Standard library only."""
