"""`python -m counterfoil` is the `counterfoil` command."""

from .adapters.cli import main

raise SystemExit(main())
