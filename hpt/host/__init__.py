"""What several adapters need from the machine. Standard library only."""
