"""Found in the place of the real module, where the environment asks for the stand-in."""

from tests.tensorrt_double.install import take_place_of

take_place_of("pycuda")
