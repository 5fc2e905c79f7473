"""Makes ``python -m utopya_backend`` the same as ``utopya-backend``."""

from .cli import main

if __name__ == "__main__":
    main()
