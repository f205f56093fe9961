"""Networks, decisions, hedging and guards: numbers in, numbers out."""

import os

# ONNX Runtime's builds report their use to Microsoft unless told not to before they are loaded.
# A machine that trades tells nobody what it runs.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
