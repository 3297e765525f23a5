"""What a fork server cannot import, because something is not installed."""

import not_installed_anywhere  # type: ignore[import-not-found]  # noqa: F401
