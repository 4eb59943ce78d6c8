"""A strict stand-in for TensorRT, and for the CUDA libraries beside it, on machines without a GPU.

It has the names, signatures and enum values of one version of the real bindings (``api/``), and no others; a network
runs on ONNX Runtime; device memory is bytes that only the double can reach, and queued work is done at ``synchronize``
and not before. What would crash or be undefined on a robot (a Runtime without a GPU, an address outside an allocation,
a copy from memory that is not pinned, a wrong thread) is an AssertionError here.

``install.installed`` puts it in the place of the real modules for the length of a ``with``, ``install.environment``
gives a child process the same. ``settings.Settings`` says which version, which GPU, and what goes wrong.
"""
