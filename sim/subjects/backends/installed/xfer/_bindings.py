"""What the users of xfer rarely import."""


class Telemetry:
    pass
