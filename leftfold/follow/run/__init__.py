"""How processors are run: page after page, by any number of workers."""
