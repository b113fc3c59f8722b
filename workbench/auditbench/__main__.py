"""`python -m auditbench` is the command `auditbench`."""

from auditbench.cli import main

if __name__ == "__main__":
    main()
