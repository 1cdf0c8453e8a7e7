"""``charmill drops`` scores drops, ``charmill drops status`` shows what became of them."""

from jobs.drops.command import main

if __name__ == "__main__":
    main()
