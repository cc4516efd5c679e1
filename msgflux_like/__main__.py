"""`python -m msgflux_like`."""

from msgflux_like.cli import main

raise SystemExit(main())
