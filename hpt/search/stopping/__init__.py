"""Rules that stop trials early. A new one is a file beside this one."""
