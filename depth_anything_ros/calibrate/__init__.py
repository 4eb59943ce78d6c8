"""``calibrate-scale``: what a network's output is in the metres of one camera, measured against something known.

``references`` turns each kind of reference (a taped distance, measured depth, a cloud) into a depth image of the frame;
``cloud_files`` reads clouds from PLY and PCD; ``measure`` collects what the network and the reference say of the same
pixels; ``fit`` finds the scale; ``command`` is the command.
"""
