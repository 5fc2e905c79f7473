"""Makes ``python -m utopya_backend`` the same as ``utopya-backend``."""

from utopya_backend_command import main

if __name__ == "__main__":
    main()
