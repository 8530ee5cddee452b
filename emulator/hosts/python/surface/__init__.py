"""The runtime modules below the SDKs on CPython; see README.md."""
