"""The search within other frameworks, a module each, over the public API: `hpt[optuna]`, `hpt[sklearn]`."""
