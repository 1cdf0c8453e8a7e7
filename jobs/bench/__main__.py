"""``python -m jobs.bench``."""

from jobs.bench.command import main

if __name__ == "__main__":
    main()
