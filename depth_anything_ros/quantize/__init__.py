"""int8 networks for CPUs, calibrated on a user's own images (library NNCF, extra ``quantize``)."""
