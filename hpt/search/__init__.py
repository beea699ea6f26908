"""The library, pure: spaces, trials, histories, the tuner, strategies and stopping rules."""
